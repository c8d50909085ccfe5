"""Text to numbers for a linear head."""
