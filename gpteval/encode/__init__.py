"""Text to token ids to token trees to batches."""
