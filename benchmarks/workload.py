"""What all contenders train on: the same rows, encoder and hyper-parameters.

Nothing of tlbench is imported here, so that a peer's process holds only what the peer needs.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bare_loop import Row, Settings


@dataclass(frozen=True)
class Case:
    """One comparison on one draw of rows, as plain data that another process can be given.

    Attributes:
        overrides: Hydra overrides of suite, encoder and hyper-parameters, for all contenders.
        product: more overrides, for tlbench's own contenders alone.
        rows: to draw, if there are as many.
        warmup: steps of the first epoch, which is not counted.
        steps: of the epochs after it, which are counted. Whole epochs, so that all contenders'
            counted steps hold the same rows, whatever their batches; ``prepare`` sets both.
        seed: of the rows that are drawn, of their order and of the weights.
        folder: where stages and logs go.
        precision: of the contender: ``bf16`` (autocast), or ``float32``.
    """

    tasks: tuple[str, ...]
    overrides: tuple[str, ...]
    product: tuple[str, ...]
    rows: int
    batch_size: int
    max_length: int
    device: str
    workers: int
    seed: int
    folder: str
    warmup: int = 0
    steps: int = 0
    precision: str = "bf16"

    @property
    def all_steps(self) -> int:
        return self.warmup + self.steps

    @classmethod
    def from_json(cls, text: str) -> "Case":
        plain: dict[str, Any] = json.loads(text)
        for key in ("tasks", "overrides", "product"):
            plain[key] = tuple(plain[key])
        return cls(**plain)


@dataclass(frozen=True)
class Work:
    """What a contender without tlbench is given.

    Attributes:
        available: rows of the tasks, from which ``rows`` were drawn.
        outputs: of every task's head; 1 is a regression.
        encoder: a name or folder of Transformers; random weights unless ``pretrained``.
        pad: the id of the padding token.
    """

    rows: list[Row]
    available: int
    outputs: list[int]
    encoder: str
    pretrained: bool
    pad: int
    max_length: int
    settings: Settings

    def write(self, folder: str) -> None:
        (Path(folder) / "work.json").write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, folder: str) -> "Work":
        plain: dict[str, Any] = json.loads((Path(folder) / "work.json").read_text("utf-8"))
        rows = [Row(**row) for row in plain.pop("rows")]
        return cls(rows=rows, settings=Settings(**plain.pop("settings")), **plain)
