"""Methods that weigh the tasks' gradients by how they lie to each other."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from tlbench.config.dotted import imported, made_by, package_of
from tlbench.config.schema import ONE_TASK_A_BATCH, Config
from tlbench.errors import UserError
from tlbench.methods.sum import Sum

if TYPE_CHECKING:
    from torch import Tensor


class GradientMethod(Sum):
    """The encoder's gradient is a weighted sum of the tasks' gradients; heads keep their own.

    A task's loss is the mean of its rows in the batch, as with ``sum``. The weights are a function
    of the Gramian of the gradients, so that no rule needs the gradients themselves.

    Args:
        rule: ``_target_``, a class whose instances give weights, (tasks,), for a Gramian, (tasks,
            tasks), both float64 on the CPU; and its options. A task without rows in the batch is
            in neither. All weightings of TorchJD that are called with a Gramian, and remember
            nothing between two steps, are such rules.
    """

    def __init__(self, tasks: Sequence[str], rule: dict[str, Any]) -> None:
        super().__init__(tasks)
        target = str(rule.get("_target_"))
        if package_of(target) == "torchjd" and find_spec("torchjd") is None:
            raise UserError(
                f"Change method, or install what {target.rpartition('.')[-1]} is of: "
                "pip install 'tlbench[torchjd]'."
            )
        options = {name: value for name, value in rule.items() if name != "_target_"}
        make = imported(target, "method.rule._target_")
        self.rule: Callable[[Tensor], Tensor] = made_by(make, target, "method.rule", **options)
        if not callable(self.rule):
            raise UserError(f"Change method.rule._target_: '{target}' makes nothing to call.")

    def weights(self, gramian: "Tensor", seed: int, step: int) -> "Tensor":
        """Return what each task's gradient counts, (tasks,), float64.

        Args:
            gramian: inner products of the gradients of the tasks in the batch, (tasks, tasks),
                float64. A task whose gradient is zero has the weight 1: it changes nothing.
            seed, step: what a rule that draws random numbers draws follows from them alone.
        """
        import torch

        weights = torch.ones(len(gramian), dtype=torch.float64)
        counted = gramian.diagonal() > 0
        if counted.any() and gramian.isfinite().all():  # else the training has diverged
            state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint32)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(state[0]))
                weights[counted] = self.rule(gramian[counted][:, counted]).to(weights)
        return weights

    def check(self, config: Config) -> None:
        """Refuse batches of one task, an encoder without gradients, and gradients that are scaled.

        Raises:
            UserError: naming the key to change.
        """
        if config.sampling.batches in ONE_TASK_A_BATCH:
            raise UserError(
                f"Change sampling.batches, or method: batches of one task "
                f"({config.sampling.batches}) leave nothing to weigh; use heterogeneous ones."
            )
        if config.trainable == "heads":
            raise UserError(
                "Change trainable to all, or method: with trainable=heads the encoder has no "
                "gradients, and these are what the method weighs."
            )
        if config.trainer.precision == "16-mixed":
            raise UserError(
                "Change trainer.precision: 16-mixed scales the gradients, whose lengths the method "
                "weighs; use bf16-mixed or 32-true."
            )
