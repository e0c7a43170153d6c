"""Finished stages on disk, and what keeps them whole. Never imports torch."""
