"""Hydra's refusals, each in one line."""

import pytest
from hydra.errors import CompactHydraException

from tests.support.composing import compose_config
from tlbench.config.refusals import in_one_sentence
from tlbench.errors import UserError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=1,2"], "Add -m to sweep over seed=1,2 (--cfg shows the config of one value); a c"),
        (["seed=range(2)"], "Add -m to sweep over seed=range(2) (--cfg shows the config of one v"),
        (
            ["strategy.tasks=mnli,qnli"],
            "Change strategy.tasks: give a list, 'strategy.tasks=[mnli,qnli]'; or add -m to sweep",
        ),
        (["strategy.tasks=[mnli],[rte]"], "Add -m to sweep over strategy.tasks=[mnli],[rte] ("),
        (["hydra/launcher=x"], "In 'hydra/config': Could not find 'hydra/launcher/x' Available "),
        (["hydra.job.chdri=1"], "Could not override 'hydra.job.chdri'. To append to your config "),
    ],
)
def test_one_line(words: list[str], said: str) -> None:
    with pytest.raises(CompactHydraException) as raised:
        compose_config(*words)
    sentence = in_one_sentence(raised.value)
    assert sentence.startswith(said)
    assert "\n" not in sentence
    assert "search path" not in sentence


def test_ours_are_as_they_are() -> None:
    assert in_one_sentence(UserError("Change seed.")) == "Change seed."
