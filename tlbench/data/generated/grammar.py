"""Sentences with a meaning: a quantifier, a subject, a predicate that may be negated.

``every`` and ``some`` times plain and negated are all the forms there are (``no dogs run`` is
``every`` with a negated predicate). Every subject is taken to exist. So whether one sentence
entails or contradicts another is decided exactly by inclusion and disjointness of subjects and
predicates, the fragment of natural logic of MacCartney and Manning (2009).
"""

from random import Random
from typing import NamedTuple

from tlbench.data.generated.lexicon import KINDS, MEANINGS, below, disjoint, related


class Sentence(NamedTuple):
    """``every`` or ``some`` (``adjective``) ``noun`` (not) ``verb`` (the ``obj``)."""

    every: bool
    adjective: str | None
    noun: str
    negated: bool
    verb: str
    obj: str | None


_ADJECTIVES = tuple(KINDS["adjective"])
_VERBS = tuple(KINDS["verb"]), tuple(KINDS["transitive"])
_PARTS = ("noun", "noun", "verb", "verb", "adjective", "negated", "every")


def random_sentence(rng: Random, nouns: list[str]) -> Sentence:
    """Return a sentence whose subject and object come from ``nouns``."""
    transitive = rng.random() < 0.5
    return Sentence(
        every=rng.random() < 0.5,
        adjective=rng.choice(_ADJECTIVES) if rng.random() < 0.4 else None,
        noun=rng.choice(nouns),
        negated=rng.random() < 0.35,
        verb=rng.choice(_VERBS[transitive]),
        obj=rng.choice(nouns) if transitive else None,
    )


def edit(rng: Random, s: Sentence) -> Sentence:
    """Return the sentence after one change of meaning: of a word, the polarity or the quantifier.

    An adjective may also be added or removed.
    """
    part = rng.choice(_PARTS)
    if part == "noun":
        return s._replace(noun=rng.choice(related(s.noun)))
    if part == "verb":
        verbs = related(s.verb)
        return s._replace(verb=rng.choice(verbs)) if verbs else s._replace(negated=not s.negated)
    if part == "adjective":
        adjectives = related(s.adjective) if s.adjective else _ADJECTIVES
        removed = s.adjective is not None and rng.random() < 0.5
        return s._replace(adjective=None if removed else rng.choice(adjectives))
    if part == "negated":
        return s._replace(negated=not s.negated)
    return s._replace(every=not s.every)


def entails(p: Sentence, h: Sentence) -> bool:
    """Return whether the hypothesis ``h`` is true wherever the premise ``p`` is."""
    if not _predicate_within(p, h) or (h.every and not p.every):
        return False
    if p.every:
        # "every" is downward monotone in its subject: if all animals run, all dogs do. And as
        # every subject exists: if all dogs run, some dogs and some animals do.
        return _subject_within(h, p) or (not h.every and _subject_within(p, h))
    return _subject_within(p, h)  # "some" is upward monotone


def contradicts(p: Sentence, h: Sentence) -> bool:
    """Return whether ``p`` and ``h`` are nowhere both true."""
    if not _predicates_disjoint(p, h):
        return False
    return (p.every and _subject_within(h, p)) or (h.every and _subject_within(p, h))


def equivalent(a: Sentence, b: Sentence) -> bool:
    """Return whether two sentences are true in the same cases."""
    return entails(a, b) and entails(b, a)


def _subject_within(a: Sentence, b: Sentence) -> bool:
    return below(a.noun, b.noun) and b.adjective in (None, a.adjective)


def _predicate_within(a: Sentence, b: Sentence) -> bool:
    if a.negated:
        return b.negated and _verb_within(b, a)
    return _verbs_disjoint(a, b) if b.negated else _verb_within(a, b)


def _predicates_disjoint(a: Sentence, b: Sentence) -> bool:
    return _predicate_within(a, b._replace(negated=not b.negated))


def _verb_within(a: Sentence, b: Sentence) -> bool:
    return a.obj == b.obj and below(a.verb, b.verb)


def _verbs_disjoint(a: Sentence, b: Sentence) -> bool:
    return a.obj == b.obj and disjoint(a.verb, b.verb)


def word(rng: Random, meaning: str, inflected: bool) -> str:
    """Return one of a meaning's words, in its base form or inflected."""
    return rng.choice(MEANINGS[meaning].words)[inflected]


def predicate(rng: Random, s: Sentence, plural: bool, negated: bool) -> str:
    """Return the verb phrase in words.

    Args:
        rng: draws among synonyms.
        s: the sentence.
        plural: whether its subject is.
        negated: whether the phrase is, which under "no" it is not, though the sentence is.
    """
    auxiliary = ("do not " if plural else "does not ") if negated else ""
    verb = word(rng, s.verb, inflected=not plural and not negated)
    return f"{auxiliary}{verb}" + (f" the {word(rng, s.obj, False)}" if s.obj else "")


def noun_phrase(rng: Random, s: Sentence, plural: bool) -> str:
    """Return the subject in words, without its determiner."""
    adjective = word(rng, s.adjective, False) + " " if s.adjective else ""
    return adjective + word(rng, s.noun, plural)


def say(rng: Random, s: Sentence) -> str:
    """Return the sentence in words: any synonyms, singular or plural, without a full stop."""
    plural = rng.random() < 0.5
    if s.every and s.negated and rng.random() < 0.7:  # mostly "no dogs run", for it is more usual
        return f"no {noun_phrase(rng, s, plural)} {predicate(rng, s, plural, negated=False)}"
    if s.every:
        determiner = "all" if plural else rng.choice(["every", "each"])
    else:
        determiner = rng.choice(["some", "several"] if plural else ["some", "a"])
    if determiner == "a" and (s.adjective or s.noun)[0] in "aeiou":
        determiner = "some"  # and not "an", which the vocabulary does without
    return f"{determiner} {noun_phrase(rng, s, plural)} {predicate(rng, s, plural, s.negated)}"
