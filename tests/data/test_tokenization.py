import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tests.support.experiments import Compose
from tlbench.data.sources import splits
from tlbench.data.tokenization import pad, tokenise
from tlbench.models.encoder import load_tokenizer
from tlbench.plan.build import build

TINY = "package:tlbench/assets/tiny"


@pytest.fixture
def rows(compose: Compose, tmp_path: Path) -> Dataset:
    task = build(compose()).target.task
    return splits(task)["dev"].load(str(tmp_path / "cache"))


def test_the_second_time_nothing_is_tokenised(rows: Dataset, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = tokenise(rows, load_tokenizer(TINY, None), 32, cache)

    class Broken(type(load_tokenizer(TINY, None))):  # type: ignore[misc]
        def __call__(self, *_: object, **__: object) -> None:
            raise AssertionError("tokenised again")

    broken = Broken.from_pretrained(Path(load_tokenizer(TINY, None).name_or_path))
    again = tokenise(rows, broken, 32, cache)
    assert again.cache_files == first.cache_files
    assert again.to_dict() == first.to_dict()
    with pytest.raises(AssertionError, match="tokenised again"):
        tokenise(rows, broken, 16, cache)


def test_it_is_memory_mapped(rows: Dataset, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    assert tokenise(rows, load_tokenizer(TINY, None), 32, cache).cache_files


@pytest.mark.slow
def test_two_that_start_together_have_the_same(tmp_path: Path) -> None:
    code = f"""
from tests.support.composing import compose_config
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.plan.build import build
cfg = compose_config("debug=fast", "subsample_size=full", "cache_dir={tmp_path / "cache"}")
data = MultiTaskDataModule(build(cfg).plan()[-1])
data.setup()
print(len(data.train[0].tokens), sum(map(sum, data.train[0].tokens["input_ids"])))
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    last_lines = [process.communicate(timeout=240)[0].splitlines()[-1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert last_lines[0] == last_lines[1]
    assert last_lines[0].startswith("800 ")


ROWS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=12), min_size=1, max_size=6)


@given(ROWS, st.integers(0, 5), st.integers(0, 99), st.booleans())
def test_rows_are_padded_on_the_right_and_their_mask_is_of_their_lengths(
    rows: list[list[int]], more: int, padding: int, masked: bool
) -> None:
    length = max(map(len, rows)) + more
    types = [[1] * len(row) for row in rows]
    columns = {"input_ids": rows, "token_type_ids": types}
    columns |= {"attention_mask": types} if masked else {}  # not every tokenizer gives one
    inputs = pad(columns, padding, length)
    assert inputs.keys() == {"input_ids", "token_type_ids", "attention_mask"}
    for row, ids, kinds, mask in zip(rows, *(inputs[n].tolist() for n in inputs), strict=True):
        beyond = length - len(row)
        assert ids == row + [padding] * beyond
        assert kinds == mask == [1] * len(row) + [0] * beyond
