"""From a config to an experiment, its graph of stages and what they cost. Never imports torch."""
