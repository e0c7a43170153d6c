from pathlib import Path

from tests.support.verdicts import advice, candidate
from tlbench.report.answers import answer, by_certainty
from tlbench.report.details import Details

SINGLE = candidate("single")


def test_targets_are_in_the_order_of_what_is_proved_and_within_that_of_size() -> None:
    tested = candidate(proved="nothing", gain=0.0, low=-0.1, high=0.1)
    unordered = [
        advice(candidate(), SINGLE, target="untested"),
        advice(candidate(seeds=0), best=None, target="no score"),
        advice(candidate(proved="nothing"), SINGLE, target="nothing"),
        advice(SINGLE, candidate(), target="single, untested", target_rows=200),
        advice(SINGLE, tested, target="single, none better"),
        advice(candidate(proved="not worse"), SINGLE, target="not worse"),
        advice(candidate(proved="better"), SINGLE, target="better, small", target_rows=10),
        advice(candidate(proved="better"), SINGLE, target="better, large", target_rows=99),
    ]
    assert [[one.target for one in group] for group in by_certainty(unordered)] == [
        ["better, large"],
        ["better, small"],
        ["not worse"],
        ["single, none better"],
        ["nothing"],
        ["untested"],
        ["single, untested"],
        ["no score"],
    ]


def test_the_sizes_of_a_target_are_one_answer_with_lines_and_a_row_for_each(tmp_path: Path) -> None:
    small = advice(candidate(gain=0.02), SINGLE, target_rows=100)
    large = advice(SINGLE, candidate(gain=-0.01), target_rows=1000)
    (group,) = by_certainty([small, large])
    assert [one.target_rows for one in group] == [1000, 100]
    found = answer(group, Details(), tmp_path)
    assert found.title == "rte, 2 sizes"
    assert found.figure is not None
    assert found.figure.name == "gains_rte"
    assert found.sizes is not None
    words = found.sizes.words()
    assert words["best guess"].tolist() == ["single", "STILTs with mnli"]
    assert words["may still be the best"].tolist() == ["2 of 2", "2 of 2"]
    assert found.sentences == []


def test_that_nothing_has_learned_the_task_is_a_warning_and_said_once(tmp_path: Path) -> None:
    one = advice(candidate(gain=0.02), SINGLE, beats_chance=False)
    found = answer([one], Details(), tmp_path)
    (warning,) = found.warnings
    assert warning.startswith("No candidate is above the majority class (50.0)")
    assert warning not in found.sentences
    assert found.sentences[-1] == "Majority class: 50.0."
    assert not answer([advice(candidate(), SINGLE)], Details(), tmp_path).warnings


def test_a_candidate_without_a_score_is_named(tmp_path: Path) -> None:
    lost = candidate("mtl", seeds=0, without_score=5)
    found = answer([advice(candidate(), SINGLE, lost)], Details(), tmp_path)
    assert found.without_score == ["MTL with mnli"]


def test_a_target_without_any_score_says_so_and_has_no_figure(tmp_path: Path) -> None:
    lost = advice(candidate(seeds=0), best=None, beats_chance=False)
    found = answer([lost], Details(), tmp_path)
    assert (found.figure, found.warnings) == (None, [])
    assert found.sentences == ["No run of it has a score; why is below."]
