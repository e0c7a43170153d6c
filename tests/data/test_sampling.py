from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.config.keys import declared
from tlbench.config.schema import Config
from tlbench.data.sampling import annealed, dynamic, proportions

RULES = get_args(declared(Config)["sampling.name"].annotation)
MODES = ("softmax", "gap", "gap_x_size")

# cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli
GLUE = np.array([8551, 67349, 3668, 5749, 363846, 392702, 104743, 2490, 635])
FIFTH_ROOT = [
    0.086412, 0.130568, 0.072955, 0.079816, 0.18296, 0.185774, 0.142625, 0.067517, 0.051372,
]  # fmt: skip


def test_a_cold_temperature_leaves_the_largest_task() -> None:
    shares = proportions("temperature", np.array([100, 392702]), temperature=0.001)
    assert shares.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("rule", "temperature", "cap", "golden"),
    [
        ("size", None, None,
         [.009004, .070914, .003862, .006053, .383103, .413487, .110287, .002622, .000669]),
        ("uniform", None, None, [1 / 9] * 9),
        ("temperature", 2.0, None,
         [.043681, .122589, .028609, .035816, .284934, .296017, .152879, .023571, .011903]),
        ("temperature", 5.0, None,
         FIFTH_ROOT),
        ("temperature", 1.0, 65536,
         [.03019, .231382, .01295, .020297, .231382, .231382, .231382, .008791, .002242]),
    ],
)  # fmt: skip
def test_proportions_of_glue(
    rule: str, temperature: float | None, cap: int | None, golden: list[float]
) -> None:
    assert proportions(rule, GLUE, temperature, cap) == pytest.approx(golden, abs=6e-7)


def test_dynamic_and_annealed_begin_with_the_sizes() -> None:
    for rule in ("dynamic", "annealed"):
        assert proportions(rule, GLUE) == pytest.approx(proportions("size", GLUE))


def test_annealed_goes_from_the_sizes_to_their_fifth_roots() -> None:
    assert annealed(GLUE, 0, 3) == pytest.approx(proportions("size", GLUE))
    middle = [
        0.03284, 0.113289, 0.019763, 0.025879, 0.311701, 0.326306, 0.14766, 0.015664, 0.0069,
    ]  # fmt: skip
    assert annealed(GLUE, 1, 3) == pytest.approx(middle, abs=6e-7)
    assert annealed(GLUE, 2, 3) == pytest.approx(FIFTH_ROOT, abs=6e-7)
    assert annealed(GLUE, 0, 1) == pytest.approx(proportions("size", GLUE))


# cola, sst2, mrpc, rte: one far below its score alone, one above it
ALONE = np.array([.60, .92, .88, .65])  # fmt: skip
CURRENT = np.array([.40, .93, .85, .60])  # fmt: skip
SIZES = np.array([8551, 67349, 3668, 2490])


@pytest.mark.parametrize(
    ("mode", "golden"),
    [
        ("gap", [.689655, .034483, .103448, .172414]),
        ("gap_x_size", [.653189, .257231, .042028, .047551]),
        ("softmax", [.284498, .23061, .240021, .24487]),
    ],
)  # fmt: skip
def test_dynamic_gives_most_to_the_task_that_is_furthest_behind(
    mode: str, golden: list[float]
) -> None:
    assert dynamic(mode, ALONE, CURRENT, SIZES) == pytest.approx(golden, abs=6e-7)


def test_a_low_temperature_sharpens_the_softmax() -> None:
    assert dynamic("softmax", ALONE, CURRENT, SIZES, temperature=0.01)[0] > 0.99


def test_a_score_that_is_not_defined_counts_as_0() -> None:
    nothing = np.array([np.nan, 0.93, 0.85, 0.60])
    assert dynamic("gap", ALONE, nothing, SIZES)[0] == pytest.approx(0.6 / 0.69)


scores = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(np.array)


@given(scores, scores, st.sampled_from(MODES), st.floats(1e-3, 10))
def test_dynamic_shares_are_positive_and_sum_to_1(
    alone: np.ndarray, current: np.ndarray, mode: str, temperature: float
) -> None:
    shares = dynamic(mode, alone, current, SIZES[:3], temperature)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()


def test_every_rule_has_an_option_in_the_config_group() -> None:
    from tlbench.config.search_path import CONF_DIR

    assert {file.stem for file in CONF_DIR.glob("sampling/*.yaml")} == set(RULES)
