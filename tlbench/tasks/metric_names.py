"""The metrics that a task may name; ``tlbench.tasks.metrics`` computes them."""

CLASSIFICATION = ("accuracy", "f1", "macro_f1", "matthews")
REGRESSION = ("pearson", "spearman", "mse")
CORRELATIONS = ("matthews", "pearson", "spearman")  # 0 of a constant prediction
