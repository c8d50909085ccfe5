"""`python -m gpteval` is the `gpteval` command."""

from gpteval.cli.main import main

main()
