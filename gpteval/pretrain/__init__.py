"""Pre-training: its loop, its log and picture, bits per byte."""
