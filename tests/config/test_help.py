"""The page of ``tlbench --help``."""

from pathlib import Path

import pytest

from tlbench.config.arguments import arguments_for_hydra
from tlbench.config.help import GROUPS, page
from tlbench.config.search_path import CONF_DIR, use


def test_every_group_is_there_with_its_options() -> None:
    folders = (one.relative_to(CONF_DIR) for one in CONF_DIR.rglob("*") if one.is_dir())
    assert set(GROUPS) == {one.as_posix() for one in folders if one.parts[0] != "hydra"}
    words = page().replace(",", " ").split()
    assert {file.stem for file in CONF_DIR.glob("[!h]*/**/*.yaml")} <= set(words)


def test_it_fits_a_terminal() -> None:
    assert max(map(len, page().splitlines())) <= 100
    assert len(page().splitlines()) < 80


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["target_task=rte", "--help"]])
def test_it_is_printed_and_nothing_is_run(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        arguments_for_hydra(words)
    assert end.value.code == 0
    assert capsys.readouterr().out == page() + "\n"


def test_tasks_of_ones_own_are_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "target_task").mkdir()
    (tmp_path / "target_task" / "tickets.yaml").write_text("name: tickets\n")
    try:
        with pytest.raises(SystemExit):
            arguments_for_hydra(["--config-dir", str(tmp_path), "--help"])
    finally:
        use(CONF_DIR, [])
    assert "tickets" in capsys.readouterr().out.split("Groups")[1]
