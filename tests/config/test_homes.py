"""What ``~`` means in a path, wherever it comes from."""

from pathlib import Path

import pytest

from tests.support.composing import compose_config
from tlbench.config.homes import expanded
from tlbench.config.validation import parse_config
from tlbench.errors import UserError


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "/home/me"),
        ("~/", "/home/me/"),
        ("~/a b/c", "/home/me/a b/c"),
        ("~root/x", str(Path("~root").expanduser() / "x")),
        ("file://~/conf", "file:///home/me/conf"),
        ("./~/x", "./~/x"),
        ("a/~", "a/~"),
        ("/x/~y", "/x/~y"),
        ("~ and more", "~ and more"),  # no path: notes of a logger
        ("", ""),
    ],
)
def test_a_path(written: str, meant: str) -> None:
    assert expanded(written, "store_dir") == meant


def test_a_home_that_is_not_there() -> None:
    with pytest.raises(UserError) as refused:
        expanded("~nobody-of-that-name/x", "store_dir")
    assert str(refused.value) == (
        "Change store_dir: there is no home folder '~nobody-of-that-name'; write the whole path."
    )


def test_every_path_of_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "~/place")
    source = "target_task.source={format: csv, path: '~/data', train: '~/t.csv', dev: '~/d.csv'"
    config = parse_config(
        compose_config(
            "store_dir='~/store'",
            "cache_dir=${oc.env:PLACE}/cache",
            "encoder.name='~/bert'",
            "suite=glue_tsv",
            "suite.root='~/glue'",
            "logger.wandb.save_dir='~/wandb'",
            source + ", more_dev: {other: '~/o.csv'}, text: ['~/no path'], label: '~'}",
        )
    )
    assert config.store_dir == "/home/me/store"
    assert config.cache_dir == "/home/me/place/cache"
    assert config.encoder.name == "/home/me/bert"
    assert config.logger["wandb"]["save_dir"] == "/home/me/wandb"
    assert config.suite["root"] == "/home/me/glue"
    assert config.suite["sources"]["cola"]["path"] == "/home/me/glue/CoLA"
    found = config.target_task.source
    assert (found.path, found.train, found.dev) == (
        "/home/me/data",
        "/home/me/t.csv",
        "/home/me/d.csv",
    )
    assert found.more_dev == {"other": "/home/me/o.csv"}
    assert (found.text, found.label) == (["~/no path"], "~")  # columns


@pytest.mark.parametrize("key", ["logger.wandb.save_dir", "cache_dir", "store_dir"])
def test_the_key_is_named(key: str) -> None:
    with pytest.raises(UserError, match=f"^Change {key}: there is no home folder '~no-such'"):
        parse_config(compose_config(f"{key}='~no-such/x'"))
