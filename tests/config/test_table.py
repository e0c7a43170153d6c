from pathlib import Path

from tlbench.config.keys import declared
from tlbench.config.schema import Config
from tlbench.config.table import table

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "configuration.md"


def test_the_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text() == table(), (
        "python -m tlbench.config.table > docs/guide/configuration.md"
    )


def test_every_key_is_on_the_page_with_what_it_is() -> None:
    page = table()
    for key in declared(Config).values():
        assert f"| `{key.name}` |" in page
        assert key.doc.replace("<", "&lt;") in page, "and not as a tag, which nobody sees"


def test_the_page_says_what_holds_without_an_override() -> None:
    rows = dict(line.split(" | ", 1) for line in table().splitlines() if line.startswith("| `"))
    defaults = {key.strip("| `"): cells.split(" | ")[1] for key, cells in rows.items()}
    assert defaults["optim.lr"] == "`2e-05`"
    assert defaults["logger"] == "`logger=wandb`"
    assert defaults["target_task.source.header"] == "`true`"
    assert defaults["target_task.source.path"] == "`.`"  # and not that of rte, the default task
    assert defaults["target_task.labels"] == "must be there"
