import math
import re
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from tests.records.test_record import record
from tlbench.console import console, points
from tlbench.records.record import ResultRecord
from tlbench.records.settings import varying
from tlbench.records.summary import print_record, study_table

SINGLE = [0.50, 0.52, 0.54]
STILTS = [0.60, 0.61, 0.68]


def study() -> list[ResultRecord]:
    singles = [record(seed=i, score=score, majority_score=0.5) for i, score in enumerate(SINGLE)]
    stilts = [
        record(seed=i, score=score, strategy="stilts", support_tasks=["mnli"], majority_score=0.5)
        for i, score in enumerate(STILTS)
    ]
    return [*stilts, *singles]


def shown(records: list[ResultRecord]) -> list[list[str]]:
    table = study_table(records)
    columns = [list(column.cells) for column in table.columns]
    return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]


def test_means_spreads_and_paired_gains() -> None:
    single, stilts = shown(study())
    spread = statistics.stdev(SINGLE)
    assert single[:5] == ["rte", "single", "-", "3", f"52.0 ± {100 * spread:.1f}"]
    gains = [b - a for a, b in zip(SINGLE, STILTS, strict=True)]
    error = statistics.stdev(gains) / math.sqrt(3)
    assert stilts[1:3] == ["stilts", "mnli"]
    assert stilts[5] == f"{100 * statistics.mean(gains):+.1f} ± {100 * error:.1f}"


def test_one_seed_has_no_spread_and_no_single_no_gain() -> None:
    one = shown([r for r in study() if r.seed == 0])
    assert [row[4:6] for row in one] == [["50.0", "-"], ["60.0", "+10.0"]]
    (alone,) = shown([r for r in study() if r.seed == 0 and r.strategy == "stilts"])
    assert alone[5] == "-"


def test_only_common_seeds_are_compared() -> None:
    records = [r for r in study() if not (r.strategy == "single" and r.seed == 2)]
    assert shown(records)[1][5].startswith("+9.5 ± ")


def test_what_has_no_score_is_counted_and_in_no_mean() -> None:
    singles = [record(seed=0, score=None), record(seed=1, score=0.5), record(seed=2, score=0.7)]
    pair = {"strategy": "mtl", "support_tasks": ["mnli"]}
    diverged = [record(seed=s, score=None, status="diverged", **pair) for s in (0, 1)]
    single, mtl = shown([*singles, *diverged])
    assert single[3:5] == ["2", "60.0 ± 14.1"]
    assert (mtl[3:6], single[-1], mtl[-1]) == (["0", "diverged", "-"], "1 undefined", "2 diverged")
    assert points(None) == points(math.nan) == "undefined"


def test_other_definitions_and_rows_of_a_task_are_in_no_mean_together() -> None:
    def of(seed: int, score: float, rows: str, metric: str = "f1", **more: object) -> ResultRecord:
        names = ["rte", *(["mnli"] if more else [])]
        tasks = {name: {"score": [metric]} for name in names}
        digests = {name: {"dev": rows} for name in names}
        return record(seed=seed, score=score, tasks=tasks, digests=digests, **more)

    stilts = {"strategy": "stilts", "support_tasks": ["mnli"]}
    same = [of(0, 0.5, "a"), of(1, 0.6, "a"), of(0, 0.7, "a", **stilts)]
    assert varying(same) == []
    edited = [*same, of(2, 0.9, "b"), of(2, 0.8, "b", **stilts)]
    assert varying(edited) == ["tasks.rte.rows.dev", "tasks.mnli.rows.dev"]
    assert [row[3:5] + row[6:8] for row in shown(edited)] == [
        ["a", "-", "55.0 ± 7.1", "-"],
        ["a", "a", "70.0", "+20.0"],
        ["b", "-", "90.0", "-"],
        ["b", "b", "80.0", "-10.0"],
    ]
    assert varying([of(0, 0.5, "a"), of(1, 0.6, "a", "accuracy")]) == ["tasks.rte.score"]


def test_rows_of_two_suites_have_no_column_of_their_own() -> None:
    tasks = {"rte": {"score": ["f1"]}}
    suites = [
        record(config={"suite": {"seed": n}}, digests={"rte": {"dev": str(n)}}, tasks=tasks)
        for n in range(2)
    ]
    assert varying(suites) == ["suite.seed"]


def test_two_strategies_of_one_name_are_in_no_mean_together() -> None:
    records = [one for one in study() if one.seed < 2]
    for one in records:
        ours = f"tlbench.plan.strategies.{one.strategy}"
        other = one.strategy == "stilts" and one.seed == 1
        one.config["strategy"] = {"plan": "mine.stilts" if other else ours}
    key = "strategies.stilts.plan"
    assert varying(records) == [key]
    rows = {tuple(row[1:5]): row[6] for row in shown(records)}
    assert rows == {
        ("single", "-", "-", "2"): "-",
        ("stilts", "mnli", "tlbench.plan.strategies.stilts", "1"): "+10.0",
        ("stilts", "mnli", "mine.stilts", "1"): "+9.0",
    }


def test_what_has_collapsed_is_counted_and_in_every_mean() -> None:
    assert "collapsed" not in [column.header for column in study_table(study()).columns]
    collapsed = [record(seed=seed, score=0.0, collapsed=seed < 2) for seed in range(3)]
    single, stilts = shown([*collapsed, *(r for r in study() if r.strategy == "stilts")])
    assert (single[3:5], single[-1], stilts[-1]) == (["3", "0.0 ± 0.0"], "2", "0")
    assert stilts[5].startswith("+63.0")


def test_the_majority_class_is_what_any_seed_knows() -> None:
    untrained = record(score=None, status="diverged", majority_score=None)
    assert shown([untrained, record(seed=1, score=0.6, majority_score=0.5)])[0][6] == "50.0"


def test_a_gain_is_over_seeds_that_both_have_a_score_of() -> None:
    records = [r for r in study() if r.strategy == "stilts"]
    singles = [record(seed=0, score=None), record(seed=1, score=0.5)]
    assert shown([*records, *singles])[1][5] == "+11.0"


def test_what_else_varies_is_a_column_and_is_not_mixed() -> None:
    def at(size: int, **changes: object) -> ResultRecord:
        config = {"subsample_size": {"target": size}, "store_dir": str(size), "seed": size}
        return record(config=config, **changes)

    records = [
        at(100, score=0.5),
        at(200, score=0.6),
        at(200, score=0.65, strategy="stilts", support_tasks=["mnli"]),
    ]
    assert varying(records) == ["subsample_size.target"]
    assert [row[:6] for row in shown(records)] == [
        ["rte", "single", "-", "100", "1", "50.0"],
        ["rte", "single", "-", "200", "1", "60.0"],
        ["rte", "stilts", "mnli", "200", "1", "65.0"],
    ]
    assert shown(records)[2][6] == "+5.0"


def test_mixing_changes_neither_a_task_alone_nor_stilts() -> None:
    def under(sampling: str, **changes: object) -> ResultRecord:
        return record(config={"sampling": {"name": sampling}, "loss": "sum"}, **changes)

    pair = {"strategy": "mtl", "support_tasks": ["mnli"]}
    stilts = {**pair, "strategy": "stilts", "score": 0.55}
    records = [
        under("size", score=0.5),
        under("size", score=0.6, **pair),
        under("uniform", score=0.7, **pair),
        under("size", **stilts),
        under("uniform", **stilts),
    ]
    rows = sorted((*row[1:4:2], row[6]) for row in shown(records))
    assert rows == [
        ("mtl", "size", "+10.0"),
        ("mtl", "uniform", "+20.0"),
        ("single", "-", "-"),
        ("stilts", "-", "+5.0"),
    ]


def under_method(method: str, **changes: object) -> ResultRecord:
    return record(config={"method": {"name": method, "label": method}}, **changes)


def test_several_methods_have_a_column_beside_the_strategy() -> None:
    pair = {"strategy": "mtl", "support_tasks": ["mnli"]}
    stilts = {"strategy": "stilts", "support_tasks": ["mnli"]}
    records = [
        under_method("sum", score=0.5),
        under_method("sum", score=0.6, **pair),
        under_method("mean", score=0.7, **pair),
        under_method("mean", score=0.55, **stilts),
    ]
    header = [column.header for column in study_table(records).columns]
    assert header[:4] == ["target", "strategy", "method", "support"]
    assert [row[1:4] + row[6:7] for row in shown(records)] == [
        ["single", "-", "-", "-"],
        ["mtl", "mean", "mnli", "+20.0"],
        ["mtl", "sum", "mnli", "+10.0"],
        ["stilts", "-", "mnli", "+5.0"],
    ]


def test_one_method_has_no_column() -> None:
    pair = {"strategy": "mtl", "support_tasks": ["mnli"]}
    stilts = {"strategy": "stilts", "support_tasks": ["mnli"]}
    records = [under_method("sum", **pair), under_method("mean", **stilts), under_method("mean")]
    assert "method" not in [column.header for column in study_table(records).columns]
    assert [row[1] for row in shown(records)] == ["single", "mtl", "stilts"]


def test_options_of_a_method_are_in_no_mean_together() -> None:
    pair = {"strategy": "mtl", "support_tasks": ["mnli"]}
    records = [under_method("weighted", seed=seed, score=0.5, **pair) for seed in range(2)]
    for temperature, one in enumerate(records):
        one.config["method"]["temperature"] = temperature
    assert varying(records) == ["methods.weighted.temperature"]
    assert [row[3:5] for row in shown(records)] == [["0", "1"], ["1", "1"]]


def test_other_tasks_trained_all_together_are_in_no_mean_together() -> None:
    def of(*tasks: str, score: float) -> ResultRecord:
        strategy = {"name": "mtl_all", "supports": "all", "tasks": list(tasks)}
        config = {"strategy": strategy}
        return record(strategy="mtl_all", support_tasks=[*tasks], config=config, score=score)

    records = [of("rte", "mnli", score=0.5), of("rte", "mnli", "cola", score=0.6)]
    assert [row[2:6] for row in shown(records)] == [
        ["all", "['rte', 'mnli', 'cola']", "1", "60.0"],
        ["all", "['rte', 'mnli']", "1", "50.0"],
    ]


def test_a_strategy_says_itself_what_has_no_effect_on_it() -> None:
    def of(strategy: str, sampling: str, score: float, ignored: list[str]) -> ResultRecord:
        about = {"name": strategy, "label": strategy, "without_effect": ignored}
        config = {"strategy": about, "sampling": {"name": sampling}}
        supports = [] if strategy == "single" else ["mnli"]
        return record(strategy=strategy, support_tasks=supports, config=config, score=score)

    records = [
        of("single", "size", 0.5, ["sampling"]),
        of("mine", "size", 0.6, ["sampling"]),
        of("yours", "size", 0.7, []),
        of("yours", "uniform", 0.8, []),
    ]
    assert [(row[1], row[3], row[6]) for row in shown(records)] == [
        ("single", "-", "-"),
        ("mine", "-", "+10.0"),
        ("yours", "size", "+20.0"),
        ("yours", "uniform", "+30.0"),
    ]


def test_a_baseline_that_knows_a_key_goes_before_one_that_does_not() -> None:
    pair = {"strategy": "mtl", "support_tasks": ["mnli"]}
    records = [
        record(score=0.1, config={"other": 1}),
        record(score=0.5, config={"other": 1, "optim": {"lr": 1}}),
        record(score=0.6, config={"other": 1, "optim": {"lr": 1}}, **pair),
        record(score=0.8, config={"other": 1, "optim": {"lr": 2}}, **pair),
    ]
    gains = {(row[1], row[3]): row[6] for row in shown(records)}
    assert gains[("mtl", "1")] == "+10.0"
    assert gains[("mtl", "2")] == "+70.0"  # an older record, whose rate nobody knows


def test_tables_fit_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(study_table(study()))
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert "gain over single" in printed


def test_sizes_stand_by_their_numbers_under_their_whole_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def at(target: object, support: str, strategy: str) -> ResultRecord:
        config = {"subsample_size": {"target": target, "support": support}}
        return record(config=config, strategy=strategy, support_tasks=["mnli"])

    sizes = [(target, support) for target in ("1/3", 1.0) for support in ("1/3x", "1/2x", "10x")]
    records = [at(*size, strategy) for size in sizes for strategy in ("mtl", "stilts")]
    records += [record(config={"subsample_size": {"target": 1.0, "support": 64}})]
    rows = [tuple(row[1:5]) for row in shown(records[::-1])]
    assert rows[:2] == [("mtl", "mnli", "1/3", "1/3x"), ("stilts", "mnli", "1/3", "1/3x")]
    assert [row[3:] for row in rows[:6:2]] == [("1/3x",), ("1/2x",), ("10x",)]
    assert rows[6] == ("single", "-", "1.0", "-")
    console().print(study_table(records))
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert re.search(r"size\. +┃ +size\..*\n.* target +┃ +support ", printed)


def test_test_scores_have_a_column_where_there_are_any() -> None:
    def headings(records: list[ResultRecord]) -> list[str]:
        return [str(column.header) for column in study_table(records).columns]

    assert "test" not in headings(study())
    tested = [replace(r, test={"score": r.score - 0.1}) for r in study() if r.score]
    tested[0] = replace(tested[0], test=None)
    at = headings(tested).index("test")
    assert headings(tested)[at - 1 : at + 1] == ["score", "test"]
    assert [row[at] for row in shown(tested)] == ["42.0 ± 2.0", "54.5 ± 4.9"]
    undefined = [replace(r, test={"score": None}) for r in study()]
    assert [row[at] for row in shown(undefined)] == ["-", "-"]


@pytest.mark.parametrize("title", [None, "single rte s0"])
def test_one_result_with_a_test_score(
    title: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = record(score=0.61)
    print_record(one, tmp_path, title)
    assert "test" not in capsys.readouterr().out.replace(str(tmp_path), "")
    print_record(replace(one, test={"score": 0.523}), tmp_path, title)
    assert re.search(r"test.*52\.3", capsys.readouterr().out, re.DOTALL)
