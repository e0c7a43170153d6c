"""The result record of an experiment: built, read, packed, summarised. Never imports torch."""
