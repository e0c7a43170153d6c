from tlbench.methods.mean import Mean


def test_every_row_counts_the_same() -> None:
    assert Mean(["a", "b", "c"]).row_weights([1, 3, 0]).tolist() == [0.25] * 4
