import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.planted import config, grid, none, write
from tlbench.analysis import verdict
from tlbench.analysis.collect import Records, collect
from tlbench.analysis.protocol import differences, keys_of, named_differences, split
from tlbench.analysis.study import analyse_study
from tlbench.errors import UserError
from tlbench.records.record import ResultRecord

TASKS = {"rte": 100, "mnli": 400, "cola": 200}


def under(
    seeds: Sequence[int] = (0, 1, 2), method: str = "sum", **changes: Any
) -> list[ResultRecord]:
    records = grid(TASKS, none, seeds=seeds)
    for one in records:
        one.config = config(one.strategy, one.target_task, method, **changes)
    return records


def study(folder: Path, *parts: list[ResultRecord]) -> Records:
    for number, part in enumerate(parts):
        write(part, folder / str(number))
    return collect([folder])


def differing(made: Records) -> dict[str, list[str]]:
    return differences(made.table, made.protocols)


def test_neutral_keys_tasks_and_seeds_are_no_difference(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(trainer={"max_epochs": 3, "accelerator": "gpu"}))
    assert differing(made) == {}


def test_a_difference_is_named_with_its_values(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(optim={"lr": 1e-3}))
    assert differing(made) == {"optim.lr": ["2e-05", "0.001"]}


def test_what_follows_the_seed_or_the_target_is_no_difference(tmp_path: Path) -> None:
    records = under()
    for one in records:
        one.config["draw"] = {"seed": one.seed}
        one.config["optim"] = {"lr": len(one.target_task)}
    assert differing(study(tmp_path, records)) == {}


def test_sampling_does_not_matter_to_single(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(sampling={"name": "uniform", "epoch": "total"}))
    assert differing(made) == {"sampling.name": ["size", "uniform"]}
    parts = split(made.table, made.protocols, ["sampling.name"])
    assert [values for values, _ in parts] == [
        {"sampling.name": "size"},
        {"sampling.name": "uniform"},
    ]
    for _, part in parts:
        assert part.strategy.value_counts()["mtl"] == 18
        assert part.strategy.value_counts()["single"] == 18  # of both, the same experiments


def test_two_protocols_are_not_mixed_and_the_larger_is_reported(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(seeds=range(3, 8), optim={"lr": 1e-3}))
    (analysis,) = analyse_study(made)
    assert set(analysis.table.seed) == set(range(3, 8))
    (notice,) = [n for n in analysis.notices if "differ in optim.lr (2e-05, 0.001)" in n]
    assert "tlbench-report --by optim.lr has all" in notice


def test_by_reports_each(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(optim={"lr": 1e-3}))
    assert [a.name for a in analyse_study(made, ["optim"])] == ["optim.lr=2e-05", "optim.lr=0.001"]


def test_by_something_that_does_not_differ(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Change --by: the records do not differ in 'heads'"):
        analyse_study(study(tmp_path, under()), ["heads"])
    assert keys_of(["encoder", "device"], ["encoder.name", "loss"]) == ["encoder.name", "device"]


def redefined(
    records: list[ResultRecord], task: str = "rte", rows: str = "first", **changes: Any
) -> list[ResultRecord]:
    """The records, in which a task has another definition, or other rows of dev."""
    for one in records:
        names = (one.target_task, *one.support_tasks)
        one.tasks = {name: {"labels": ["no", "yes"], "score": ["accuracy"]} for name in names}
        one.digests = {name: {"train": "same", "dev": "first"} for name in names}
        if task in names:
            one.tasks[task] |= changes
            one.digests[task]["dev"] = rows
    return records


def some(records: list[ResultRecord], strategy: str, target: str) -> list[ResultRecord]:
    return [one for one in records if (one.strategy, one.target_task) == (strategy, target)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "key", "values"),
    [
        ({"score": ["macro_f1"]}, "tasks.rte.score", ["accuracy", "macro_f1"]),
        ({"labels": ["yes", "no"]}, "tasks.rte.labels", ["['no', 'yes']", "['yes', 'no']"]),
        ({"rows": "edited since"}, "tasks.rte.rows.dev", ["first", "edited s"]),
    ],
)
@pytest.mark.parametrize(
    ("strategy", "target"), [("single", "rte"), ("stilts", "mnli"), ("mtl_all", "cola")]
)
def test_other_tasks_of_one_name_are_not_mixed(
    changes: dict[str, Any], key: str, values: list[str], strategy: str, target: str, tmp_path: Path
) -> None:
    parts = redefined(under([0, 1])), redefined(under([2, 3, 4]), **changes)
    made = study(tmp_path, *(some(part, strategy, target) for part in parts))
    assert differing(made) == {key: values}
    (analysis,) = analyse_study(made)
    with_it = analysis.table[analysis.table.support != "cola"]
    assert set(with_it.seed) == {2, 3, 4}
    (notice,) = [n for n in analysis.notices if f"differ in {key} ({', '.join(values)})" in n]
    assert f"tlbench-report --by {key} has all" in notice
    assert [a.name for a in analyse_study(made, ["tasks"])] == [f"{key}={v}" for v in values]


def test_a_task_concerns_only_the_records_that_have_it(tmp_path: Path) -> None:
    made = study(tmp_path, redefined(under([0, 1, 2])), redefined(under([3]), score=["f1"]))
    parts = split(made.table, made.protocols, ["tasks.rte.score"])
    assert [values["tasks.rte.score"] for values, _ in parts] == ["accuracy", "f1"]
    for (_, part), seeds in zip(parts, ({0, 1, 2}, {3}), strict=True):
        has_it = (part.target == "rte") | part.support.isin(["rte", "all"])
        assert set(part[has_it].seed) == seeds
        assert set(part[~has_it].seed) == {0, 1, 2, 3}


def test_two_tasks_that_were_edited_apart(tmp_path: Path) -> None:
    first, second, third = under([0, 1, 2]), under([3]), under([4])
    redefined(first)
    redefined(second, "rte", "new")
    redefined(third, "cola", "new")
    singles = [[one for one in part if one.strategy == "single"] for part in (first, second, third)]
    made = study(tmp_path, *singles)
    keys = list(differing(made))
    assert set(keys) == {"tasks.rte.rows.dev", "tasks.cola.rows.dev"}
    parts = split(made.table, made.protocols, keys)
    for _, part in parts:
        assert set(part.seed[part.target == "rte"]) in ({0, 1, 2, 4}, {3}, set())
        assert set(part.seed[part.target == "cola"]) in ({0, 1, 2, 3}, {4}, set())
    assert {file for _, part in parts for file in part.file} == set(made.table.file)
    (analysis,) = analyse_study(made)
    assert analysis.table.target.value_counts().to_dict() == {"rte": 4, "cola": 4, "mnli": 5}


def test_what_older_records_do_not_know_keeps_them_in_every_part(tmp_path: Path) -> None:
    old = under([5])
    made = study(tmp_path, redefined(under([0, 1])), redefined(under([2]), rows="new"), old)
    parts = split(made.table, made.protocols, ["tasks.rte.rows.dev"])
    assert [set(part.seed) for _, part in parts] == [{0, 1, 2, 5}, {0, 1, 2, 5}]
    for _, part in parts:
        assert 5 in set(part[(part.target == "rte") & (part.strategy == "single")].seed)


def test_a_definition_of_an_older_record_is_in_its_config(tmp_path: Path) -> None:
    made = study(tmp_path, under([0]), under([1], target_task={"name": "rte", "score": ["f1"]}))
    assert differing(made) == {"tasks.rte.score": ["accuracy", "f1"]}


def test_a_dev_file_that_lost_rows_needs_no_digest(tmp_path: Path) -> None:
    shorter = under([1])
    for one in shorter:
        one.dev_rows = 270 if one.target_task == "rte" else one.dev_rows
    assert differing(study(tmp_path, under([0]), shorter)) == {"tasks.rte.dev_rows": ["277", "270"]}


def test_where_the_rows_lie_does_not_matter(tmp_path: Path) -> None:
    moved = redefined(under([0]), source={"path": "a"}), redefined(under([1]), source={"path": "b"})
    assert differing(study(tmp_path, *moved)) == {}


def test_rows_that_follow_the_config_or_the_seed_are_no_difference_of_their_own(
    tmp_path: Path,
) -> None:
    suites = [redefined(under(suite={"seed": n}), rows=f"of suite {n}") for n in range(2)]
    assert differing(study(tmp_path / "suites", *suites)) == {"suite.seed": ["0", "1"]}
    own = [
        redefined(under([n]), rows=f"{n}", source={"format": "generated", "seed": n})
        for n in range(3)
    ]
    assert differing(study(tmp_path / "own", *own)) == {}


def test_a_task_of_another_definition_for_another_target_is_said(tmp_path: Path) -> None:
    records = redefined(under())
    for one in records:
        if one.target_task == "rte":
            one.tasks["rte"]["score"] = ["f1"]
    made = study(tmp_path, records)
    assert differing(made) == {}
    (analysis,) = analyse_study(made)
    assert len(analysis.table) == len(records)
    start = "Not the same for all targets: tasks.rte.score (accuracy, f1); every target has one"
    assert any(notice.startswith(start) for notice in analysis.notices)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "result"),
    [({"score": 0.25}, "25"), ({"score": None, "status": "diverged"}, "diverged")],
)
def test_records_of_one_experiment_that_do_not_agree_are_said(
    changes: dict[str, Any], result: str, tmp_path: Path
) -> None:
    other = [one for one in under() if one.seed == 1]
    for one in other:
        if (one.strategy, one.target_task) == ("mtl", "rte") and one.support_tasks == ["mnli"]:
            for name, value in changes.items():
                setattr(one, name, value)
    made = study(tmp_path, under(), other)
    (analysis,) = analyse_study(made)
    (notice,) = [n for n in analysis.notices if "different results" in n]
    assert (
        "different results: 1; the score that was read last counts. MTL rte with mnli, seed 1, "
        in notice
    )
    files = re.findall(r"(\S+) in (\S+/result.json)", notice)
    assert [shown for shown, _ in files][1] == result
    found = {"/".join(file.parts[-3:]) for file in tmp_path.rglob("result.json")}
    assert {file for _, file in files} <= found  # without the folders above, which are a user's own
    again = study(tmp_path / "same", under(), under())
    (analysis,) = analyse_study(again)
    assert not any("different results" in notice for notice in analysis.notices)


def test_versions_and_devices_are_named_and_kept_together(tmp_path: Path) -> None:
    new = under(seeds=[3])
    for one in new:
        one.versions, one.device = {"torch": "3"}, "cuda"
    made = study(tmp_path, under(), new)
    assert named_differences(made.table) == {
        "versions": ["torch=2", "torch=3"],
        "device": ["cpu", "cuda"],
    }
    (analysis,) = analyse_study(made)
    assert set(analysis.comparisons.seeds) == {4}
    assert any("versions (torch=2, torch=3)" in notice for notice in analysis.notices)
    assert len(analyse_study(made, ["device"])) == 2


def test_the_same_versions_in_another_order_are_the_same(tmp_path: Path) -> None:
    """As those of packed records are, which a file keeps sorted."""
    old, new = under(), under(seeds=[3])
    for records, names in ((old, ("torch", "numpy")), (new, ("numpy", "torch"))):
        for record in records:
            record.versions = dict.fromkeys(names, "2")
    assert "versions" not in named_differences(study(tmp_path, old, new).table)


def planned(name: str, plan: str, target: str = "rte") -> list[ResultRecord]:
    """A strategy's records, which say what function it is."""
    records = [one for one in under() if one.strategy == name and one.target_task == target]
    for one in records:
        one.config["strategy"] = {**one.config["strategy"], "plan": plan}
    return records


def test_two_strategies_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    ours, theirs = planned("mtl", "tlbench.plan.strategies.mtl"), planned("mtl", "mine.mtl")
    single = planned("single", "tlbench.plan.strategies.single")
    made = study(tmp_path, ours, theirs, single)
    key = "strategies.mtl.plan"
    assert differences(made.table, made.protocols) == {
        key: ["tlbench.plan.strategies.mtl", "mine.mtl"]
    }
    parts = split(made.table, made.protocols, [key])
    assert [sorted(part.strategy.unique()) for _, part in parts] == [["mtl", "single"]] * 2


def test_what_a_stage_was_trained_under_is_named_and_kept_together(tmp_path: Path) -> None:
    alike = {"title": "rte", "train_rows": {"rte": 100}, "steps": 1, "instances": 1}
    records = planned("single", "tlbench.plan.strategies.single")
    for one, threads in zip(records, (1, 2, 2), strict=True):
        one.stages = [{**alike, "key": one.stage_keys[0], "threads": threads, "device": "cpu"}]
    named = named_differences(study(tmp_path, records).table)
    assert named == {"conditions": ["threads=1", "threads=2"]}


def test_a_stage_that_trains_nothing_is_trained_under_nothing(tmp_path: Path) -> None:
    """As of a support's rows that a language model has written, or of a merge."""
    trained = {"title": "rte", "train_rows": {"rte": 100}, "steps": 1, "instances": 1}
    writing = {"title": "rows", "train_rows": {}, "steps": 0, "instances": 0, "threads": 2}
    records = planned("single", "tlbench.plan.strategies.single")
    for number, one in enumerate(records):
        last = {**trained, "key": one.stage_keys[0], "threads": 1, "device": "cpu"}
        one.stages = [{**writing, "key": "0" * 16}, last][number % 2 :]
        one.stage_keys = [str(stage["key"]) for stage in one.stages]
    table = study(tmp_path, records).table
    assert len(table) == len(records) > 1
    assert named_differences(table) == {}


def test_what_versions_before_a_key_did_is_known(tmp_path: Path) -> None:
    """They kept an epoch's last batch, which is not what the paper's protocol does today."""
    older = under(seeds=[0, 1])
    newer = under(seeds=[2], sampling={"name": "size", "epoch": "total", "last_batch": "drop"})
    made = study(tmp_path, older, newer)
    assert differences(made.table, made.protocols) == {"sampling.last_batch": ["keep", "drop"]}


def test_methods_are_compared_and_no_difference_of_protocol(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(method="mean"))
    assert differing(made) == {}
    (analysis,) = analyse_study(made)
    assert len(analysis.table) == 2 * len(under())
    assert set(analysis.comparisons.method) == {"sum", "mean"}


def test_a_method_of_one_name_with_other_options_is_another_protocol(tmp_path: Path) -> None:
    def weighted(temperature: int) -> list[ResultRecord]:
        records = under(method="weighted")
        for one in records:
            one.config["method"]["temperature"] = temperature
        return records

    made = study(tmp_path, under(), weighted(1), weighted(2))
    assert differing(made) == {"methods.weighted.temperature": ["1", "2"]}
    parts = split(made.table, made.protocols, ["methods.weighted.temperature"])
    for _, part in parts:
        # the sum, and what has no method, is in both
        assert part.method.value_counts().to_dict() == {"weighted": 27, "sum": 27, "-": 27 * 3}


def test_all_tasks_together_are_those_that_the_strategy_names(tmp_path: Path) -> None:
    def together(*tasks: str) -> list[ResultRecord]:
        records = [one for one in under() if one.strategy == "mtl_all"]
        for one in records:
            one.config["strategy"]["tasks"] = list(tasks)
        return records

    made = study(tmp_path, together("rte", "mnli"), together("rte", "mnli", "cola"))
    values = ["['rte', 'mnli']", "['rte', 'mnli', 'cola']"]
    assert differing(made) == {"strategies.mtl_all.tasks": values}


GRID = {"optim.lr": [1e-5, 1e-4]}


def tuned(lr: dict[str, float], trials: int = 2) -> list[ResultRecord]:
    """Records of a tuned study: the learning rate that was chosen, by strategy."""
    pair = {"rte": 100, "mnli": 400}
    records = grid(pair, lambda *_: 0.1, seeds=(0, 1, 2), strategies=list(lr))
    for one in records:
        search = {"grid": GRID, "trials": trials}
        one.config |= {"optim": {"lr": lr[one.strategy]}, "tuned": search}
    return records


def test_values_that_were_tuned_alike_are_compared(tmp_path: Path) -> None:
    made = study(tmp_path, tuned({"single": 1e-5, "mtl": 1e-4}))
    assert differing(made) == {}
    chosen = set(zip(made.table.strategy, made.table.tuned, strict=True))
    assert chosen == {("single", "optim.lr=1e-05"), ("mtl", "optim.lr=0.0001")}
    verdicts = verdict(made)
    assert [one.best.strategy for one in verdicts if one.best] == ["mtl", "mtl"]


def test_untuned_and_otherwise_tuned_records_are_other_protocols(tmp_path: Path) -> None:
    rates = {"single": 1e-5, "mtl": 1e-4}
    untuned = grid({"rte": 100, "mnli": 400}, none, seeds=(0, 1), strategies=list(rates))
    made = study(tmp_path, tuned(rates), tuned(rates, trials=1), untuned)
    words = ["optim.lr=1e-05,0.0001 trials=2 seed=0", "optim.lr=1e-05,0.0001 trials=1 seed=0"]
    assert differing(made) == {"tuning": [*words, "none"]}
    parts = split(made.table, made.protocols, ["tuning"])
    assert [len(part) for _, part in parts] == [12, 12, 8]
