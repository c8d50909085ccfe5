"""Checkpoint directories, loading by reference, and how much of a model is kept."""
