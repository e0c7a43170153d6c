from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, mse_loss

from tlbench.config.schema import Encoder, Match, Source, Task
from tlbench.data.batch import Batch
from tlbench.data.ranks import rank_part
from tlbench.methods.base import Method
from tlbench.methods.mean import Mean
from tlbench.methods.sum import Sum
from tlbench.models.encoder import load_encoder
from tlbench.models.matching import Matching
from tlbench.models.multitask import MultiTaskModel
from tlbench.tasks.kinds import head_name, kind_of

TASKS = [
    Task(name, labels, ["accuracy"], ["accuracy"], Source("generated"))
    for name, labels in [("a", ["x", "y"]), ("b", ["p", "q", "r"]), ("c", None), ("d", ["n", "m"])]
]


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    torch.manual_seed(0)
    encoder = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
    return MultiTaskModel(encoder, TASKS, "per_task").eval()


def batch(counts: tuple[int, ...] = (3, 4, 2, 0), method: type[Method] = Sum) -> Batch:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 300, (sum(counts), 7), generator=generator)
    labels = torch.tensor([0, 1, 1, 0, 1, 2, 2, 3.5, 0.5])[: sum(counts)]
    return Batch(
        {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        labels.view(torch.int32).split(counts),
        counts,
        method([]).row_weights(counts),
        torch.arange(sum(counts)),
        sum(counts),
    )


def test_the_loss_is_the_sum_of_the_tasks_means(model: MultiTaskModel) -> None:
    b = batch()
    a_logits, b_logits, c_logits, _ = model(b.inputs, b.counts)
    expected = (
        cross_entropy(a_logits, b.labels[0].long())
        + cross_entropy(b_logits, b.labels[1].long())
        + mse_loss(c_logits[:, 0], b.labels[2])
    )
    assert torch.allclose(model.loss(b), expected)


def test_or_the_mean_over_instances(model: MultiTaskModel) -> None:
    b = batch(method=Mean)
    logits = model(b.inputs, b.counts)
    parts = zip(TASKS, logits, b.labels, strict=True)
    expected = torch.cat([kind_of(task).losses(*part) for task, *part in parts]).mean()
    assert torch.allclose(model.loss(b), expected)


def test_related_labels_add_their_term_to_the_rows_of_their_task(model: MultiTaskModel) -> None:
    b, own = batch(), model.losses(batch())
    relations = {"b": {"a": [[1, 0], [0, 1], [0, 1]]}, "a": {"c": [0, 5]}, "x": {"a": [[1, 0]]}}
    model.terms.append(Matching(Match("co_annotation", 0.5, relations), TASKS))
    of_a, of_b, of_c, of_d = model.losses(b)
    del model.terms[0]
    # The rows of one task, read by the head of the other.
    said_a = model({name: values[3:7] for name, values in b.inputs.items()}, (4, 0, 0, 0))[0]
    said_c = model({name: values[:3] for name, values in b.inputs.items()}, (0, 0, 3, 0))[2]
    wanted = (b.labels[1] > 0).long()
    torch.testing.assert_close(of_b, own[1] + 0.5 * cross_entropy(said_a, wanted, reduction="none"))
    torch.testing.assert_close(of_a, own[0] + 0.5 * (said_c[:, 0] - 5 * b.labels[0]) ** 2)
    assert torch.equal(of_c, own[2])
    assert torch.equal(of_d, own[3])


@pytest.mark.parametrize("rows", [1, 2, 4, 9, 100, None])
@pytest.mark.parametrize("method", [Sum, Mean])
def test_micro_batches_give_the_same_loss_and_gradient(
    model: MultiTaskModel, rows: int | None, method: type[Method]
) -> None:
    b = batch(method=method)
    model.zero_grad()
    whole = model.loss(b)
    whole.backward()
    gradient = model.encoder.embeddings.word_embeddings.weight.grad.clone()
    model.zero_grad()
    parts = list(b.micro_batches(rows))
    assert all(sum(map(len, part.labels)) <= (rows or 9) for part in parts)
    total = sum(model.loss(part) for part in parts)
    total.backward()
    assert torch.allclose(total, whole, atol=1e-6)
    assert torch.allclose(model.encoder.embeddings.word_embeddings.weight.grad, gradient, atol=1e-6)


def of_rank(b: Batch, rank: int, ranks: int) -> Batch:
    ends = np.cumsum([0, *b.counts])
    ids = [np.arange(low, high) for low, high in pairwise(ends)]
    parts, weights = rank_part(ids, b.weights, rank, ranks)
    rows = torch.from_numpy(np.concatenate(parts))
    return Batch(
        {name: values[rows] for name, values in b.inputs.items()},
        torch.cat(b.label_bits)[rows].split([len(of_task) for of_task in parts]),
        tuple(map(len, parts)),
        weights,
        rows,
        b.rows,
    )


@given(
    counts=st.tuples(*[st.integers(0, most) for most in (3, 4, 2, 0)]).filter(any),
    ranks=st.integers(1, 4),
    micro=st.none() | st.integers(1, 5),
    method=st.sampled_from([Sum, Mean]),
)
@example(counts=(3, 4, 2, 0), ranks=2, micro=4, method=Sum)  # of nine rows five and four
@example(counts=(0, 1, 0, 0), ranks=4, micro=1, method=Mean)
@settings(max_examples=40)
def test_the_micro_batches_of_all_ranks_are_as_many_and_give_the_same_gradient(
    model: MultiTaskModel,
    counts: tuple[int, ...],
    ranks: int,
    micro: int | None,
    method: type[Method],
) -> None:
    b = batch(counts, method)
    weight = model.encoder.embeddings.word_embeddings.weight
    model.zero_grad()
    model.loss(b).backward()
    whole = weight.grad.clone()
    model.zero_grad()
    pieces = [list(of_rank(b, rank, ranks).micro_batches(micro)) for rank in range(ranks)]
    assert len({len(of_one) for of_one in pieces}) == 1
    for piece in (piece for of_one in pieces for piece in of_one):
        (model.loss(piece) / ranks).backward()
    assert torch.allclose(weight.grad, whole, atol=1e-6)


def test_a_mixed_batch_is_one_encoder_forward(model: MultiTaskModel) -> None:
    calls = []
    handle = model.encoder.register_forward_hook(lambda *_: calls.append(1))
    model.loss(batch())
    handle.remove()
    assert len(calls) == 1


def test_mixed_logits_are_those_of_each_task_alone(model: MultiTaskModel) -> None:
    b = batch()
    together = model(b.inputs, b.counts)
    start = 0
    for at, count in enumerate(b.counts):
        alone = [count if i == at else 0 for i in range(4)]
        inputs = {name: value[start : start + count] for name, value in b.inputs.items()}
        if count:
            assert torch.allclose(model(inputs, alone)[at], together[at], atol=1e-6)
        start += count


def test_heads_per_label_count_are_shared() -> None:
    names = [head_name(task, "per_label_count") for task in TASKS]
    assert names == ["labels_2", "labels_3", "labels_1", "labels_2"]
    encoder = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
    assert sorted(MultiTaskModel(encoder, TASKS, "per_label_count").heads) == [
        "head_labels_1",
        "head_labels_2",
        "head_labels_3",
    ]
    assert len(MultiTaskModel(encoder, TASKS, "per_task").heads) == 4


def test_a_task_may_be_called_like_an_attribute_of_a_module() -> None:
    encoder = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
    odd = Task("type", None, ["mse"], ["mse"], Source("generated"))
    assert MultiTaskModel(encoder, [odd], "per_task").head_names == ["type"]


@pytest.mark.parametrize("sharing", ["per_task", "per_label_count"])
def test_a_saved_head_serves_both_settings(
    model: MultiTaskModel, tmp_path: Path, sharing: str
) -> None:
    a, b, _, d = TASKS
    model.save_head(a, tmp_path / "heads.safetensors")
    # d has as many labels as a: it has the same head only where heads go by label count.
    other = MultiTaskModel(model.encoder, [d, b], sharing).eval()
    taken = other.load_head(a, tmp_path / "heads.safetensors")
    assert taken == (sharing == "per_label_count")
    features = torch.randn(2, 128)
    head = other.heads[f"head_{head_name(d, sharing)}"]
    assert torch.equal(head(features), model.heads["head_a"](features)) == taken
