import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlbench.store.integrity import checksum, file_damage, seal, set_aside, unseal

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES: list[Callable[[Path], None]] = [flip, truncate, empty]


@settings(max_examples=50)
@given(st.dictionaries(st.text().filter(lambda key: key != "checksum"), PLAIN))
def test_what_was_sealed_is_read_again(content: dict[str, object]) -> None:
    text = json.dumps(seal(content))
    assert unseal(json.loads(text)) == json.loads(json.dumps(content))


def test_other_content_is_refused() -> None:
    sealed = seal({"score": 0.5})
    with pytest.raises(ValueError, match="checksum"):
        unseal(sealed | {"score": 0.6})
    with pytest.raises(ValueError, match="checksum"):
        unseal(sealed | {"more": 1})
    with pytest.raises(ValueError, match="not a JSON object"):
        unseal([sealed])
    assert unseal({"score": 0.6}) == {"score": 0.6}


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_files_that_changed_are_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("text")
    sums = {name: checksum(tmp_path / name) for name in ("a", "b")}
    assert file_damage(tmp_path, sums) == []
    damage(tmp_path / "b")
    assert file_damage(tmp_path, sums) in (["b has changed"], ["b is missing"])


def test_what_is_set_aside_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for text in ("first", "second"):
        (tmp_path / "file").write_text(text)
        set_aside(tmp_path / "file", tmp_path, "why")
    set_aside(tmp_path / "file", tmp_path, "gone")  # which is no error
    kept = [file.read_text() for file in (tmp_path / ".damaged").iterdir()]
    assert sorted(kept) == ["first", "second"]
    assert len(caplog.messages) == 2
    assert f"{tmp_path / 'file'} is damaged (why)" in caplog.text
