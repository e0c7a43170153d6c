"""What a race says of where it stands."""

from dataclasses import replace

from tests.support.verdicts import advice, candidate
from tlbench.analysis.apart import Apart
from tlbench.analysis.race import Decision
from tlbench.analysis.race_words import heading, sentences

BEST = candidate(gain=0.05, shrunk=0.03, low=-0.01, high=0.11, has_rows=True, proved="nothing")
RIVAL = candidate("mtl", "qnli", gain=0.02, shrunk=0.01, seeds=3)
BEHIND = candidate("mtl", "cola", seeds=1)
SINGLE = candidate("single")
ADVICE = advice(BEST, RIVAL, BEHIND, SINGLE)
LABELS = ADVICE.labels
OPEN = Decision(
    verdict=ADVICE.verdict,
    matters=0.005,
    end="open",
    choice=BEST,
    ranked=(BEST.key, RIVAL.key),
    not_pursued=(RIVAL, BEHIND),
    apart=Apart(RIVAL, 0.03, 14, None),
)


def said(decision: Decision) -> str:
    return " ".join(sentences(decision, LABELS))


def test_an_open_race_has_a_best_guess_with_what_is_proved_of_it() -> None:
    line = heading(OPEN, LABELS)
    assert line == ("rte (300 rows): best guess: STILTs with mnli [not proved better than single]")
    text = said(OPEN)
    assert "+5.0 points over single (best of 3)" in text
    assert "STILTs with mnli and MTL with qnli differ by 3.0 points so far" in text
    assert "takes about 14 seeds of each" in text
    assert text.endswith(
        "Not pursued, though each may still be the best: MTL with qnli (3 seeds), "
        "MTL with cola (1 seed)."
    )


def test_rows_that_leak_to_the_best_guess_are_said() -> None:
    leak = "1 of 300 dev rows are among the train rows of sst2"
    assert f"Beware: {leak}." in said(replace(OPEN, leaks=leak))
    assert "Beware" not in said(OPEN)


def test_where_seeds_are_not_enough_rows_are_counted() -> None:
    few = replace(OPEN, apart=Apart(RIVAL, -0.03, None, 3400))
    assert (
        "differ by 3.0 points so far: no number of seeds makes that certain on 277 dev rows, and "
        "with ten seeds each about 3,400 rows." in said(few)
    )
    none = replace(OPEN, apart=Apart(RIVAL, 0.001, None, None))
    assert "no number of seeds makes that certain on 277 dev rows." in said(none)


def test_the_ends_say_what_they_hold_for() -> None:
    decided = replace(OPEN, end="decided", ranked=(), not_pursued=(), apart=None)
    assert heading(decided, LABELS).startswith("rte (300 rows): decided: STILTs with mnli")
    assert "All 3 others are excluded, with 90% confidence, at all looks together." in said(decided)
    enough = replace(decided, end="good enough", choice=SINGLE)
    assert heading(enough, LABELS) == "rte (300 rows): good enough: single"
    assert "No candidate is better than this one by more than 0.5 points, with 90%" in said(enough)


def test_without_any_score_it_says_so() -> None:
    nothing = replace(OPEN, choice=None, apart=None, not_pursued=())
    assert heading(nothing, LABELS).startswith("rte (300 rows): best guess: no candidate has a sc")
