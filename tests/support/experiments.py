"""Small experiments: their configs, stages and what is trained of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from tlbench.data import generated
from tlbench.plan.stage import Stage
from tlbench.plan.weights import kept
from tlbench.records.record import ResultRecord
from tlbench.training.context import StageContext
from tlbench.training.final_scores import score_test
from tlbench.training.train import train_stage

Compose = Callable[..., DictConfig]
Run = Callable[..., ResultRecord]


def leaves(cfg: DictConfig, prefix: str = "") -> list[str]:
    """The dotted keys of all values."""
    found = []
    for key in cfg:
        node = OmegaConf.select(cfg, str(key)) if not OmegaConf.is_missing(cfg, key) else None
        name = f"{prefix}{key}"
        found += leaves(node, f"{name}.") if isinstance(node, DictConfig) and node else [name]
    return found


def stage_run(stage: Stage, folder: Path, **more: Any) -> StageContext:
    """What the training of a stage is given, where it is the only one of its plan."""
    weights_of = kept(stage.graph(), stage)[stage.key]
    return StageContext(stage, "target", folder, weights_of=weights_of, **more)


def write_users_task(folder: Path, score: str) -> None:
    """A task of the user's, ``mine``, in the config folder ``my_conf``, with its rows."""
    configs = folder / "my_conf" / "target_task"
    configs.mkdir(parents=True)
    (configs / "mine.yaml").write_text(
        f"name: mine\nlabels: [bad, good]\nscore: [{score}]\nmetrics: [macro_f1, accuracy]\n"
        "source: {format: jsonl, path: data, text: [text], label: verdict}\n"
    )
    (folder / "data").mkdir()
    for split in ("train", "dev"):
        rows = [{"text": f"{split} {i}", "verdict": ("bad", "good")[i % 2]} for i in range(20)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / f"{split}.jsonl").write_text(lines)


def write_rows(folder: Path, **counts: int) -> str:
    """Write rows like those of the generated rte; return the override that has rte read them.

    Args:
        counts: by split, how many rows its file has; ``test`` has those of ``dev``.
    """
    for split, count in counts.items():
        like = "train" if split == "train" else "dev"
        rows = list(generated.rows("rte", like, count, 0))
        lines = [
            {**row, "label": ("entailment", "not_entailment")[int(row["label"])]} for row in rows
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = ",".join(f"{split}:{split}.jsonl" for split in counts)
    columns = "text:[text_a,text_b],label:label"
    return f"++suite.sources.rte={{format:jsonl,path:'{folder}',{files},{columns}}}"


def watch_scoring(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the stages whose test rows are scored from now on, in order."""
    titles: list[str] = []

    def watched(run: StageContext, *arguments: Any) -> Any:
        titles.append(run.stage.title)
        return score_test(run, *arguments)

    monkeypatch.setattr("tlbench.training.final_scores.score_test", watched)
    return titles


class Trained:
    """Stands for ``train_stage``.

    Attributes:
        titles, roles: of the stages that were trained, in order.
        starts: by key, the folder of the weights that each started from, if any.
        errors: what to raise instead of training, by title.
    """

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.roles: list[str] = []
        self.starts: dict[str, Path | None] = {}
        self.errors: dict[str, BaseException] = {}

    def __call__(self, run: StageContext, *arguments: Any) -> Any:
        if error := self.errors.get(run.stage.title):
            raise error
        self.titles.append(run.stage.title)
        self.roles.append(run.role)
        self.starts[run.stage.key] = run.start
        return train_stage(run, *arguments)
