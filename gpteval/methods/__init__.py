"""The ways to measure one model on one task: fine-tuning, zero-shot, linear baselines."""
