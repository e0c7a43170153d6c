"""A report says which scored rows a study's runs have trained on."""

from tests.analysis.test_selection import run
from tests.support.tables import Table
from tlbench.analysis.leaks import notices
from tlbench.analysis.race import race_decision
from tlbench.analysis.study import analyse

LEAK = {"split": "dev", "rows": 277, "task": "mnli", "exact": 2, "normalised": 12}
SAID = "12 of 277 dev rows are among the train rows of mnli, 2 to the letter"


def test_notices_and_the_verdict_say_it(table: Table) -> None:
    runs = [run(0.1, "mtl", seed, leaks=[LEAK]) for seed in range(3)]
    alone = [run(0.0, "single", seed, leaks=[]) for seed in range(3)]
    frame = table([*runs, *alone])
    assert notices(frame) == [f"Of rte {SAID}: a gain may come from having seen them."]
    (advice,) = analyse(frame).advice
    assert advice.do == "MTL with mnli"
    assert f"Beware: {SAID}." in advice.sentences
    (decision,) = race_decision(frame)
    assert decision.leaks == SAID, "and a race does too"


def test_what_leaks_to_others_is_not_said_of_the_best_guess(table: Table) -> None:
    runs = [run(0.1, "mtl", seed, leaks=[]) for seed in range(3)]
    other = [run(0.0, "stilts", seed, leaks=[LEAK]) for seed in range(3)]
    frame = table([*runs, *other, *(run(0.0, "single", seed, leaks=None) for seed in range(3))])
    (advice,) = analyse(frame).advice
    assert not any("Beware" in sentence for sentence in advice.sentences)
    assert len(notices(frame)) == 1
