"""The size rule: the largest support, and MTL where the target is smaller (Weller et al. 2022)."""


def size_rule(support_rows: int) -> float:
    """Return how promising a support is by its train rows alone: as many as they are."""
    return float(support_rows)
