"""What a language model is asked for a row, and how its answer is read.

Rows that it is shown are answers that it seems to have given before: with a chat template each is a
turn, else one stands after the other. The last answer is begun for it, ``Text:``, so that a small
model keeps to the form.
"""

from collections.abc import Sequence
from string import Formatter

from tlbench.config.schema import Synthesis
from tlbench.errors import UserError

# By how many texts a row has: what begins the line of each, and the request for a row.
FIELDS = {1: ("Text:",), 2: ("Text 1:", "Text 2:")}
REQUESTS = {
    1: 'Write one new text with the label "{label}".',
    2: 'Write a new pair of texts with the label "{label}".',
}
_NAMES = ("label", "labels")
Texts = tuple[str, ...]


def check_prompt(options: Synthesis, labels: Sequence[str]) -> None:
    """Refuse a prompt that can't be filled in, and words for labels that there are not.

    Raises:
        UserError: naming the key to change.
    """
    if unknown := [name for name in options.label_words if name not in labels]:
        raise UserError(
            f"Change synthesis.label_words: '{unknown[0]}' is none of the labels "
            f"{', '.join(labels)}."
        )
    if options.prompt is None:
        return
    try:
        parts = [*Formatter().parse(options.prompt)]
    except ValueError as error:
        raise UserError(f"Change synthesis.prompt: '{options.prompt}' ({error}).") from error
    fields = [field for _, *field in parts if field[0] is not None]
    if any(name not in _NAMES or spec or conversion for name, spec, conversion in fields):
        raise UserError(
            "Change synthesis.prompt: in braces it has {label} or {labels}, and nothing else; two "
            "braces stand for one."
        )
    if not any(name == "label" for name, *_ in fields):
        raise UserError("Change synthesis.prompt: it does not say {label}, of which a row is.")


def request(options: Synthesis, labels: Sequence[str], label: str, texts: int) -> str:
    """Return what the model is asked for a row of a label.

    Args:
        labels: all of the task.
        texts: how many a row has.
    """
    words = {name: options.label_words.get(name, name.replace("_", " ")) for name in labels}
    prompt = options.prompt or REQUESTS[texts]
    return prompt.format(label=words[label], labels=", ".join(words.values()))


def answer(texts: Sequence[str]) -> str:
    """Return a row as the model answers it: a line for each text, with what begins it."""
    fields = FIELDS[len(texts)]
    return "\n".join(f"{f} {' '.join(text.split())}" for f, text in zip(fields, texts, strict=True))


def turns(asked: str, examples: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Return a chat in which every example was an answer, up to the next question."""
    question = {"role": "user", "content": asked}
    before = [[question, {"role": "assistant", "content": answer(row)}] for row in examples]
    return [turn for pair in before for turn in pair] + [question]


def plain(asked: str, examples: Sequence[Sequence[str]]) -> str:
    """Return the same for a model without a chat template, which goes on with a text."""
    return "".join(f"{asked}\n{answer(row)}\n\n" for row in examples) + f"{asked}\n"


def is_whole(written: str, texts: int) -> bool:
    """Return whether an answer goes on no more: the line of its last text has ended.

    Args:
        written: what the model has written so far, after what begins the first text.
    """
    return written.lstrip().count("\n") >= texts


def parse(written: str, texts: int, has_ended: bool) -> Texts | None:
    """Return the texts of an answer; None if it has not the form that was asked for.

    Args:
        written: what the model has written after what begins the first text.
        texts: how many it has to have.
        has_ended: whether the model has ended it, so that its last line is whole.
    """
    lines = f"{FIELDS[texts][0]} {written.strip()}".split("\n")
    if len(lines) < texts or (len(lines) == texts and not has_ended):
        return None
    found = []
    for begin, line in zip(FIELDS[texts], lines[:texts], strict=True):
        text = _bare(line.removeprefix(begin))
        if not line.startswith(begin) or not text or _has_field(text):
            return None
        found.append(text)
    return tuple(found)


def _bare(text: str) -> str:
    """Return a text without the spaces and the quotes around it."""
    text = " ".join(text.split())
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1].strip() if is_quoted else text


def _has_field(text: str) -> bool:
    """Whether a text holds the beginning of another, or asks for a label."""
    return any(field in text for fields in FIELDS.values() for field in (*fields, "Label:"))
