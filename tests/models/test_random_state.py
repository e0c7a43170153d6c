import random
from typing import Any

import numpy as np
import pytest
import torch

from tlbench.models.random_state import fixed_random_state


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def states() -> tuple[Any, ...]:
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def test_what_is_drawn_inside_does_not_depend_on_what_was_drawn_before() -> None:
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        with fixed_random_state():
            drawn.append(draw())
    assert drawn[0] == drawn[1]


def test_the_states_are_restored_also_after_an_error() -> None:
    def fail() -> None:
        with fixed_random_state():
            draw()
            raise ValueError("inside")

    before = states()
    with pytest.raises(ValueError, match="inside"):
        fail()
    assert states() == before
