import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.support.experiments import Compose
from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.plan import encoder_files
from tlbench.plan.build import build

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def encoder(name: str | Path, **changes: object) -> Encoder:
    values = {"revision": None, "pretrained": True, "num_hidden_layers": None, "max_length": 64}
    return Encoder(name=str(name), **{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An encoder's folder: the assets of ``encoder=tiny``, and weights."""
    copy = tmp_path / "enc"
    shutil.copytree(encoder_files.locate("package:tlbench/assets/tiny"), copy)
    (copy / "model.safetensors").write_bytes(b"weights")
    return copy


def edit(name: str, text: str = "other") -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    return apply


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "spiece.model",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
    ],
)
def test_other_files_are_another_encoder(folder: Path, name: str) -> None:
    before = encoder_files.identify(encoder(folder))
    edit(name)(folder)
    # Each process asks once; the next one sees the new files.
    encoder_files._identify.cache_clear()
    assert encoder_files.identify(encoder(folder)) != before


@pytest.mark.parametrize("name", ["README.md", "onnx/model.onnx", "a.py"])
def test_files_that_are_not_read_change_nothing(folder: Path, name: str) -> None:
    before = encoder_files.identify(encoder(folder))
    edit(name)(folder)
    encoder_files._identify.cache_clear()
    assert encoder_files.identify(encoder(folder)) == before


def test_code_counts_where_it_is_run_and_weights_where_they_are_read(folder: Path) -> None:
    trusted, random = {"trust_remote_code": True}, {"pretrained": False}
    before = [encoder_files.identify(encoder(folder, **kind)) for kind in (trusted, random)]
    edit("parts/modeling.py")(folder)
    edit("model.safetensors")(folder)
    encoder_files._identify.cache_clear()
    after = [encoder_files.identify(encoder(folder, **kind)) for kind in (trusted, random)]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_the_name_of_a_folder_is_no_part_of_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert encoder_files.identify(encoder(folder)) == encoder_files.identify(
        encoder(tmp_path / "copy")
    )


def test_what_can_not_be_read_is_one_sentence(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(folder / "gone")
    with pytest.raises(UserError, match=r"^Change encoder.name: .*model.safetensors can't be read"):
        encoder_files.identify(encoder(folder))


def test_folders_and_odd_maps_of_code_are_no_failure(folder: Path) -> None:
    (folder / "x.safetensors").mkdir()
    (folder / "x.py").mkdir()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": [1, 2]}))
    assert encoder_files.identify(encoder(folder, trust_remote_code=True)).startswith("sha256:")


def test_a_hub_name_is_its_commit_in_the_local_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--org--some" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = tmp_path / "models--org--some" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    look = encoder_files.try_to_load_from_cache
    monkeypatch.setattr(
        encoder_files, "try_to_load_from_cache", lambda *a, **k: look(*a, **k, cache_dir=tmp_path)
    )
    known = encoder("org/some")
    known.identity = encoder_files.identify(known)
    assert known.identity == f"commit:{COMMIT}"
    assert encoder_files.revision(known) == COMMIT


def test_a_hub_name_that_is_not_in_the_cache_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def model_info(self: HfApi, name: str, **options: object) -> object:
        asked.append((name, options["revision"]))
        return type("Info", (), {"sha": COMMIT})

    monkeypatch.setattr(HfApi, "model_info", model_info)
    for _ in range(2):
        assert encoder_files.identify(encoder("org/asked", revision="v2")) == f"commit:{COMMIT}"
    assert asked == [("org/asked", "v2")]


def test_code_of_another_repository_counts_where_it_is_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "org/code--modeling.Model", "AutoConfig": "own.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    sha = COMMIT
    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: type("Info", (), {"sha": sha}))
    assert "+code:" not in encoder_files.identify(encoder(folder))
    before = encoder(folder, trust_remote_code=True)
    before.identity = encoder_files.identify(before)
    encoder_files.check_unchanged(before)
    assert encoder_files.identify(before) == before.identity
    sha = COMMIT[::-1]
    encoder_files._identify.cache_clear()
    encoder_files._commit.cache_clear()
    after = encoder_files.identify(encoder(folder, trust_remote_code=True))
    assert "+code:" in after
    assert after != before.identity
    assert after.partition("+")[0] == before.identity.partition("+")[0]


def test_a_commit_that_is_given_needs_no_hub() -> None:
    assert encoder_files.identify(encoder("org/x", revision=COMMIT)) == f"commit:{COMMIT}"
    assert encoder_files.revision(encoder("org/x", revision="main")) == "main"


@pytest.mark.parametrize("name", ["org/nowhere", "no folder", "a/b/c", "", "./typo"])
def test_what_can_not_be_found_out_is_one_sentence(name: str) -> None:
    with pytest.raises(UserError, match=r"^Change encoder \(.*the hub does not say which commit"):
        encoder_files.identify(encoder(name))


@pytest.mark.parametrize("identity", ["commit:abc", f"commit:{COMMIT}", "x"])
def test_an_identity_of_another_kind_is_refused(folder: Path, identity: str) -> None:
    with pytest.raises(UserError, match=r"^Change encoder.identity to null"):
        encoder_files.identify(encoder(folder, identity=identity))


def test_files_that_changed_since_they_were_planned_with_are_refused(folder: Path) -> None:
    planned = encoder(folder)
    planned.identity = encoder_files.identify(planned)
    encoder_files.check_unchanged(planned)
    edit("model.safetensors")(folder)
    with pytest.raises(UserError, match=r"^Change encoder.name, or launch anew: the files of"):
        encoder_files.check_unchanged(planned)


def test_new_weights_under_an_old_name_are_another_stage(compose: Compose, folder: Path) -> None:
    def key() -> str:
        encoder_files._identify.cache_clear()
        overrides = (f"encoder.name={folder}", "encoder.pretrained=true")
        return build(compose(*overrides)).plan()[-1].key

    before = key()
    assert key() == before
    edit("model.safetensors")(folder)
    assert key() != before


def test_an_encoder_that_is_not_known_can_be_planned(compose: Compose) -> None:
    experiment = build(compose("encoder.name=org/nowhere"))
    assert "'org/nowhere' is no folder" in str(experiment.unresolved)
    assert experiment.plan()
