"""``source.unlabelled``: which rows a task without labels of its own trains on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.experiments import Compose, write_rows
from tlbench.config.validation import parse_config
from tlbench.data import generated
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.experiment import Experiment

STUDENT = ("strategy=self_training", "support_task=unlabelled", "target_task=rte")
OF_FILE = "++suite.sources.rte.unlabelled"


def write_unlabelled(folder: Path, count: int, name: str = "more.jsonl") -> None:
    """Write rows like those of the generated rte, of its dev rows, without labels."""
    rows = generated.rows("rte", "dev", 400, 1)
    texts = [{"text_a": row["text_a"], "text_b": row["text_b"]} for row in rows][:count]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in texts))


def of_file(compose: Compose, folder: Path, *more: str, train: int = 60) -> Experiment:
    write_unlabelled(folder, 30)
    files = write_rows(folder, train=train, dev=20)
    sizes = ("subsample_size.target=40", "subsample_size.support=null")
    return build(compose(*STUDENT, *sizes, files, *more))


def test_the_rest_are_the_rows_that_a_larger_draw_has_next(compose: Compose) -> None:
    experiment = build(compose(*STUDENT, "subsample_size.support=30"))
    (rest,) = experiment.supports
    larger = build(compose("target_task=rte", "subsample_size.target=94")).target.drawn()
    assert np.array_equal(larger, np.concatenate([experiment.target.drawn(), rest.drawn()]))
    assert rest.skip == 64
    assert rest.fingerprint(held_out=False)["skip"] == 64
    assert "skip" not in experiment.target.fingerprint(held_out=False)
    all_of_it = build(compose(*STUDENT, "subsample_size.support=null")).supports[0]
    assert all_of_it.count == 800 - 64
    as_if_fewer = ("++subsample_size.per_task.rte=100", "subsample_size.support=null")
    assert build(compose(*STUDENT, *as_if_fewer)).supports[0].count == 36


def test_where_nothing_is_left_there_is_no_rest(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^Change subsample_size.target, or source.unlabelled to"):
        build(compose(*STUDENT, "subsample_size.target=800"))
    with pytest.raises(UserError, match=r"subsample_size.support: 737 asks for 737 rows and task"):
        build(compose(*STUDENT, "subsample_size.support=737"))


def test_rest_is_of_the_target_s_own_rows(compose: Compose) -> None:
    cfg = compose(*STUDENT)
    cfg.support_task = {
        **parse_config(cfg).support_task,
        "source": {"format": "generated", "name": "rte", "seed": 5, "train": 800, "dev": 400}
        | {"unlabelled": "rest"},
    }
    with pytest.raises(UserError, match="rest is of the train rows of 'rte', and its source has"):
        build(cfg)


def test_what_a_target_says_of_others_changes_nothing_of_it(
    compose: Compose, tmp_path: Path
) -> None:
    files = write_rows(tmp_path, train=60, dev=20)
    write_unlabelled(tmp_path, 30)
    single = ("target_task=rte", "subsample_size.target=40", files)
    keys = [
        build(compose(*single, *more)).plan()[0].key
        for more in ((), (f"{OF_FILE}=more.jsonl",), (f"{OF_FILE}=rest",))
    ]
    assert len({*keys}) == 1


@pytest.mark.parametrize("name", ["more.jsonl", "{split: more.jsonl, text: [text_a, text_b]}"])
def test_a_file_needs_no_labels_and_dev_is_that_of_the_target(
    compose: Compose, tmp_path: Path, name: str
) -> None:
    experiment = of_file(compose, tmp_path, f"{OF_FILE}={name}")
    (more,) = experiment.supports
    assert (more.count, more.skip) == (30, 0)
    rows = splits(more.task)["train"].load(parse_config(compose()).cache_dir)
    assert np.isnan(rows["label"][:]).all()
    own = experiment.target.digests
    assert more.digests["dev"] == own["dev"]
    assert more.digests["train"] != own["train"]
    assert experiment.plan()[1].key != of_file(compose, tmp_path).plan()[1].key


def test_labels_of_a_file_are_not_read(compose: Compose, tmp_path: Path) -> None:
    experiment = of_file(compose, tmp_path, f"{OF_FILE}=dev.jsonl", "allow_leakage=true")
    rows = splits(experiment.supports[0].task)["train"].load(parse_config(compose()).cache_dir)
    assert np.isnan(rows["label"][:]).all()


def test_a_dev_set_that_is_cut_off_train_is_cut_off_that_of_the_target(
    compose: Compose, tmp_path: Path
) -> None:
    cut = ("++suite.sources.rte.dev=0.2", f"{OF_FILE}=more.jsonl")
    experiment = of_file(compose, tmp_path, *cut)
    assert experiment.supports[0].digests["dev"] == experiment.target.digests["dev"]
    assert experiment.supports[0].rows["train"] == 30


def test_rows_that_are_also_scored_are_a_leak(compose: Compose, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^Change the rows of task 'unlabelled', or set allow_leak"
    ):
        of_file(compose, tmp_path, f"{OF_FILE}=dev.jsonl")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "mroe.jsonl",
            "Change source.unlabelled of task 'unlabelled': there is no file .*mean more",
        ),
        ("0.5", "Change source.unlabelled of task 'rte': 0.5 is neither rest, nor a file"),
        (
            "{split: more.jsonl, nonsense: 1}",
            "Change source.unlabelled of task '.*': 'nonsense' is",
        ),
        ("{split: more.jsonl, text: [text_a]}", "Change source.unlabelled of task .* have 1 texts"),
    ],
)
def test_what_is_no_file_is_one_sentence(
    compose: Compose, tmp_path: Path, value: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        of_file(compose, tmp_path, f"{OF_FILE}={value}")
    assert re.search(message, str(error.value)), error.value


def test_generated_rows_and_labels_that_nobody_names_are_refused(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^Change source.unlabelled of task 'rte' to rest: rows"):
        build(compose(*STUDENT, f"{OF_FILE}=more.jsonl"))
    cfg = compose("target_task=rte")
    cfg.suite.sources.rte = {"format": "csv", "path": "x", "text": ["a"], "unlabelled": "rest"}
    with pytest.raises(UserError, match=r"^Set source.label of task 'rte' to the column"):
        build(cfg)
