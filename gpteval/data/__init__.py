"""Rows of a split: official files, the hub, bundled samples; and what is known about them."""
