"""Rows are written once, whoever needs them, and the same whatever interrupts it."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_integrity import flip
from tests.support.commands import Command
from tests.support.experiments import Run
from tests.support.writers import overrides, write_model
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.estimate import writing_seconds
from tlbench.plan.rows_stage import RowsStage
from tlbench.records.record import ResultRecord
from tlbench.store.store import Store
from tlbench.store.work import TRIES
from tlbench.synthesis.filters import DISAGREES, LEAKED
from tlbench.synthesis.teacher import Teacher
from tlbench.synthesis.writer import Writer, Written


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["strategy=stilts", *overrides(tmp_path_factory.mktemp("writer"))]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of what the model was asked; after -n at the beginning n - 1 are answered."""
    seeds: list[int] = []
    original = Writer.write

    def watched(self: Writer, *arguments: Any) -> list[Written]:
        seeds.append(arguments[-1])
        if len(seeds) == -seeds[0] + 1:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(Writer, "write", watched)
    return seeds


def folder_of_rows(record: ResultRecord, store: Path) -> Path:
    (entry,) = (stage for stage in record.stages if stage["title"].startswith("rows("))
    return store / str(entry["key"])


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return [*csv.DictReader(opened)]


def test_the_rows_are_there_to_look_at_with_what_was_left_out(
    run: Run, writes: list[str], tmp_path: Path
) -> None:
    record = run(*writes)
    folder = folder_of_rows(record, tmp_path / "store")
    rows, left_out = table(folder / "rows.csv"), table(folder / "filtered.csv")
    assert Counter(row["label"] for row in rows) == {"negative": 9, "positive": 9}
    assert Counter(row["label"] for row in rows[:12]) == {"negative": 6, "positive": 6}
    assert all(3 <= len(row["text_a"].split()) <= 120 for row in rows)
    manifest = json.loads((folder / "stage.json").read_text())
    assert manifest["rows"]["kept"] == len(rows) == 18
    assert manifest["rows"]["written"] == len(rows) + len(left_out)
    assert manifest["rows"]["left_out"] == Counter(row["reason"] for row in left_out)
    assert not (folder / TRIES).exists()
    (entry,) = (stage for stage in record.stages if stage["key"] == folder.name)
    assert entry["rows"] == manifest["rows"]
    assert record.train_rows == {"synthesised": 12, "sst2": 64}


def test_they_are_written_once_for_all_who_train_on_them(
    run: Run, writes: list[str], calls: list[int], tmp_path: Path
) -> None:
    first = run(*writes)
    count = len(calls)
    second = run(*writes, "strategy=mtl", "seed=1")
    assert len(calls) == count == len({*calls}) > 0
    folder = folder_of_rows(first, tmp_path / "store")
    assert folder == folder_of_rows(second, tmp_path / "store")
    (stage,) = (one for one in build_of(first, writes, tmp_path) if isinstance(one, RowsStage))
    took = json.loads((folder / "stage.json").read_text())["seconds"]
    assert writing_seconds(stage) == pytest.approx(took)
    assert writing_seconds(replace(stage, identity="another model's")) is None


def test_a_job_that_was_stopped_goes_on_after_the_last_whole_try(
    run: Run, writes: list[str], calls: list[int], tmp_path: Path
) -> None:
    record = run(*writes)
    whole, undisturbed = folder_of_rows(record, tmp_path / "store"), list(calls)
    disturbed = (*writes, f"store_dir={tmp_path / 'other'}")
    asked = []
    for stop_at in (2, 1):  # one try, then none, are whole
        calls[:] = [-stop_at]
        with pytest.raises(KeyboardInterrupt):
            run(*disturbed)
        asked.append(calls[1:])
    assert asked == [undisturbed[:2], undisturbed[1:2]]
    calls.clear()
    again = run(*disturbed)
    assert calls == undisturbed[1:]
    for name in ("rows.csv", "filtered.csv"):
        assert (tmp_path / "other" / whole.name / name).read_bytes() == (whole / name).read_bytes()
    assert again.score == record.score


def test_too_few_good_answers_are_a_sentence_and_more_tries_go_on(
    run: Run, writes: list[str], calls: list[int]
) -> None:
    few = (*writes, "synthesis.least_words=12", "synthesis.batch=2")
    message = r"Change synthesis\.tries to more than 1, .* of 10 answers for the label negative, \d"
    with pytest.raises(UserError, match=message):
        run(*few, "synthesis.tries=1")
    before = list(calls)
    run(*few, "synthesis.tries=400")
    assert len({*calls}) == len(calls) > len(before)


def test_rows_that_are_damaged_are_written_again(
    run: Run, writes: list[str], calls: list[int], tmp_path: Path
) -> None:
    folder = folder_of_rows(run(*writes), tmp_path / "store")
    content, count = (folder / "rows.csv").read_bytes(), len(calls)
    flip(folder / "rows.csv")
    run(*writes, "seed=1")
    assert len(calls) == 2 * count
    assert (folder / "rows.csv").read_bytes() == content


def test_rows_of_another_making_are_read_again(run: Run, writes: list[str], tmp_path: Path) -> None:
    """Of another device's, say, under the same key: what was read of the first is not used."""
    folder = folder_of_rows(run(*writes), tmp_path / "store")
    rows = (folder / "rows.csv").read_text().splitlines()
    shutil.rmtree(tmp_path / "store")
    record = run(*writes)
    store = Store(tmp_path / "store")
    manifest = store.find(folder.name)
    assert manifest is not None
    (folder / "rows.csv").write_text("\n".join([rows[0], *rows[:0:-1]]) + "\n")
    (stage,) = (s for s in build_of(record, writes, tmp_path) if s.tasks == ("synthesised",))
    train = stage.subsets[0].splits()["train"].load(str(tmp_path / "own_cache"))
    assert train["text_a"][0] == rows[-1].split(",", 1)[1]


def build_of(record: ResultRecord, writes: list[str], folder: Path) -> list[Any]:
    from tests.support.composing import compose_config

    places = (f"store_dir={folder / 'store'}", f"cache_dir={folder / 'own_cache'}")
    plan = build(compose_config("debug=fast", *places, *writes)).plan()
    assert [stage.key for stage in plan] == record.stage_keys
    return plan


def test_rows_of_dev_are_left_out(
    run: Run, writes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    original = Writer.write

    def with_a_dev_row(self: Writer, *arguments: Any) -> list[Written]:
        dev = splits(build_of_target(tmp_path, cache))["dev"].load(str(cache))
        leaked = Written(f" {dev[0]['text_a'].upper()}!\n", True, 5)
        return [leaked, *original(self, *arguments)[1:]]

    monkeypatch.setattr(Writer, "write", with_a_dev_row)
    folder = folder_of_rows(run(*writes), tmp_path / "store")
    left_out = Counter(row["reason"] for row in table(folder / "filtered.csv"))
    tries = json.loads((folder / "stage.json").read_text())["rows"]["written"] / 8
    assert left_out[LEAKED] == tries


def build_of_target(folder: Path, cache: Path) -> Any:
    from tests.support.composing import compose_config

    places = (f"store_dir={folder / 'store'}", f"cache_dir={cache}")
    return build(compose_config("debug=fast", *places, "target_task=sst2")).target.task


def test_with_agreement_the_teacher_has_the_last_word(
    run: Run, writes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: dict[tuple[str, ...], int] = {}
    original = Teacher.labels

    def watched(self: Teacher, rows: Any) -> list[int]:
        labels = [number % 2 for number, _ in enumerate(rows)]  # a random teacher may know one
        assert len(original(self, rows)) == len(labels)
        given.update(zip(rows, labels, strict=True))
        return labels

    monkeypatch.setattr(Teacher, "labels", watched)
    record = run(*writes, "synthesis.agreement=true", "trainer.max_steps=2")
    assert [stage["title"] for stage in record.stages][:1] == ["sst2"]
    folder = folder_of_rows(record, tmp_path / "store")
    for row in table(folder / "rows.csv"):
        assert given[(row["text_a"],)] == ["negative", "positive"].index(row["label"])
    assert DISAGREES in {row["reason"] for row in table(folder / "filtered.csv")}


@pytest.mark.parametrize("chat", [True, False])
def test_pairs_are_written_too_with_a_chat_or_without(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat: bool
) -> None:
    seen: list[str] = []
    original = Writer._tokens

    def watched(self: Writer, *arguments: Any) -> Any:
        ids = original(self, *arguments)
        seen.append(self.tokenizer.decode(ids[0]))
        return ids

    def with_second_text(self: Writer, *arguments: Any) -> list[Written]:
        written = original_write(self, *arguments)
        return [
            one._replace(text=f" one {n} two\nText 2:{one.text}") for n, one in enumerate(written)
        ]

    original_write = Writer.write
    monkeypatch.setattr(Writer, "_tokens", watched)
    monkeypatch.setattr(Writer, "write", with_second_text)
    model = write_model(tmp_path / "writer", chat=chat)
    sizes = ("support_task.source.train=6", "support_task.source.dev=4", "synthesis.examples=2")
    sizes = (*sizes, "subsample_size.support=null", f"synthesis.model={model}")
    record = run("target_task=rte", "support_task=synthesised", "strategy=mtl", *sizes)
    rows = table(folder_of_rows(record, tmp_path / "store") / "rows.csv")
    assert {tuple(row) for row in rows} == {("label", "text_a", "text_b")}
    assert len(rows) == 10
    assert seen
    assert all(("</s>" in text) == chat for text in seen)  # the template ends every turn with it


def test_a_prompt_that_is_too_long_is_refused(run: Run, writes: list[str]) -> None:
    with pytest.raises(UserError, match=r"Change synthesis\.examples or synthesis\.max_new_tokens"):
        run(*writes, "synthesis.max_new_tokens=4090")


def test_a_model_that_is_none_is_a_sentence(run: Run, writes: list[str], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"Change synthesis\.model: .* can't be loaded as a causal"):
        run(*writes, f"synthesis.model={tmp_path / 'none'}")


@pytest.mark.slow
def test_two_ranks_train_on_the_rows(run: Run, writes: list[str], tmp_path: Path) -> None:
    one = run(*writes, "strategy=mtl")
    two = run(*writes, "strategy=mtl", "trainer.devices=2", f"store_dir={tmp_path / 'two'}")
    assert two.stage_keys == one.stage_keys
    assert two.stages[-1]["devices"] == 2
    assert two.train_rows == one.train_rows


@pytest.mark.slow
def test_a_dry_run_a_sweep_and_a_rerun_take_it(
    command: Command, writes: list[str], tmp_path: Path
) -> None:
    own = [word for word in writes if not word.startswith("strategy")]
    grid = ("-m", "debug=fast", "study=written", "strategy=single,stilts,mtl", "seed=0,1", *own)
    dry = command(*grid, "hydra.sweeper.dry_run=true")
    assert dry.returncode == 0, dry.stderr
    assert "to train, 1 to write rows in" in dry.stdout
    assert "18 rows for a language model to write; at most 69,120 tokens" in dry.stdout
    ran = command(*grid)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("rows of") == 1 or "rows(synthesised" in ran.stdout + ran.stderr
    alone = command("debug=fast", "strategy=stilts", *own, "hydra.sweeper.dry_run=true")
    assert "rows(synthesised for sst2): reused" in alone.stdout
    (record,) = (tmp_path / "multirun" / "written").glob("*stilts*seed0*/result.json")
    again = command(str(record), module="tlbench.cli.rerun")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "The score is the same." in again.stdout
