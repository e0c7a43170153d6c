"""``hydra.run.dir`` and ``hydra.sweep.dir`` before Hydra makes them."""

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from tlbench.config.output_folders import OutputFolders
from tlbench.config.search_path import CONF_DIR


def composed(*overrides: str, mode: RunMode = RunMode.RUN) -> DictConfig:
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        hydra_object = GlobalHydra.instance().hydra
        assert hydra_object is not None
        return hydra_object.compose_config("config", list(overrides), mode)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("OUT", "~/out")
    yield
    HydraConfig.instance().cfg = None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'~/r'", "/home/me/r"),
        ("'~/r/${hydra:job.name}'", "/home/me/r/tlbench"),
        ("'${oc.env:OUT}/${seed}'", "/home/me/out/0"),
        ("r", "r"),
    ],
)
def test_a_home_is_expanded_and_told_to_the_jobs_of_a_sweep(written: str, meant: str) -> None:
    config = composed(f"hydra.run.dir={written}")
    OutputFolders().on_run_start(config)
    assert config.hydra.run.dir == meant
    config = composed(f"hydra.sweep.dir={written}", mode=RunMode.MULTIRUN)
    OutputFolders().on_multirun_start(config)
    assert config.hydra.sweep.dir == meant
    told = [word for word in config.hydra.overrides.hydra if "hydra.sweep.dir" in word]
    assert told[1:] == ([] if meant == "r" else [f"hydra.sweep.dir='{meant}'"])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "Change hydra.run.dir: give it a folder."),
        ("'~no-one/x'", "Change hydra.run.dir: there is no home folder '~no-one'; write the "),
    ],
)
def test_no_folder_is_one_sentence(
    written: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        OutputFolders().on_run_start(composed(f"hydra.run.dir={written}"))
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(said)


def test_what_hydra_lacks_it_says_itself() -> None:
    config = composed("hydra.run.dir='${oc.env:NO_SUCH_VARIABLE}/x'")
    OutputFolders().on_run_start(config)
