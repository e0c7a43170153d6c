import re

import pytest
from omegaconf import OmegaConf

from tests.support.experiments import Compose
from tlbench.config.schema import Source, Task
from tlbench.config.validation import parse_config
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.tasks.definition import check_task


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("method._target_=no.such", "Change method._target_: 'no.such' can't be imported (Mod"),
        ("+method.other=1", "Change method: 'tlbench.methods.sum.Sum' can't be made (Type"),
        ("method._target_=torch.Tensor", "Change method._target_: 'torch.Tensor' is not a"),
        ("selection=test", "Change selection: 'test' is not one of dev, cross_fit, held_out."),
        ("heads=one", "Change heads: "),
        ("keep_weights=some", "Change keep_weights: "),
        ("sampling.batches=random", "Change sampling.batches: "),
        ("sampling.name=magic", "Change sampling.name: "),
        ("sampling.epoch=half", "Change sampling.epoch: "),
        ("sampling.epoch=0", "Change sampling.epoch: "),
        ("optim.schedule=step", "Change optim.schedule: "),
        ("optim.warmup=2", "Change optim.warmup: "),
        ("optim.lr=0", "Change optim.lr: 0.0 is not a number more than 0."),
        ("batch_size=-1", "Change batch_size: "),
        (
            "batch_size=1000000000000",
            "Change batch_size: 1000000000000 is more than 1,000,000,000.",
        ),
        ("trainer.max_epochs=1000000000000", "Change trainer.max_epochs: 1000000000000 is more th"),
        ("trainer.max_epochs=1e12", "Change trainer.max_epochs: Value '1000000000000.0' of type "),
        ("eval_every=1e-9", "Change eval_every: 1e-09 is not a number more than 1e-06."),
        ("trainer.max_steps=1e400", "Change trainer.max_steps: "),
        (f"trainer.early_stopping={10**18}", "Change trainer.early_stopping: "),
        (f"trainer.checkpoint_steps={10**18}", "Change trainer.checkpoint_steps: "),
        (f"encoder.max_length={10**21}", "Change encoder.max_length: "),
        ("num_workers=1000000", "Change num_workers: "),
        (f"seed={2**70}", f"Change seed: {2**70} is not less than 4,294,967,296."),
        ("optim.lr=1e400", "Change optim.lr: inf is not a number more than 0."),
        ("optim.lr=nan", "Change optim.lr: nan is not a number more than 0."),
        ("sampling=temperature sampling.temperature=1e-300", "Change sampling.temperature: "),
        ("eval_every=0", "Change eval_every: "),
        ("micro_batch_size=0", "Change micro_batch_size: "),
        ("micro_batch_tokens=0", "Change micro_batch_tokens: "),
        ("trainer.max_steps=0", "Change trainer.max_steps: "),
        ("trainer.accelerator=abacus", "Change trainer.accelerator: 'abacus' is not one of auto,"),
        ("trainer.precision=foo", "Change trainer.precision: 'foo' is not one of 32-true, "),
        ("trainer.compile=perhaps", "Change trainer.compile: "),
        ("trainer.devices=0", "Change trainer.devices: "),
        ("trainer.threads=0", "Change trainer.threads: "),
        ("trainer.threads=1000000", "Change trainer.threads: "),
        ("trainer.devices=two", "Change trainer.devices: "),
        ("trainer.devices=33", "Change trainer.devices: "),
        ("trainer.checkpoint_minutes=0", "Change trainer.checkpoint_minutes: "),
        ("sampling.name=dynamic", "Change sampling.mode: "),
        ("sampling=dynamic sampling.mode=most", "Change sampling.mode: "),
        ("sampling=dynamic sampling.mode=gap sampling.floor=null", "Change sampling.floor: "),
        ("seed=-1", "Change seed: -1 is not a number from 0 on."),
        ("seed=4294967296", "Change seed: 4294967296 is not less than 4,294,967,296."),
        ("optim.lr=inf", "Change optim.lr: inf is not a number more than 0."),
        ("eval_every=nan", "Change eval_every: "),
        ("optim.weight_decay=nan", "Change optim.weight_decay: "),
        ("study=../../x", "Change study: use up to 64 letters"),
        ("subsample_size.seed=-1", "Change subsample_size.seed: "),
        ("num_workers=-1", "Change num_workers: "),
        ("optim.weight_decay=-1", "Change optim.weight_decay: "),
        ("sampling.epoch=true", "Change sampling.epoch: "),
        ("sampling.name=temperature sampling.temperature=null", "Change sampling.temperature: "),
        ("strategy.tasks='mnli,qnli'", "Change strategy.tasks: give a list, [mnli,qnli]."),
        ("strategy.tasks=5", "Change strategy.tasks: give a list, [5]."),
        ("target_task.score=f1", "Change target_task.score: give a list, [f1]."),
        ("target_task.labels=yes_or_no", "Change target_task.labels: give a list, [yes_or_no]."),
    ],
)
def test_a_wrong_value_is_named(compose: Compose, override: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        build(compose("strategy=mtl", "support_task=mnli", *override.split())).plan()


def test_one_column_stands_for_the_list_of_it(compose: Compose) -> None:
    more = ("++target_task.source={text: sentence}", "+target_task.source.template='{a}. {b}'")
    source = parse_config(compose("target_task=sst2", *more)).target_task.source
    assert (source.text, source.template) == (["sentence"], ["{a}. {b}"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../x"}, "Change name of task '../x'"),
        ({"name": "a.b"}, "Change name"),
        ({"labels": ["a"]}, "Change labels"),
        ({"labels": ["a", "a"]}, "Change labels"),
        ({"metrics": ["pearson"]}, "'pearson' is not one of accuracy"),
        ({"labels": None}, "'accuracy' is not one of pearson"),
        ({"score": ["f1"]}, "Change score"),
        ({"score": []}, "Change score"),
        ({"labels": ["a", "b", "c"], "metrics": ["accuracy", "f1"]}, "use macro_f1"),
        ({"source": Source("tsv", values=["0"])}, "Change source.values"),
        ({"source": Source("tsv", values=["0", "0"])}, "Change source.values"),
        ({"source": Source("tsv", more_dev={"../x": "y"})}, "Change source.more_dev"),
    ],
)
def test_a_wrong_task_is_named(changes: dict[str, object], said: str) -> None:
    right = {
        "name": "mine",
        "labels": ["a", "b"],
        "score": ["accuracy"],
        "metrics": ["accuracy"],
        "source": Source("tsv"),
    }
    check_task(Task(**right))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=re.escape(said)):
        check_task(Task(**{**right, **changes}))  # type: ignore[arg-type]


def test_a_draw_too_small_to_hold_rows_out(compose: Compose) -> None:
    held = ("selection=held_out", "subsample_size.target=9")
    with pytest.raises(UserError, match="held_out takes one row in 10 and task 'rte' has 9"):
        build(compose(*held)).plan()
    chain = ("strategy=stilts", "support_task=mnli", "subsample_size.support=5")
    with pytest.raises(UserError, match="task 'mnli' has 5"):  # the first stage, not only the last
        build(compose(*chain, held[0])).plan()


@pytest.mark.parametrize("batches", ["heterogeneous", "fixed_counts"])
def test_a_batch_too_small_to_mix(compose: Compose, batches: str) -> None:
    mtl_all = ("strategy=mtl_all", "strategy.tasks=[rte,mrpc,cola]", "batch_size=2")
    with pytest.raises(UserError, match="Change batch_size: 2 is less than the 3 tasks"):
        build(compose(*mtl_all, f"sampling.batches={batches}")).plan()
    assert build(compose(*mtl_all, "sampling.batches=homogeneous")).plan()
    assert build(compose(*mtl_all, "strategy=single")).plan()


@pytest.mark.parametrize("words", [(), ("strategy=merge", "support_task=mnli", "merging=ties")])
def test_parts_that_were_read_before_are_not_given_to_omegaconf_again(
    compose: Compose, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group may be null, as ``merging`` is: a sweep reads thousands of configs."""
    cfg = compose(*words)
    first = parse_config(cfg)

    def merged(*_: object) -> None:
        raise AssertionError("OmegaConf merges, which takes most of the time")

    monkeypatch.setattr(OmegaConf, "merge", merged)
    assert parse_config(cfg) == first
