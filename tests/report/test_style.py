from tlbench.report.style import file_names


def test_values_that_read_alike_are_files_apart() -> None:
    names = ["k=a/b", "k=a b", "k=A/B", "k=a-b", "k=" + "x" * 600 + "/a", "k=" + "x" * 600 + "-a"]
    words = file_names(names)
    assert len({word.casefold() for word in words}) == len(names)
    assert all(len(word.encode()) < 200 for word in words)
    assert words[3] == "k=a-b"
    assert file_names(["k=a/b"]) == ["k=a_b"]
