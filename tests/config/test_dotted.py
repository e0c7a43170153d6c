import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import pytest

from tlbench.config.dotted import imported, imported_class, lacks, made_by
from tlbench.errors import UserError


class Base(ABC):
    """What a user derives from."""

    unit: ClassVar[str]

    @abstractmethod
    def measure(self) -> int: ...


class Part(Base):
    """Has its method, and no value of its attribute."""

    def measure(self) -> int:
        return 1


class Whole(Part):
    """Has all."""

    unit = "m"

    def __init__(self, size: int = 1) -> None:
        if size < 1:
            raise ValueError("no size")


PATH = f"{__name__}.Whole"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package of a user's, of a name that no other test imports."""
    folder = tmp_path / f"users_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_path_names_a_function_or_an_attribute_of_a_class() -> None:
    assert imported(f"{__name__}.Whole.measure", "key") is Whole.measure
    assert imported(f"{__name__}.PATH", "key") == PATH


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.exec",
        "os.nope",
        "subprocess:run",
        "torch.os.system",
        "torch.os",
        "torch.os.path.join",
        "torch.sys.exit",
        "torch.builtins.eval",
        f"{__name__}.Path",
    ],
)
def test_what_is_of_pythons_own_library_is_refused_under_any_path(path: str) -> None:
    with pytest.raises(UserError, match=f"^Change key: '{path}' is of Python's own library"):
        imported(path, "key")


def test_a_module_of_pythons_is_not_even_imported() -> None:
    sys.modules.pop("this", None)
    with pytest.raises(UserError, match=r"'this\.c' is of Python's own library"):
        imported("this.c", "key")
    assert "this" not in sys.modules


def test_code_of_others_is_named_before_it_is_imported(
    package: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (package / "own.py").write_text("import logging; logging.info('imported')\nclass Mine: ...\n")
    path = f"{package.name}.own.Mine"
    imported(path, "key")
    imported("torch.optim.AdamW", "key")
    imported(path, "key")
    said = f"  code from outside tlbench is imported: {path}, named by key"
    assert caplog.messages == [said, "imported"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = (", "SyntaxError: .*never closed"),
        ("raise ValueError('no data')", "ValueError: no data"),
        ("", "AttributeError: .* has no attribute 'Mine'"),
    ],
)
def test_what_keeps_a_module_from_being_imported_is_said(
    package: Path,
    code: str,
    reason: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (package / "code.py").write_text(code)
    path = f"{package.name}.code.Mine"
    with pytest.raises(UserError, match=f"^Change key: '{path}' can't be imported .{reason}"):
        imported(path, "key")
    assert not any(capfd.readouterr())  # the sentence is all that is said
    assert not caplog.records


@pytest.mark.parametrize("path", ["", "..", "no", "a b.c", "None", "torch.nope"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"^Change key: '.*' can't be imported \(\w+Error: "):
        imported(path, "key")


def test_a_class_must_have_all_that_its_base_asks_for() -> None:
    assert lacks(Base) == ["measure", "unit"]
    assert lacks(Part) == ["unit"]
    assert lacks(Whole) == []
    assert imported_class(PATH, Base, "key") is Whole
    for name, reason in (
        ("Part", "'.*Part' lacks unit"),
        ("pytest", "is not a .*test_dotted.Base"),
    ):
        with pytest.raises(UserError, match=f"^Change key.*{reason}"):
            imported_class(f"{__name__}.{name}", Base, "key")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": 0}, r"\(ValueError: no size in test_dotted.py:\d+\)\.$"),
        ({"colour": 1}, r"\(TypeError: .* unexpected keyword argument 'colour'\)\.$"),
    ],
)
def test_what_a_constructor_raises_is_said(options: dict[str, int], reason: str) -> None:
    assert isinstance(made_by(Whole, PATH, "key", size=2), Whole)
    with pytest.raises(UserError, match=f"^Change key: '{PATH}' can't be made {reason}"):
        made_by(Whole, PATH, "key", **options)


def test_a_sentence_of_a_constructor_is_left_as_it_is() -> None:
    def refuse() -> None:
        raise UserError("Change colour.")

    with pytest.raises(UserError, match=r"^Change colour\.$"):
        made_by(refuse, "refuse", "key")
