"""The shared encoder, its heads, their training step and metrics."""
