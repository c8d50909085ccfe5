"""Fine-tuning and pre-training: optimiser, schedules, checkpoints."""
