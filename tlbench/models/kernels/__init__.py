"""Faster ways to compute the same features: dropout, the first token alone, no padding."""
