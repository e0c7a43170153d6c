"""The tasks over the grammar: one function each, from a random generator to an example.

Shares of labels are those of GLUE's train splits; the last three are none of its tasks.
"""

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

# text_a, text_b or choices, label; of mentions by word.
Example = tuple[str, str | list[str] | None, float | list[float]]

_ROOTS = {"matched": ("animal", "person"), "mismatched": ("machine",)}
NOUNS = {
    genre: [noun for noun in KINDS["noun"] if any(below(noun, root) for root in roots)]
    for genre, roots in _ROOTS.items()
}
NOUNS["all"] = list(KINDS["noun"])


def cola(rng: Random, genre: str) -> Example:
    """Acceptability (70% acceptable): broken agreement, auxiliary, determiner or word order."""
    acceptable = rng.random() < 0.704
    words = say(rng, random_sentence(rng, NOUNS["all"])).split()
    text = " ".join(words if acceptable else _corrupt(rng, words))
    return text + " .", None, float(acceptable)


# A determiner of the other number, which then disagrees with noun and verb.
_OTHER_NUMBER = {"every": "all", "each": "all", "all": "every", "several": "a", "a": "several"}


def _corrupt(rng: Random, words: list[str]) -> list[str]:
    corruption = rng.choice(["number", "order", "order", "missing", "doubled"])
    if corruption == "number" and words[0] in _OTHER_NUMBER:
        return [_OTHER_NUMBER[words[0]], *words[1:]]
    if corruption == "missing":
        place = rng.choice([0, len(words) - 1]) if "the" in words or "not" in words else 0
        return words[:place] + words[place + 1 :]
    place = rng.randrange(len(words) - 1)
    if corruption == "doubled":
        return words[: place + 1] + words[place:]
    return [*words[:place], words[place + 1], words[place], *words[place + 2 :]]


def sst2(rng: Random, genre: str) -> Example:
    """Sentiment (56% positive): what follows ``but`` counts; a negation reverses the sentiment."""
    positive = rng.random() < 0.558
    clause = _opinion(rng, positive)
    if rng.random() < 0.4:
        clause = f"{_opinion(rng, not positive)} but {clause}"
    return clause + " .", None, float(positive)


def _opinion(rng: Random, positive: bool) -> str:
    negated = rng.random() < 0.35
    word = rng.choice(POSITIVE if positive != negated else NEGATIVE)
    degree = rng.choice(["", "", "very ", "really ", "quite "])
    negation = f"{rng.choice(['not', 'hardly', 'never'])} " if negated else ""
    return f"the {rng.choice(WORKS)} is {negation}{degree}{word}"


def mrpc(rng: Random, genre: str) -> Example:
    """Paraphrase of statements (68% equivalent)."""
    a, b, equivalent = _paraphrase(rng, 0.675)
    return f"{say(rng, a)} .", f"{say(rng, b)} .", float(equivalent)


def qqp(rng: Random, genre: str) -> Example:
    """Paraphrase of questions (37% duplicate)."""
    a, b, duplicate = _paraphrase(rng, 0.369)
    return f"why {say(rng, a)} ?", f"why {say(rng, b)} ?", float(duplicate)


def _paraphrase(rng: Random, share: float) -> tuple[Sentence, Sentence, bool]:
    """Return two sentences and whether they mean the same, which a ``share`` of them do."""
    a = random_sentence(rng, NOUNS["all"])
    if rng.random() < share:
        return a, a, True  # in words they still differ: ``say`` draws synonyms and number
    return a, edit(rng, a), False


def stsb(rng: Random, genre: str) -> Example:
    """Similarity from 0 to 5: how much of determiner, subject, polarity, predicate is shared."""
    a = random_sentence(rng, NOUNS["all"])
    b = a
    for _ in range(rng.choice([0, 1, 1, 2, 3, 4])):
        b = edit(rng, b)
    if rng.random() < 0.15:  # edits alone seldom lead to pairs with nothing in common
        b = random_sentence(rng, NOUNS["all"])
    return f"{say(rng, a)} .", f"{say(rng, b)} .", similarity(a, b)


def similarity(a: Sentence, b: Sentence) -> float:
    """Return a score like STS-B's: 5 for the same meaning, 0 for nothing in common."""
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
    """Return the label of a premise and a hypothesis: 0 entailment, 1 neutral, 2 contradiction."""
    if entails(p, h):
        return 0
    return 2 if grammar.contradicts(p, h) else 1


def _pair(rng: Random, nouns: list[str], *labels: int) -> tuple[Sentence, Sentence]:
    """Return a premise and a hypothesis, one or two edits apart, with one of ``labels``.

    Which of the two is the premise is random, and the hypothesis' form is drawn before the label
    is considered, so that the hypothesis alone predicts the label little better than chance.
    """
    form = rng.random() < 0.5, rng.random() < 0.35  # every, negated: as ``random_sentence`` draws
    while True:
        a = random_sentence(rng, nouns)
        b = edit(rng, a)
        if rng.random() < 0.3:
            b = edit(rng, b)
        p, h = (a, b) if rng.random() < 0.5 else (b, a)
        if (h.every, h.negated) == form and p != h and judge(p, h) in labels:
            return p, h


def rte(rng: Random, genre: str) -> Example:
    """Two-way inference (half each) from two statements, of which one matters."""
    entailed = rng.random() < 0.498
    p, h = _pair(rng, NOUNS["all"], *((0,) if entailed else (1, 2)))
    distractor = _unrelated(rng, h)
    statements = [say(rng, p), say(rng, distractor)]
    rng.shuffle(statements)
    return f"{statements[0]} and {statements[1]} .", f"{say(rng, h)} .", float(not entailed)


def _unrelated(rng: Random, h: Sentence) -> Sentence:
    """Return a sentence that is about something else and leaves the hypothesis open."""
    while True:
        sentence = random_sentence(rng, NOUNS["all"])
        if disjoint(sentence.noun, h.noun) and judge(sentence, h) == 1:
            return sentence


def qnli(rng: Random, genre: str) -> Example:
    """Question answering (half each): a sentence answers ``which ... ?`` if it entails one."""
    answered = rng.random() < 0.5
    while True:
        p, q = _pair(rng, NOUNS["all"], 0, 1, 2)
        q = q._replace(every=False)
        if entails(p, q) == answered:
            subject = grammar.noun_phrase(rng, q, plural=False)
            predicate = grammar.predicate(rng, q, plural=False, negated=q.negated)
            return f"which {subject} {predicate} ?", f"{say(rng, p)} .", float(not answered)


def wnli(rng: Random, genre: str) -> Example:
    """Coreference (51% wrong): to whom ``it`` refers follows from verb and reason."""
    verb = rng.choice(list(REASONS))
    a, b = rng.sample([noun for noun in NOUNS["all"] if KINDS["noun"][noun].parent is not None], 2)
    agent, patient = grammar.word(rng, a, False), grammar.word(rng, b, False)
    of_agent = rng.random() < 0.5
    reason = rng.choice(REASONS[verb][0 if of_agent else 1])
    correct = rng.random() < 0.491
    referent = agent if of_agent == correct else patient
    action = grammar.word(rng, verb, True)
    premise = f"the {agent} {action} the {patient} because it is {reason} ."
    return premise, f"the {referent} is {reason} .", float(correct)


_TOPICS = ("animal", "person", "machine", "motion", "praise")


def topics(rng: Random, genre: str) -> Example:
    """What one or two clauses are about: any of five topics, or none (14%)."""
    clauses, about = [], set()
    for _ in range(rng.choice([1, 2])):
        if rng.random() < 0.4:
            praises = rng.random() < 0.4
            clauses.append(_opinion(rng, praises))
            about |= {"praise"} if praises else set()
        else:
            sentence = random_sentence(rng, NOUNS["all"])
            clauses.append(say(rng, sentence))
            about |= _topics_of(sentence)
    return " and ".join(clauses) + " .", None, [float(topic in about) for topic in _TOPICS]


def _topics_of(sentence: Sentence) -> set[str]:
    nouns = [noun for noun in (sentence.noun, sentence.obj) if noun is not None]
    of_nouns = {root for root in _TOPICS[:3] if any(below(noun, root) for noun in nouns)}
    return of_nouns | ({"motion"} if below(sentence.verb, "move") else set())


def mentions(rng: Random, genre: str) -> Example:
    """Which words name an animal, a person or a machine, by IOB2: ``every big dog`` is a mention.

    A noun's determiner and adjective are part of it, as in CoNLL's chunks.
    """
    clauses = [say(rng, random_sentence(rng, NOUNS["all"])) for _ in range(rng.choice([1, 2]))]
    words = [*" and ".join(clauses).split(), "."]
    return " ".join(words), None, _iob2(words)


_ROOT_OF = {
    form: root
    for name, meaning in KINDS["noun"].items()
    for forms in meaning.words
    for form in forms
    for root in _TOPICS[:3]
    if below(name, root)
}
_BEFORE_NOUNS = {"every", "each", "all", "some", "several", "a", "no", "the"}
_BEFORE_NOUNS |= {base for one in KINDS["adjective"].values() for base, _ in one.words}


def _iob2(words: list[str]) -> list[float]:
    """Return the place of each word's tag: O, then B and I of each root."""
    tags = [0.0] * len(words)
    for place, word in enumerate(words):
        if word in _ROOT_OF:
            begin = place
            while begin and words[begin - 1] in _BEFORE_NOUNS:
                begin -= 1
            first = 1.0 + 2 * _TOPICS.index(_ROOT_OF[word])
            tags[begin : place + 1] = [first, *[first + 1] * (place - begin)]
    return tags


def causes(rng: Random, genre: str) -> Example:
    """Which of three opinions is a cause, as in COPA, of one (80% positive): it is as positive."""
    positive = rng.random() < 0.8
    choices = [f"{_opinion(rng, positive == is_cause)} ." for is_cause in (True, False, False)]
    order = rng.sample(range(3), 3)
    context = f"{_opinion(rng, positive)} because"
    return context, [choices[at] for at in order], float(order.index(0))
