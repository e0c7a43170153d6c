"""A package of yours, anywhere on the Python path."""
