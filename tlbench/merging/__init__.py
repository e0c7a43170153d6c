"""Merging: of finished stages' weights a stage is made, without training."""
