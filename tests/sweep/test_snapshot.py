from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

from tlbench.sweep.snapshot import freeze


def loader(*paths: str) -> ConfigLoaderImpl:
    search_path = ConfigSearchPathImpl()
    for path in paths:
        search_path.append("some", path)
    return ConfigLoaderImpl(search_path)


def copies(frozen: ConfigLoaderImpl) -> list[str]:
    return [str(element.path) for element in frozen.get_search_path().get_path()]


def test_the_configs_of_every_folder_are_copied_once(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    (conf / "group").mkdir(parents=True)
    (conf / ".hidden").mkdir()
    for name in ("config.yaml", "group/a.yaml", "rows.csv", ".hidden/b.yaml"):
        (conf / name).write_text("x: 1")
    original = loader("pkg://hydra.conf", str(conf), f"file://{conf}", "structured://")
    frozen = copies(freeze(original, tmp_path / "sweep"))
    assert (frozen[0], frozen[3]) == ("pkg://hydra.conf", "structured://")
    assert frozen[1] == frozen[2]
    copy = Path(frozen[1].removeprefix("file://"))
    files = {file.relative_to(copy).as_posix() for file in copy.rglob("*") if file.is_file()}
    assert files == {"config.yaml", "group/a.yaml"}
    assert copies(freeze(original, tmp_path / "sweep")) == frozen
    (conf / "config.yaml").write_text("x: 2")
    assert copies(freeze(original, tmp_path / "sweep")) != frozen
    assert (copy / "config.yaml").read_text() == "x: 1"


def test_an_empty_folder_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (copy,) = copies(freeze(loader(str(tmp_path / "conf")), tmp_path / "sweep"))
    assert Path(copy.removeprefix("file://")).is_dir()
