from tlbench.methods.sum import Sum


def test_every_task_counts_the_same() -> None:
    weights = Sum(["a", "b", "c"]).row_weights([1, 4, 0])
    assert weights.tolist() == [1, 0.25, 0.25, 0.25, 0.25]
