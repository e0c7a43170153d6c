"""The nine tasks over the grammar: one function from a random generator to texts and a label."""

from dataclasses import replace
from random import Random
from typing import Literal

from tlbench.data.generated import grammar
from tlbench.data.generated.grammar import Sentence, edit, entails, random_sentence, say
from tlbench.data.generated.lexicon import (
    KINDS,
    NEGATIVE,
    POSITIVE,
    REASONS,
    WORKS,
    below,
    disjoint,
)

Example = tuple[str, str | None, float]

_ROOTS = {"matched": ("animal", "person"), "mismatched": ("machine",)}
NOUNS = {
    genre: [noun for noun in KINDS["noun"] if any(below(noun, root) for root in roots)]
    for genre, roots in _ROOTS.items()
}
NOUNS["all"] = list(KINDS["noun"])


def cola(rng: Random, genre: str) -> Example:
    """Acceptability (70% acceptable): broken agreement, auxiliary, determiner or word order."""
    good = rng.random() < 0.704
    words = say(rng, random_sentence(rng, NOUNS["all"])).split()
    return " ".join(words if good else _corrupt(rng, words)) + " .", None, float(good)


_NUMBER = {"every": "all", "each": "all", "all": "every", "several": "a", "a": "several"}


def _corrupt(rng: Random, words: list[str]) -> list[str]:
    how = rng.choice(["number", "order", "order", "missing", "doubled"])
    if how == "number" and words[0] in _NUMBER:
        return [_NUMBER[words[0]], *words[1:]]
    if how == "missing":
        gone = rng.choice([0, len(words) - 1]) if "the" in words or "not" in words else 0
        return words[:gone] + words[gone + 1 :]
    at = rng.randrange(len(words) - 1)
    if how == "doubled":
        return words[: at + 1] + words[at:]
    return [*words[:at], words[at + 1], words[at], *words[at + 2 :]]


def sst2(rng: Random, genre: str) -> Example:
    """Sentiment (56% positive): what follows ``but`` counts; a negation turns the sentiment."""
    positive = rng.random() < 0.558
    clause = _opinion(rng, positive)
    if rng.random() < 0.4:
        clause = f"{_opinion(rng, not positive)} but {clause}"
    return clause + " .", None, float(positive)


def _opinion(rng: Random, positive: bool) -> str:
    turned = rng.random() < 0.35
    word = rng.choice(POSITIVE if positive != turned else NEGATIVE)
    degree = rng.choice(["", "", "very ", "really ", "quite "])
    negation = f"{rng.choice(['not', 'hardly', 'never'])} " if turned else ""
    return f"the {rng.choice(WORKS)} is {negation}{degree}{word}"


def mrpc(rng: Random, genre: str) -> Example:
    """Paraphrase of statements (68% equivalent)."""
    a, b, same = _paraphrase(rng, 0.675)
    return f"{say(rng, a)} .", f"{say(rng, b)} .", float(same)


def qqp(rng: Random, genre: str) -> Example:
    """Paraphrase of questions (37% duplicate)."""
    a, b, same = _paraphrase(rng, 0.369)
    return f"why {say(rng, a)} ?", f"why {say(rng, b)} ?", float(same)


def _paraphrase(rng: Random, share: float) -> tuple[Sentence, Sentence, bool]:
    a = random_sentence(rng, NOUNS["all"])
    if rng.random() < share:
        return a, a, True
    return a, edit(rng, a), False


def stsb(rng: Random, genre: str) -> Example:
    """Similarity from 0 to 5: how much of determiner, subject, polarity, predicate is shared."""
    a = random_sentence(rng, NOUNS["all"])
    b = a
    for _ in range(rng.choice([0, 1, 1, 2, 3, 4])):
        b = edit(rng, b)
    if rng.random() < 0.15:
        b = random_sentence(rng, NOUNS["all"])
    return f"{say(rng, a)} .", f"{say(rng, b)} .", similarity(a, b)


def similarity(a: Sentence, b: Sentence) -> float:
    """The STS-B-like score: 5 for the same meaning, 0 for nothing in common."""
    shares = [
        2 * _closeness(a.noun, b.noun),
        2 * _closeness(a.verb, b.verb),
        1.0 * (a.adjective == b.adjective),
        1.0 * (a.obj == b.obj),
        1.0 * (a.negated == b.negated),
        1.0 * (a.every == b.every),
    ]
    return round(5 * sum(shares) / 8, 3)


def _closeness(a: str, b: str) -> float:
    if a == b:
        return 1.0
    return 0.5 if below(a, b) or below(b, a) else 0.0


def mnli(rng: Random, genre: str) -> Example:
    """Three-way inference, a third each. ``mismatched`` is about other things."""
    nouns = NOUNS["mismatched" if genre == "mismatched" else "matched"]
    label: Literal[0, 1, 2] = rng.choice([0, 1, 2])
    p, h = _pair(rng, nouns, label)
    return f"{say(rng, p)} .", f"{say(rng, h)} .", float(label)


def judge(p: Sentence, h: Sentence) -> Literal[0, 1, 2]:
    """0 entailment, 1 neutral, 2 contradiction."""
    if entails(p, h):
        return 0
    return 2 if grammar.contradicts(p, h) else 1


def _pair(rng: Random, nouns: list[str], *labels: int) -> tuple[Sentence, Sentence]:
    """A premise and a hypothesis one or two edits apart whose label is one of ``labels``.

    Which of the two is the premise is a coin's toss, and the hypothesis' form is drawn before the
    label is looked at, so the hypothesis alone says little of the label.
    """
    form = rng.random() < 0.5, rng.random() < 0.35
    while True:
        a = random_sentence(rng, nouns)
        b = edit(rng, a)
        if rng.random() < 0.3:
            b = edit(rng, b)
        p, h = (a, b) if rng.random() < 0.5 else (b, a)
        if p != h and (h.every, h.negated) == form and judge(p, h) in labels:
            return p, h


def rte(rng: Random, genre: str) -> Example:
    """Two-way inference (half each) from two statements, of which one matters."""
    entailed = rng.random() < 0.498
    p, h = _pair(rng, NOUNS["all"], *((0,) if entailed else (1, 2)))
    other = _unrelated(rng, h)
    both = [say(rng, p), say(rng, other)]
    rng.shuffle(both)
    return f"{both[0]} and {both[1]} .", f"{say(rng, h)} .", float(not entailed)


def _unrelated(rng: Random, h: Sentence) -> Sentence:
    while True:
        other = random_sentence(rng, NOUNS["all"])
        if disjoint(other.noun, h.noun) and judge(other, h) == 1:
            return other


def qnli(rng: Random, genre: str) -> Example:
    """Whether a sentence answers ``which ... ?`` (half each): that there is one must follow."""
    answered = rng.random() < 0.5
    while True:
        p, q = _pair(rng, NOUNS["all"], 0, 1, 2)
        q = replace(q, every=False)
        if entails(p, q) == answered:
            subject = grammar.noun_phrase(rng, q, plural=False)
            asked = f"{subject} {grammar.predicate(rng, q, plural=False, negated=q.negated)}"
            return f"which {asked} ?", f"{say(rng, p)} .", float(not answered)


def wnli(rng: Random, genre: str) -> Example:
    """Coreference (51% wrong): who ``it`` is follows from what was done."""
    verb = rng.choice(list(REASONS))
    a, b = rng.sample([noun for noun in NOUNS["all"] if KINDS["noun"][noun].parent is not None], 2)
    actor, patient = grammar.word(rng, a, False), grammar.word(rng, b, False)
    of_actor = rng.random() < 0.5
    reason = rng.choice(REASONS[verb][0 if of_actor else 1])
    right = rng.random() < 0.491
    named = actor if of_actor == right else patient
    done = grammar.word(rng, verb, True)
    first = f"the {actor} {done} the {patient} because it is {reason} ."
    return first, f"the {named} is {reason} .", float(right)
