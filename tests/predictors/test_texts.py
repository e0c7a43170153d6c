"""How alike texts are, of tasks of which there are records alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tests.support.plannable import TASKS, plannable_study
from tests.support.planted import write
from tlbench.analysis.collect import collect
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.predictors.similarity import text_similarity
from tlbench.predictors.texts import text_similarities
from tlbench.records.packing import pack
from tlbench.training.features import row_features


def similarities(study: Path, cache: Path, *overrides: str) -> dict[tuple[str, str], float]:
    table = collect([study]).table
    return text_similarities([study], table, [f"cache_dir={cache}", *overrides])


def test_every_two_tasks_have_the_cosine_of_their_mean_embeddings(
    compose: Compose, cache: Path, tmp_path: Path
) -> None:
    write(plannable_study(compose), tmp_path / "study")
    found = similarities(tmp_path / "study", cache)
    assert {*found} == {(one, other) for one in TASKS for other in TASKS if one != other}
    assert all(found[one, other] == found[other, one] for one, other in found)
    features = []
    for task in ("rte", "mnli"):
        one = build(compose("strategy=single", f"target_task={task}"))
        features.append(row_features(one.stage([one.target]), one.target).mean)
    assert found["rte", "mnli"] == pytest.approx(text_similarity(*features))
    assert found["rte", "mnli"] != pytest.approx(found["rte", "cola"], abs=1e-4)


def test_packed_records_do_as_well(compose: Compose, cache: Path, tmp_path: Path) -> None:
    write(plannable_study(compose), tmp_path / "study")
    pack([tmp_path / "study"], tmp_path / "packed.parquet")
    packed = similarities(tmp_path / "packed.parquet", cache)
    assert packed == similarities(tmp_path / "study", cache)


def test_rows_of_another_digest_are_named(
    compose: Compose, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = plannable_study(compose)
    records = [replace(one, digests={one.target_task: {"train": "0"}}) for one in records]
    write(records, tmp_path / "study")
    similarities(tmp_path / "study", cache)
    assert "rte: its train rows here are not known to be those of the study" in (
        capsys.readouterr().out
    )


def test_tasks_of_two_encoders_are_refused(compose: Compose, cache: Path, tmp_path: Path) -> None:
    records = plannable_study(compose)
    longer = records[0].config["encoder"] | {"max_length": 32}
    records[0] = replace(records[0], config=records[0].config | {"encoder": longer})
    write(records, tmp_path / "study")
    with pytest.raises(UserError, match=r"^Give studies of one encoder, or leave out --texts: "):
        similarities(tmp_path / "study", cache)


def test_rows_that_are_not_there_are_one_sentence(
    compose: Compose, cache: Path, tmp_path: Path
) -> None:
    records = plannable_study(compose)
    gone = {"format": "tsv", "path": str(tmp_path / "glue" / "RTE"), "text": ["a"]}
    for one in records:
        one.config["target_task"]["source"] |= gone
        one.config["suite"]["root"] = str(tmp_path / "glue")
    write(records, tmp_path / "study")
    with pytest.raises(UserError, match=r"there is no folder .*glue"):
        similarities(tmp_path / "study", cache)
    pack([tmp_path / "study"], tmp_path / "packed.parquet")
    with pytest.raises(UserError, match=r"^Add suite\.root=<path>"):
        similarities(tmp_path / "packed.parquet", cache)
    with pytest.raises(UserError, match="elsewhere"):
        similarities(tmp_path / "packed.parquet", cache, f"suite.root={tmp_path / 'elsewhere'}")
