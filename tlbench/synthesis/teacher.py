"""The target trained alone, as a judge of rows that a language model has written."""

from collections.abc import Sequence
from pathlib import Path

import torch

from tlbench.data.tokenization import pad
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan import encoder_files
from tlbench.plan.stage import Stage
from tlbench.tasks.kinds import kind_of


class Teacher:
    """A finished stage of one task of classes.

    Args:
        stage: that was trained.
        weights: the folder of its best weights.
        device: where it judges.

    Raises:
        UserError: if the encoder's files are no longer those that were planned with.
    """

    def __init__(self, stage: Stage, weights: Path, device: torch.device) -> None:
        encoder, (subset,) = stage.config.encoder, stage.subsets
        encoder_files.check_unchanged(encoder)
        self.kind, self.max_length = kind_of(subset.task), encoder.max_length
        self.tokenizer = load_tokenizer(
            encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
        )
        model = MultiTaskModel(load_encoder(encoder, weights), [subset.task], stage.config.heads)
        model.load_head(subset.task, weights / "heads.safetensors")
        self.model = model.eval().to(device)
        self.device = device

    def labels(self, rows: Sequence[Sequence[str]]) -> list[int]:
        """Return the label that it gives each row of texts, as its place among the labels."""
        if not rows:
            return []
        columns = self.tokenizer(
            *map(list, zip(*rows, strict=True)), truncation=True, max_length=self.max_length
        )
        lengths = [len(ids) for ids in columns["input_ids"]]
        names = [name for name in self.tokenizer.model_input_names if name in columns]
        inputs = pad({n: columns[n] for n in names}, self.tokenizer.pad_token_id, max(lengths))
        with torch.inference_mode():
            on_device = {name: values.to(self.device) for name, values in inputs.items()}
            (logits,) = self.model(on_device, [len(rows)], lengths)
        return [int(label) for label in self.kind.predict(logits.float()).tolist()]
