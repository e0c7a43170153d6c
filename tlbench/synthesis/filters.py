"""Which answers of a language model are rows of the support, and why the others are none."""

from collections.abc import Collection, Sequence

from tlbench.config.schema import Synthesis
from tlbench.data.division import normalised
from tlbench.data.row_digests import normalised_digest

Texts = Sequence[str]

UNPARSED = "not the form of a row"
SHORT, LONG = "too short", "too long"
SAME = "the same text twice"
TRAIN = "a train row of the target"
LEAKED = "a dev or test row of the target"
TWICE = "written before"
SIMILAR = "too similar to another row"
DISAGREES = "another label to the teacher"
ENOUGH = "enough of its label"
REASONS = (UNPARSED, SHORT, LONG, SAME, LEAKED, TRAIN, TWICE, SIMILAR, DISAGREES, ENOUGH)


class Filters:
    """Looks at rows one after the other; a row that is kept is one that later ones may resemble.

    Rows are the same if they differ in nothing but case, punctuation and the order of their texts.
    Alike are those that share words: the part of all words of both that is in both (Jaccard). It
    stands for the ROUGE-L of Self-Instruct (Wang et al. 2023), which has 0.7 too, and takes no
    quadratic time.

    Args:
        train: digests of the target's train rows, as ``normalised_digest`` makes them.
        scored: of its dev and test rows.
    """

    def __init__(
        self, options: Synthesis, train: Collection[int] = (), scored: Collection[int] = ()
    ) -> None:
        self.options = options
        self.train, self.scored = frozenset(train), frozenset(scored)
        self.digests: set[int] = set()
        self.words: list[frozenset[str]] = []

    def reason(self, texts: Texts, examples: Sequence[Texts] = ()) -> str | None:
        """Return why a row is left out; None if it is not.

        Args:
            texts: of the row.
            examples: rows that the model was shown.
        """
        lengths = [len(text.split()) for text in texts]
        if min(lengths) < self.options.least_words:
            return SHORT
        if max(lengths) > self.options.most_words:
            return LONG
        if len({normalised(text) for text in texts}) < len(texts):
            return SAME
        digest = normalised_digest(texts)
        for known, why in ((self.scored, LEAKED), (self.train, TRAIN), (self.digests, TWICE)):
            if digest in known:
                return why
        own = words_of(texts)
        others = (*map(words_of, examples), *self.words)
        if any(similarity(own, other) > self.options.most_similar for other in others):
            return SIMILAR
        return None

    def keep(self, texts: Texts) -> None:
        """Note a row that is kept."""
        self.digests.add(normalised_digest(texts))
        self.words.append(words_of(texts))


def words_of(texts: Texts) -> frozenset[str]:
    """Return the words of a row, case and punctuation aside."""
    return frozenset(word for text in texts for word in normalised(text).split())


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the part of the words of two rows that both have, from 0 to 1."""
    return len(one & other) / max(1, len(one | other))
