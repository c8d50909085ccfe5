"""What the command line does, as functions: parse and print are all that is left to a command."""
