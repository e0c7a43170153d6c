"""Cheaper ways to the same features: dropout, the first token alone, no padding."""
