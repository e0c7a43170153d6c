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
    for key in declared(Config).values():
        assert f"| `{key.name}` |" in table()
        assert key.doc in table()
