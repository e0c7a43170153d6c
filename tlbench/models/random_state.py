"""Random numbers that do not depend on what was drawn before, nor change what is drawn after."""

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch


def fixed_random_state() -> AbstractContextManager[None]:
    """Seed the random generators of Python, NumPy and torch's CPU; restore them at the end."""
    return seeded(0)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Do the same with a seed: what is drawn first is what a training of that seed draws first."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs too
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
