"""What a stage's method and perturbation do in its steps, and what they remember."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tlbench.data.batch import Batch
from tlbench.methods.gradients import GradientMethod
from tlbench.methods.stage import is_by_task, method_of
from tlbench.methods.weighting import LossWeighting
from tlbench.plan.schedule import passes_a_row
from tlbench.training.cosines import TaskCosines
from tlbench.training.domains import DomainAccuracy
from tlbench.training.gradients import Gradient, GradientByTask, JointGradient, Losses
from tlbench.training.sam import SAM

if TYPE_CHECKING:
    from tlbench.training.module import MultiTaskModule


class Balance:
    """Makes the gradients of a stage's batches as its ``method`` and ``perturb`` have them.

    Attributes:
        passes_a_row: how often a row goes forward and backward through the encoder in a step.
        cosines: between the tasks' gradients, where each is made by itself; else None.
        domains: how well a discriminator tells the tasks apart, where there is one; else None.
    """

    def __init__(self, module: "MultiTaskModule") -> None:
        config = module.config
        self.module = module
        self.tasks = [task.name for task in module.model.tasks]
        self.method = method_of(config.method, self.tasks)
        self.weighting = self.method if isinstance(self.method, LossWeighting) else None
        self.cosines: TaskCosines | None = None
        discriminator = module.model.discriminator
        self.domains = None if discriminator is None else DomainAccuracy(len(self.tasks))
        is_sam = config.perturb.name == "sam"
        self.passes_a_row = passes_a_row(config)
        gradient: Gradient = JointGradient(module)
        if is_sam and config.perturb.per_task:  # of a task alone it is the same
            gradient = SAM(module, gradient, config.perturb.rho)
        if is_by_task(config, self.tasks):
            self.cosines = TaskCosines(self.tasks)
            method = self.method if isinstance(self.method, GradientMethod) else None
            gradient = GradientByTask(module, gradient, method, self.cosines)
        if is_sam and not config.perturb.per_task:
            gradient = SAM(module, gradient, config.perturb.rho)
        self._gradient = gradient

    def backward(self, batch: Batch) -> Losses:
        """Make the gradient of a batch, and return its loss and its rows' losses by task."""
        if self.module.model.discriminator is not None:
            self.module.model.discriminator.take()  # of a forward that did not fit into memory
        if self.weighting:
            weights = self.weighting.weights(self.module.config.seed, self.module.global_step)
            counts = torch.tensor(batch.counts, device=batch.weights.device)
            of_rows = weights.to(batch.weights).repeat_interleave(counts)
            batch = batch._replace(weights=batch.weights * of_rows)
        return self._gradient(batch)

    def after_step(self, batch: Batch, losses: Sequence[Tensor]) -> None:
        """Take in what the rows of a batch lost, by task, each (rows,); all ranks call this."""
        if self.weighting:
            self.weighting.after_step(*self._whole_batch(batch, losses))
        if self.cosines:
            self.cosines.step()
        if self.domains:
            counts = self.module.model.discriminator.take()  # type: ignore[union-attr]
            reduced = self.module.trainer.strategy.reduce(counts, reduce_op="sum")
            assert isinstance(reduced, Tensor)
            self.domains.step(reduced)

    def _whole_batch(self, batch: Batch, losses: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mean loss of each task on all ranks, and which tasks have rows, (tasks,)."""
        weights = torch.split(batch.weights, list(batch.counts))
        sums = [(of_task.float() * w).sum() for of_task, w in zip(losses, weights, strict=True)]
        both = torch.stack([torch.stack(sums), torch.stack([w.sum() for w in weights])])
        reduced = self.module.trainer.strategy.reduce(both, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return reduced[0], reduced[1] > 0

    def after_epoch(self) -> dict[str, float]:
        """Return what an epoch comes to: ``mnli+rte/cosine`` of pairs, ``domain_accuracy``."""
        if self.weighting:
            self.weighting.after_epoch()
        means = self.cosines.end_epoch() if self.cosines else {}
        found = {f"{pair}/cosine": cosine for pair, cosine in means.items()}
        return found | ({"domain_accuracy": self.domains.end_epoch()} if self.domains else {})

    def manifest(self) -> dict[str, Any]:
        """Return what ``stage.json`` has of every epoch: ``cosines``, ``domain_accuracy``."""
        cosines = {"cosines": self.cosines.epochs} if self.cosines else {}
        return cosines | ({"domain_accuracy": self.domains.epochs} if self.domains else {})

    def weights(self) -> dict[str, float]:
        """Return what each task counts now, by ``rte/weight``, where the method says so."""
        if self.weighting:
            module = self.module
            weights = self.weighting.weights(module.config.seed, module.global_step).tolist()
            return {f"{name}/weight": w for name, w in zip(self.tasks, weights, strict=True)}
        return self.cosines.weights() if self.cosines else {}

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers, for a checkpoint."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

    @property
    def _parts(self) -> dict[str, LossWeighting | TaskCosines | DomainAccuracy]:
        """What of it remembers anything, by its name in a checkpoint."""
        parts = {"method": self.weighting, "cosines": self.cosines, "domains": self.domains}
        return {name: part for name, part in parts.items() if part is not None}
