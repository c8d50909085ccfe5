"""Predictions of a fine-tuned model, metrics, and the statistics of a score."""
