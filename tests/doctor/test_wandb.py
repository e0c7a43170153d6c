"""Whether W&B's runs are online."""

from pathlib import Path

import pytest

from tests.doctor.machines import only
from tlbench.doctor.wandb import wandb


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").touch()
    (tmp_path / "netrc").chmod(0o600)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DISABLED", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_login_runs_are_offline() -> None:
    found = only(wandb())
    assert found.level == "note"
    assert found.found == (
        "no login, WANDB_MODE is not set: runs of logger=wandb, the default, are offline"
    )
    assert "wandb login" in found.advice
    assert "logger=none" in found.advice


def test_with_a_login_they_are_online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    found = only(wandb())
    assert (found.level, found.advice) == (
        "ok",
        "Set logger=none, or logger=csv, to do without W&B.",
    )
    assert found.found.startswith("a login, WANDB_MODE is not set: ")
    assert found.found.endswith(" are online")
    assert "000" not in found.found


@pytest.mark.parametrize(
    ("name", "value", "mode"),
    [
        ("WANDB_MODE", "offline", "offline"),
        ("WANDB_MODE", "disabled", "disabled"),
        ("WANDB_DISABLED", "true", "disabled"),
    ],
)
def test_a_variable_that_asks_for_it_is_no_note(
    name: str, value: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    found = only(wandb())
    assert (found.level, found.found.split(" are ")[-1]) == ("ok", mode)


@pytest.mark.parametrize("mode", ["online", "sometimes"])
def test_a_mode_that_every_run_would_refuse(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    found = only(wandb())
    assert found.level == "problem"
    assert f"'{mode}'" in found.found
    assert "logger=none" in found.advice
