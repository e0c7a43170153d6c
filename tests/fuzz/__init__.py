"""Random and broken input for what reads it: ``python -m tests.fuzz --minutes 10 [--seed 0]``.

A case that ends in anything but a result or one sentence, takes over 20 seconds or over 2 GB, is a
finding: it is printed with its number, and its input is kept in ``--keep``. What is found is
mended, and its input becomes a test of what reads it.
"""
