from collections import Counter
from collections.abc import Iterable
from itertools import islice, pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tests.support.composing import compose_config
from tlbench.data.generated import TEXTS, rows, unseen_rows
from tlbench.data.generated.grammar import Sentence, contradicts, edit, entails, random_sentence
from tlbench.data.generated.lexicon import KINDS, MEANINGS, POSITIVE, below, disjoint, vocabulary
from tlbench.data.generated.tasks import NOUNS, similarity
from tlbench.errors import UserError
from tlbench.models.encoder import load_tokenizer


@pytest.mark.parametrize("task", TEXTS)
def test_rows_depend_on_the_seed_and_more_begin_with_fewer(task: str) -> None:
    few, many = list(rows(task, "train", 20, 0)), list(rows(task, "train", 50, 0))
    assert few == many[:20]
    assert few != list(rows(task, "train", 20, 1))
    assert all(("text_b" in row) == (TEXTS[task] == 2) for row in few)


def texts_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["text_a"], row.get("text_b"), *sorted(row.get("choices", ()))


def test_one_of_three_choices_is_as_positive_as_the_context() -> None:
    def is_positive(clause: str) -> bool:
        words = clause.split()
        return bool({*words} & {*POSITIVE}) != bool({*words} & {"not", "hardly", "never"})

    made = list(rows("causes", "train", 300, 0))
    for row in made:
        context, *choices = map(is_positive, (row["text_a"], *row["choices"]))
        assert choices.count(context) == 1
        assert choices.index(context) == row["label"]
    assert {row["label"] for row in made} == {0.0, 1.0, 2.0}


@pytest.mark.slow
@pytest.mark.parametrize("task", TEXTS)
def test_no_dev_row_is_trained_on(task: str) -> None:
    train, dev = (
        {texts_of(row) for row in rows(task, split, 2000, 0)} for split in ("train", "dev")
    )
    assert not train & dev


@pytest.mark.slow
@pytest.mark.parametrize("task", TEXTS)
def test_test_rows_are_neither_trained_on_nor_in_dev(task: str) -> None:
    def texts(found: Iterable[dict[str, Any]]) -> set[tuple[Any, ...]]:
        return {texts_of(row) for row in found}

    dev = {"dev": 500, "dev_mismatched": 300} if task == "mnli" else {"dev": 500}
    test = list(unseen_rows(task, 200, 0, dev))
    assert len(test) == 200
    for split, count in {"train": 5000, **dev}.items():
        assert not texts(test) & texts(rows(task, split, count, 0))
    assert test[:50] == list(unseen_rows(task, 50, 0, dev))


def test_more_test_rows_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"text_a": "the same", "label": 1.0}
    monkeypatch.setattr("tlbench.data.generated.rows", lambda *_: iter([row] * 100))
    with pytest.raises(UserError, match="has 0 rows, not 5, that are in no dev split"):
        list(unseen_rows("cola", 5, 0, {"dev": 3}))


# Train labels' shares in GLUE, by label.
PRIORS = {
    "cola": [0.296, 0.704],
    "sst2": [0.442, 0.558],
    "mrpc": [0.325, 0.675],
    "qqp": [0.631, 0.369],
    "mnli": [1 / 3] * 3,
    "qnli": [0.5, 0.5],
    "rte": [0.498, 0.502],
    "wnli": [0.509, 0.491],
}


@pytest.mark.parametrize("task", PRIORS)
def test_label_priors_are_glues(task: str) -> None:
    counts = Counter(row["label"] for row in rows(task, "train", 4000, 0))
    shares = [counts[float(i)] / 4000 for i in range(len(PRIORS[task]))]
    assert shares == pytest.approx(PRIORS[task], abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "ceiling"),
    [("mnli", 0.66), ("qnli", 0.66), ("rte", 0.68), ("wnli", 0.60), ("mrpc", 0.72), ("qqp", 0.68)],
)
def test_a_bag_of_words_stays_well_below_the_grammars_100(task: str, ceiling: float) -> None:
    train, dev = list(rows(task, "train", 4000, 0)), list(rows(task, "dev", 1000, 0))

    def sided(made: list[dict[str, str]]) -> list[str]:
        pairs = [(row["text_a"].split(), row["text_b"].split()) for row in made]
        return [" ".join([*("a" + w for w in a), *("b" + w for w in b)]) for a, b in pairs]

    words = CountVectorizer(token_pattern=r"\S+")
    model = LogisticRegression(max_iter=500, C=0.3)
    model.fit(words.fit_transform(sided(train)), [row["label"] for row in train])
    assert model.score(words.transform(sided(dev)), [row["label"] for row in dev]) < ceiling


@pytest.mark.slow
def test_the_hypothesis_alone_says_little() -> None:
    train, dev = list(rows("mnli", "train", 4000, 0)), list(rows("mnli", "dev", 1000, 0))
    words = CountVectorizer(token_pattern=r"\S+")
    model = LogisticRegression(max_iter=500, C=0.3)
    model.fit(words.fit_transform(r["text_b"] for r in train), [r["label"] for r in train])
    assert model.score(words.transform(r["text_b"] for r in dev), [r["label"] for r in dev]) < 0.5


def test_default_sizes_are_in_glues_order() -> None:
    sources = compose_config("suite=generated").suite.sources
    order = ["mnli", "qqp", "qnli", "sst2", "cola", "stsb", "mrpc", "rte", "wnli"]
    assert all(sources[a].train > sources[b].train for a, b in pairwise(order))


def test_mismatched_is_about_other_things() -> None:
    def nouns(split: str) -> set[str]:
        forms = {
            form: name for name in NOUNS["all"] for pair in MEANINGS[name].words for form in pair
        }
        texts = " ".join(row["text_b"] for row in rows("mnli", split, 300, 0)).split()
        return {forms[word] for word in texts if word in forms}

    roots = ("machine", "animal", "person")
    assert not nouns("dev") & set(NOUNS["mismatched"]) - set(roots)
    assert not nouns("dev_mismatched") & set(NOUNS["matched"]) - set(roots)


# A world: every noun, adjective and verb is a set of things that obeys the lexicon. A sentence is
# true or false in it, so entailment can be judged without the rules of the grammar.
class World:
    def __init__(self, rng: Random, things: int = 40) -> None:
        self.kinds: list[dict[str, bool]] = [self._thing(rng) for _ in range(things)]

    @staticmethod
    def _thing(rng: Random) -> dict[str, bool]:
        holds = dict.fromkeys(MEANINGS, False)
        for kind in KINDS.values():
            for name in rng.sample(list(kind), len(kind)):
                clash = any(holds[other] and disjoint(name, other) for other in kind)
                if not clash and rng.random() < 0.4:
                    holds |= {other: True for other in kind if below(name, other)}
        return holds

    def true(self, s: Sentence) -> bool | None:
        """None where there is no such subject: the grammar takes it to exist."""
        subjects = [t for t in self.kinds if t[s.noun] and (not s.adjective or t[s.adjective])]
        if not subjects:
            return None
        does = [thing[s.verb] != s.negated for thing in subjects]
        return all(does) if s.every else any(does)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.integers(0, 10**6))
def test_the_grammars_judgement_holds_in_every_world(seed: int) -> None:
    rng = Random(seed)
    p = random_sentence(rng, NOUNS["all"])
    h = edit(rng, p)
    if p.obj != h.obj:
        return
    for _ in range(20):
        world = World(rng)
        truths = world.true(p), world.true(h)
        if None in truths:
            continue
        if entails(p, h):
            assert truths != (True, False), (p, h)
        if contradicts(p, h):
            assert truths != (True, True), (p, h)


def test_neutral_pairs_have_worlds_of_both_kinds() -> None:
    rng = Random(0)
    worlds = [World(rng) for _ in range(400)]
    pairs = ((p, edit(rng, p)) for p in iter(lambda: random_sentence(rng, NOUNS["all"]), None))
    neutral = (pair for pair in pairs if not (entails(*pair) or contradicts(*pair)))
    both = 0
    for p, h in islice(neutral, 60):
        found = {world.true(h) for world in worlds if world.true(p)} - {None}
        both += found == {True, False}
    assert both >= 50  # rare subjects are in few worlds


def test_similarity_is_5_for_the_same_and_0_for_nothing_shared() -> None:
    a = Sentence(True, "big", "dog", False, "run", None)
    b = Sentence(False, None, "lawyer", True, "love", "cat")
    assert similarity(a, a) == 5.0
    assert similarity(a, b) == 0.0
    c = Sentence(True, "big", "animal", False, "run", None)
    assert similarity(a, c) == pytest.approx(5 * 7 / 8)


def test_the_shipped_vocabulary_covers_the_lexicon() -> None:
    tokenizer = load_tokenizer("package:tlbench/assets/tiny", None)
    for word in vocabulary():
        assert tokenizer.tokenize(word) == [word]
    assert tokenizer.unk_token_id not in tokenizer("a Quick zebra!")["input_ids"]


def test_stsb_uses_the_whole_scale() -> None:
    labels = np.array([row["label"] for row in rows("stsb", "train", 2000, 0)])
    assert labels.min() < 0.7
    assert labels.max() == 5.0
    assert 2.0 < labels.mean() < 4.0
