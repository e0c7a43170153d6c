"""Studies: what a multirun's jobs are, in which order they run, and what became of them."""
