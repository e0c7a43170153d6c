"""The commands beside ``tlbench``: arguments, sentences and exit codes."""
