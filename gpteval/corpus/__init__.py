"""Text for pre-training: sources, documents, chunks, tokens, windows, and what the corpus holds."""
