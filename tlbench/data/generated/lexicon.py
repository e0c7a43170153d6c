"""The words of the generated suite, and the relations of their meanings.

A meaning is a line ``meaning: word, synonym, ... < parent``; an irregular inflection follows a
slash. Two meanings of a kind stand in one of four relations: the same, one below the other
(hyponym and hypernym), disjoint (antonyms, and sisters of one parent), or independent.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

NOUNS = """
animal: animal, creature
pet: pet < animal
dog: dog, hound < pet
cat: cat < pet
rabbit: rabbit, bunny < pet
bird: bird < animal
crow: crow < bird
duck: duck < bird
horse: horse < animal
person: person/people, human
child: child/children, kid < person
boy: boy < child
girl: girl < child
worker: worker < person
doctor: doctor, physician < worker
lawyer: lawyer, attorney < worker
baker: baker < worker
artist: artist < person
singer: singer, vocalist < artist
painter: painter < artist
machine: machine, device
vehicle: vehicle < machine
car: car, automobile < vehicle
truck: truck, lorry < vehicle
boat: boat < vehicle
robot: robot, android < machine
drone: drone < machine
"""

ADJECTIVES = """
big: big, large
small: small, little
old: old
young: young
fast: fast, quick
slow: slow
red: red
blue: blue
green: green
"""

VERBS = """
move: move
run: run < move
sprint: sprint < run
walk: walk, stroll < move
rest: rest, relax
sleep: sleep < rest
sit: sit < rest
work: work
speak: speak, talk
shout: shout, yell < speak
whisper: whisper < speak
"""

TRANSITIVE = """
like: like
love: love, adore < like
dislike: dislike
hate: hate, loathe < dislike
follow: follow
chase: chase, hunt < follow
avoid: avoid, evade
watch: watch, observe
help: help, assist
push: push, shove
pull: pull, drag
"""

OPPOSITES = [
    ("big", "small"),
    ("old", "young"),
    ("fast", "slow"),
    ("red", "blue"),
    ("red", "green"),
    ("blue", "green"),
    ("move", "rest"),
    ("like", "dislike"),
    ("follow", "avoid"),
    ("push", "pull"),
]

POSITIVE = ["good", "great", "wonderful", "charming", "brilliant", "funny", "moving", "superb"]
NEGATIVE = ["bad", "poor", "awful", "boring", "dreadful", "dull", "clumsy", "tedious"]
WORKS = ["film", "movie", "story", "plot", "cast", "book", "song", "scene", "ending", "script"]

# Reasons for an action: what then holds of the agent, and what of the patient.
REASONS = {
    "chase": (["hungry", "angry"], ["scared", "tasty"]),
    "help": (["kind", "strong"], ["weak", "lost"]),
    "follow": (["curious", "lonely"], ["famous", "friendly"]),
    "avoid": (["shy", "scared"], ["angry", "dangerous"]),
    "push": (["strong", "rude"], ["stuck", "slow"]),
    "watch": (["curious", "bored"], ["famous", "loud"]),
}

FUNCTION_WORDS = """
every each all some several a no the does do not and but because it is which why very really hardly
never quite . ?
"""


@dataclass(frozen=True)
class Meaning:
    """A node of the taxonomy: its words as (base, inflected), and its parent's name."""

    name: str
    words: tuple[tuple[str, str], ...]
    parent: str | None


def _inflect(word: str) -> str:
    """Return the regular plural of a noun, which has the form of a verb's third person."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _parse(text: str) -> dict[str, Meaning]:
    """Return the meanings by name, from lines as the module's docstring describes them."""
    meanings = {}
    for line in text.strip().splitlines():
        name, rest = line.split(": ")
        words, _, parent = rest.partition(" < ")
        pairs = (word.partition("/") for word in words.split(", "))
        forms = tuple((base, irregular or _inflect(base)) for base, _, irregular in pairs)
        meanings[name] = Meaning(name, forms, parent or None)
    return meanings


KINDS = {
    "noun": _parse(NOUNS),
    "adjective": _parse(ADJECTIVES),
    "verb": _parse(VERBS),
    "transitive": _parse(TRANSITIVE),
}
MEANINGS = {name: meaning for kind in KINDS.values() for name, meaning in kind.items()}
_OPPOSED = {frozenset(pair) for pair in OPPOSITES}
_ROOTS = [frozenset(pair) for pair in combinations(("animal", "person", "machine"), 2)]


@cache
def ancestors(name: str) -> tuple[str, ...]:
    """Return the meaning itself, its parent, and so on up to the root."""
    parent = MEANINGS[name].parent
    return (name, *ancestors(parent)) if parent else (name,)


@cache
def below(a: str, b: str) -> bool:
    """Return whether everything that is ``a`` is ``b``."""
    return b in ancestors(a)


@cache
def disjoint(a: str, b: str) -> bool:
    """Return whether nothing is both: sisters under one parent, opposites, or what is below them.

    So a whole subtree is disjoint with another: it is enough that any two ancestors are.
    """
    for above_a in ancestors(a):
        for above_b in ancestors(b):
            parent = MEANINGS[above_a].parent
            sisters = above_a != above_b and parent and parent == MEANINGS[above_b].parent
            pair = frozenset((above_a, above_b))
            if sisters or pair in _OPPOSED or pair in _ROOTS:
                return True
    return False


@cache
def related(name: str) -> tuple[str, ...]:
    """Return the meanings that a small edit leads to: parent, children, sisters, opposites."""
    kind = next(kind for kind in KINDS.values() if name in kind)
    parent = kind[name].parent
    return tuple(
        other
        for other, meaning in kind.items()
        if other != name
        and (
            other == parent
            or meaning.parent == name
            or (parent and meaning.parent == parent)
            or frozenset((name, other)) in _OPPOSED
        )
    )


def vocabulary() -> list[str]:
    """Return every word form of the suite, sorted."""
    forms = {form for meaning in MEANINGS.values() for pair in meaning.words for form in pair}
    reasons = {word for roles in REASONS.values() for role in roles for word in role}
    return sorted(forms | reasons | {*POSITIVE, *NEGATIVE, *WORKS, *FUNCTION_WORDS.split()})
