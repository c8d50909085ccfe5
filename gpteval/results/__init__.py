"""The results directory, and what software its numbers came from."""
