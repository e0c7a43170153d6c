"""What a language model has written so far: a line a try, in the stage's unfinished folder.

A try is a batch of answers to one prompt. Each line has its checksum, so that half a line, as a
kill leaves it, is known and written again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tlbench.store.integrity import seal, unseal
from tlbench.store.work import TRIES


@dataclass(frozen=True)
class Answer:
    """An answer of the model, and what became of it.

    Attributes:
        written: as the model has written it, after what was begun for it.
        texts: of the row; empty if it has not the form of one.
        reason: why it is no row of the support; None if it is one.
    """

    written: str
    texts: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Try:
    """Answers to one prompt.

    Attributes:
        label, number: which prompt: the label's place among the labels, and how many tries of it
            there were before.
        tokens: that were written; those of prompts are read, and not counted.
        seconds: that it took.
    """

    label: int
    number: int
    answers: tuple[Answer, ...]
    tokens: int
    seconds: float


class Tries:
    """The tries of a stage, on disk.

    Args:
        folder: of the stage.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / TRIES
        self.file.touch()

    def read(self) -> list[Try]:
        """Return the whole tries; what is damaged, and what is after it, is dropped."""
        content = self.file.read_bytes()
        tries, size = [], 0
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                plain = unseal(json.loads(line))
            except ValueError:
                break
            answers = tuple(
                Answer(one["written"], tuple(one["texts"]), one["reason"])
                for one in plain.pop("answers")
            )
            tries.append(Try(answers=answers, **plain))
            size += len(line)
        if size < len(content):
            draft = self.file.with_suffix(".draft")
            draft.write_bytes(content[:size])
            draft.replace(self.file)
        return tries

    def add(self, one: Try) -> None:
        """Append a try."""
        line = json.dumps(seal(asdict(one))) + "\n"
        # By its name each time: if another process has taken over the folder, there is no such file
        # any more, and "a" would make one, were it not for the folder.
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(line)

    def remove(self) -> None:
        """Remove the file, once all that it says is elsewhere."""
        self.file.unlink()
