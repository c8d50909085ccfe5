"""Moved to gpteval/records.py; import from there."""

from gpteval.records import *  # noqa: F403
