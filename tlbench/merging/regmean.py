"""Linear layers that give most nearly each model's outputs (Jin et al. 2023, ICLR, equation 4).

Of the linear maps of an input, the merge is the one whose outputs have the least squared distance
to those of every model on inputs of its own task. It needs of each model the products of its
inputs, ``G = X'X``, from one forward of a few rows: no labels and no gradients.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tlbench.merging.average import mean
from tlbench.plan.merge_rule import MergedModel, MergeRule, Weights, number

if TYPE_CHECKING:
    from torch import Tensor

_SINGULAR = 1e-10  # of a product with itself what must be left that others do not tell


class RegMean(MergeRule):
    """The least-squares merge of every linear layer's weight; all other weights are averaged.

    Args:
        rows: train rows of each model's task that its inputs are of, fewer if it has fewer.
        off_diagonal: what the products of two different inputs are multiplied by. The paper has
            0.9, which keeps the sum invertible; 1 is least squares, for which few rows may say
            nothing of a direction: there the mean stays.
    """

    def __init__(self, rows: Any, off_diagonal: Any) -> None:
        self.rows = int(number("rows", rows, 1, 10**6))
        self.off_diagonal = number("off_diagonal", off_diagonal, 0, 1)

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        products = [input_products(model, self.rows) for model in models]
        merged = {}
        for name, initial in start.items():
            of_models = [model.weights[name] for model in models]
            value = mean(of_models)
            if name in products[0]:
                shrunk = [self._shrunk(one[name]) for one in products]
                value = value + regression_step(shrunk, of_models, value)
            merged[name] = value.to(initial.dtype)
        return merged

    def _shrunk(self, products: "Tensor") -> "Tensor":
        a = self.off_diagonal
        return a * products + (1 - a) * products.diag().diag()


def input_products(model: MergedModel, rows: int) -> dict[str, "Tensor"]:
    """Return ``X'X`` of the inputs X of every linear layer, (inputs, inputs), in float64.

    One forward of each row alone, so that no input is of padding.

    Returns:
        By the name of the layer's weight.
    """
    import torch

    products: dict[str, Tensor] = {}

    def look(name: str, inputs: "Tensor") -> None:
        flat = inputs.reshape(-1, inputs.shape[-1]).double()
        if name not in products:
            products[name] = flat.new_zeros(flat.shape[-1], flat.shape[-1])
        products[name].addmm_(flat.T, flat)  # in place: new memory for each row takes most time

    layers = {
        f"{name}.weight": layer
        for name, layer in model.encoder.named_modules()
        if isinstance(layer, torch.nn.Linear)
    }
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, name=name: look(name, args[0]))
        for name, layer in layers.items()
    ]
    try:
        with torch.no_grad():
            for inputs in model.rows(rows):
                model.encoder(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return products


def regression_step(
    products: "Sequence[Tensor]", weights: "Sequence[Tensor]", middle: "Tensor"
) -> "Tensor":
    """Return what leads from ``middle`` to the weight of least squared distance in outputs.

    That is ``D`` in ``sum_t(G_t) D' = sum_t(G_t (W_t - middle)')``. An input that is always 0 says
    nothing of its weights: they stay in the middle.

    Args:
        products: of each model, ``X'X``, (inputs, inputs).
        weights: of each model, (outputs, inputs) as torch has them.
        middle: (outputs, inputs), in float64.
    """
    import torch

    total = torch.stack(list(products)).sum(dim=0)
    pulls = [g @ (w.double() - middle).T for g, w in zip(products, weights, strict=True)]
    wanted = torch.stack(pulls).sum(dim=0)
    seen = total.diag() > 0
    total, wanted = total[seen][:, seen], wanted[seen]
    factor, _ = torch.linalg.cholesky_ex(total)
    # Of fewer tokens than inputs, unless shrinking keeps a part of each one's own.
    if not (factor.diag().square() > _SINGULAR * total.diag()).all():
        found = torch.linalg.lstsq(total, wanted, driver="gelsd").solution
    else:
        found = torch.cholesky_solve(wanted, factor)
    step = torch.zeros_like(middle)
    step[:, seen] = found.T
    return step
