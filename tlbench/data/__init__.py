"""From a task's source to mixed batches: rows, sizes, tokens, mixing."""
