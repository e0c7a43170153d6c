"""tlbench: which transfer-learning strategy for which target task, and how sure one can be."""

__version__ = "0.1.0"
