"""Bundled samples: one small data set per task, in the task's own row shape, written for gpteval.

`<task>/<split>.jsonl` are the rows; `material/*.txt` is the hand-written English they are made of;
`python -m gpteval_tasks.samples [DIR]` writes all of them again, byte for byte.
"""
