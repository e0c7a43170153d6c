"""The L1 norm of the shared representation, as a part of every row's loss."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from tests.support.experiments import Run
from tests.support.stepping import Stepper, batch
from tests.training.test_gradients import ONES
from tlbench.models.features import PLAIN, Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.models.penalty import L1, norms
from tlbench.records.definitions import label_of, strategy_of
from tlbench.tasks.base import TaskKind

STRENGTH = 0.3


@pytest.fixture
def stepper() -> Stepper:
    one = Stepper()
    one.model.terms.append(L1(STRENGTH))
    return one


def test_every_row_s_loss_has_the_norm_of_its_first_token_added(stepper: Stepper) -> None:
    rows, model = batch(), stepper.model
    with torch.no_grad():
        first = model.encoder(**rows.inputs).last_hidden_state[:, 0]
        with_norms = torch.cat(model.losses(rows))
        del model.terms[0]
        without = torch.cat(model.losses(rows))
    expected = STRENGTH * first.abs().sum(dim=1)
    assert float(expected.min()) > 0.1
    assert torch.allclose(with_norms - without, expected, atol=1e-5)


@pytest.mark.parametrize(("options", "micro"), [((), 1), ((), 3), (ONES, None), (ONES, 2)])
def test_micro_batches_and_gradients_by_task_change_nothing(
    stepper: Stepper, options: tuple[str, ...], micro: int | None
) -> None:
    other = Stepper(*options, micro=micro)
    other.model.terms.append(L1(STRENGTH))
    whole, made = (
        torch.cat([one.flatten() for one in of.gradient(batch()).values()])
        for of in (stepper, other)
    )
    assert float((made - whole).norm() / whole.norm()) < 1e-6
    without = Stepper().gradient(batch())
    assert not torch.allclose(torch.cat([one.flatten() for one in without.values()]), whole)


@pytest.mark.parametrize("features", ["unpadded", "first_token"])
def test_it_is_of_what_heads_read_whatever_computes_it(stepper: Stepper, features: str) -> None:
    model: MultiTaskModel = stepper.model
    rows = batch()._replace(lengths=tuple(batch().inputs["attention_mask"].sum(dim=1).tolist()))
    with torch.no_grad():
        plain = torch.cat(model.losses(rows))
        model.use(Kernels(features, on_cpu=True))  # type: ignore[arg-type]
        model.eval()  # its new dropouts too
        fast = torch.cat(model.losses(rows))
    assert model.kernels != PLAIN
    assert torch.allclose(plain, fast, atol=1e-4)


def test_of_a_row_of_words_or_choices_it_is_the_mean_over_those_that_are_read() -> None:
    part = torch.tensor([[1.0, -2], [3, -4], [-5, 6], [7, 8]])
    words = torch.tensor([[1, 2], [1, -1]])
    tags, choices = (cast(TaskKind, SimpleNamespace(reads_words=w, sequences=2)) for w in (1, 0))
    assert norms(part, tags, words).tolist() == [(3 + 7) / 2, 11]
    assert norms(part, tags, torch.tensor([[1, 2], [-1, -1]])).tolist() == [5, 0]
    assert norms(part, choices, None).tolist() == [(3 + 7) / 2, (11 + 15) / 2]
    one = cast(TaskKind, SimpleNamespace(reads_words=False, sequences=1))
    assert norms(part, one, None).tolist() == [3, 7, 11, 15]


def test_a_run_with_it_is_another_choice(run: Run, tmp_path: Path) -> None:
    mtl = ("target_task=mentions", "support_task=sst2", "strategy=mtl", "optim.lr=1e-3")
    plain = run(*mtl)
    record = run(*mtl, "penalty=l1", "penalty.strength=0.1")
    assert (strategy_of(plain), strategy_of(record)) == ("mtl", "mtl+l1")
    assert label_of(record) == "MTL, L1"
    assert plain.stage_keys != record.stage_keys
    assert record.config["penalty"] == {"name": "l1", "strength": 0.1}
    assert "penalty" not in plain.config
