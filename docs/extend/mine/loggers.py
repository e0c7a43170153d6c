"""A logger: any of Lightning's, here one that writes JSON lines."""

import json
from pathlib import Path

from pytorch_lightning.loggers import Logger


class JsonLines(Logger):
    """Writes a line for every step that is logged; ``save_dir`` is the job's folder by default."""

    name, version = "jsonl", None

    def __init__(self, save_dir):
        super().__init__()
        self.file = Path(save_dir) / "metrics.jsonl"
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def log_hyperparams(self, params, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        with self.file.open("a") as lines:
            print(json.dumps({"step": step, **metrics}), file=lines)
