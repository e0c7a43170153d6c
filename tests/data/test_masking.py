"""Which tokens are masked: how many, by what, never special ones, and always the same again."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlbench.data.masking import Masking
from tlbench.errors import UserError
from tlbench.tasks import ragged

CLS, SEP, MASK, WORDS = 1, 2, 3, range(10, 1010)


def tokenizer(mask: int | None = MASK) -> Any:
    vocabulary = {str(token): token for token in (CLS, SEP, MASK, *WORDS)}
    return SimpleNamespace(
        mask_token_id=mask, all_special_ids=[CLS, SEP, MASK], get_vocab=lambda: vocabulary
    )


def rows(count: int, words: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [[CLS, *rng.choice(WORDS, words).tolist(), SEP] for _ in range(count)]


def test_a_seventh_is_masked_of_which_a_tenth_is_random_and_a_tenth_kept() -> None:
    given = rows(2000, 20)
    masked = Masking(tokenizer()).rows(given, range(2000), (0, 0, 0))
    became = []
    for before, after, places, labels in zip(given, *masked, strict=True):
        assert len(places) == 3 == len(set(places))
        assert places == sorted(places)
        assert labels == [before[place] for place in places]
        others = set(range(22)) - {*places}
        assert all(before[place] == after[place] for place in others)
        assert not {0, 21} & {*places}
        became += [(after[place], before[place]) for place in places]
    by_mask = np.mean([after == MASK for after, _ in became])
    kept = np.mean([after == before for after, before in became])
    assert by_mask == pytest.approx(0.8, abs=0.02)
    assert kept == pytest.approx(0.1, abs=0.02)
    assert all(after not in (CLS, SEP) for after, _ in became)


def test_in_evaluation_all_are_replaced_by_the_mask() -> None:
    masked = Masking(tokenizer()).rows(rows(200, 20), range(200))
    for ids, places in zip(masked.ids, masked.places, strict=True):
        assert {ids[place] for place in places} == {MASK}


@pytest.mark.parametrize(("words", "count"), [(1, 1), (3, 1), (9, 1), (12, 2), (40, 6)])
def test_every_row_with_a_word_has_a_masked_one(words: int, count: int) -> None:
    masked = Masking(tokenizer()).rows(rows(5, words), range(5))
    assert [len(places) for places in masked.places] == [count] * 5


def test_another_part_of_a_row_may_be_masked() -> None:
    masked = Masking(tokenizer()).rows(rows(3, 20), range(3), (0, 0, 0), rate=0.5)
    assert [len(places) for places in masked.places] == [10] * 3


def test_a_row_of_special_tokens_has_none() -> None:
    masked = Masking(tokenizer()).rows([[CLS, SEP]], [0])
    assert masked == ([[CLS, SEP]], [[-1]], [[ragged.NONE]])


def test_the_moment_and_the_number_of_a_row_decide_and_nothing_else() -> None:
    masking, given = Masking(tokenizer()), rows(8, 30)
    numbers = list(range(8))
    masked = masking.rows(given, numbers, (0, 1, 2))
    np.random.seed(1)
    backwards = masking.rows(given[::-1], numbers[::-1], (0, 1, 2))
    assert [part[::-1] for part in backwards] == list(masked)
    assert masking.rows(given[3:5], numbers[3:5], (0, 1, 2)).ids == masked.ids[3:5]
    for other in ((), (1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert masking.rows(given, numbers, other).places != masked.places
    assert masking.rows(given, [9, *numbers[1:]], (0, 1, 2)).places[0] != masked.places[0]


def test_a_tokenizer_that_can_not_mask_is_refused() -> None:
    asked = "^Change encoder, or leave out tasks of kind mlm, and mask of consistency tasks: its to"
    with pytest.raises(UserError, match=asked):
        Masking(tokenizer(mask=None))
