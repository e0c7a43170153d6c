"""One process: an experiment from its config to its record, with its loggers and its signals."""
