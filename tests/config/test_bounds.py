from pathlib import Path

import pytest

from tlbench.config.bounds import MOST_VALUES, check_bounds
from tlbench.config.overrides import read_option
from tlbench.config.words import check_file
from tlbench.errors import UserError

BOMB = "a0: &a0 x\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
)


def written(folder: Path, text: str) -> Path:
    file = folder / "task.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, f"it has more than {MOST_VALUES:,} values, with its aliases written out"),
        ("a: &a [*a]", "it has more than .* values"),
        ("a: &a {b: *a}", "it has more than .* values"),
        ("a: " + "[" * 500, "it can't be read as YAML .it is nested too deeply"),
        ("# " + "x" * 500_000, "it has more than 500,000 bytes of YAML"),
    ],
)
@pytest.mark.parametrize("read", [check_bounds, read_option, check_file])
def test_yaml_without_bounds_is_refused_by_all_that_read_it(
    tmp_path: Path, text: str, said: str, read: type
) -> None:
    with pytest.raises(UserError, match=rf"^Change .*task\.yaml: {said}"):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    "text", ["", "a: &a [1, 2]\nb: *a\nc: {<<: {d: *a}}", "a: {", "a: *b", "\0", "- 1"]
)
def test_other_yaml_and_what_is_none_is_left_to_its_reader(tmp_path: Path, text: str) -> None:
    check_bounds(written(tmp_path, text))
    check_bounds(tmp_path / "nowhere.yaml")
