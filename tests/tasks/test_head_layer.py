"""Tasks whose heads read a layer of the encoder: keys, refusals, memory, resume, export, a run."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.support.commands import Command
from tests.support.experiments import Compose, Run
from tests.support.interrupting import LENGTH, SIZES, assert_goes_on
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.plan.build import build
from tlbench.plan.encoder_files import locate
from tlbench.plan.memory import memory_of
from tlbench.plan.train_stage import TrainStage
from tlbench.training.features import row_features

PAIR = ("strategy=mtl", "target_task=rte", "support_task=sst2")


def stages(compose: Compose, *overrides: str) -> list[TrainStage]:
    plan = build(compose(*overrides)).plan()
    assert all(isinstance(stage, TrainStage) for stage in plan)
    return plan  # type: ignore[return-value]


def test_a_stage_of_another_layer_is_another_one_and_the_last_is_as_it_was(
    compose: Compose,
) -> None:
    def keys(*words: str) -> list[str]:
        return [stage.key for stage in stages(compose, *words)]

    chain = ("strategy=stilts", "target_task=rte", "support_task=sst2")
    usual = keys(*chain)
    assert keys(*chain, "+target_task.head_layer=null") == usual
    of_target = keys(*chain, "+target_task.head_layer=1")
    assert of_target[0] == usual[0]
    assert of_target[1] != usual[1]
    assert not {*keys(*chain, "+support_task.head_layer=1")} & {*usual}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (*PAIR, "+support_task.head_layer=3"),
            r"^Change head_layer of task 'sst2' to 2 or less, or to null: the encoder has 2 layers",
        ),
        (
            ("+target_task.head_layer=2", "encoder.num_hidden_layers=1"),
            r"^Change head_layer of task 'rte' to 1 or less, or to null: the encoder has 1 layers",
        ),
        (("+target_task.head_layer=0",), r"^Change target_task.head_layer"),
    ],
)
def test_a_layer_that_is_not_there_is_refused_before_anything_is_trained(
    compose: Compose, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        stages(compose, *words)


def test_layers_above_all_heads_take_no_memory_but_for_their_weights(compose: Compose) -> None:
    def memory(*words: str) -> dict[str, int]:
        *_, stage = stages(compose, *words, "batch_size=64", "eval_batch_size=1")
        return dict(vars(memory_of(stage, on_gpu=False)))

    usual, lower = memory(), memory("+target_task.head_layer=1")
    less = {name for name, value in lower.items() if value < usual[name]}
    assert less == {"gradients", "optimizer", "activations"}
    assert memory("+target_task.head_layer=2") == usual
    cut = memory("encoder.num_hidden_layers=1")
    assert {name: cut[name] for name in less} == {name: lower[name] for name in less}
    mixed = memory(*PAIR, "+support_task.head_layer=1")
    assert mixed == memory(*PAIR)


@pytest.mark.parametrize(
    "more",
    [
        ("+target_task.head_layer=1", "micro_batch_size=5"),
        ("+support_task.head_layer=1", "method=pcgrad"),
    ],
)
def test_a_killed_stage_ends_as_if_it_had_not_been(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    stage = stages(compose, *PAIR, *SIZES, *LENGTH, "keep_weights=all", *more)[-1]
    assert_goes_on(stage, tmp_path, monkeypatch)


def test_a_support_that_is_trained_at_a_lower_layer_leaves_those_above_as_they_were(
    run: Run, compose: Compose, tmp_path: Path
) -> None:
    chain = ("strategy=stilts", "target_task=rte", "support_task=sst2", "keep_weights=all")
    chain = (*chain, "+support_task.head_layer=1", "optim.lr=1e-3")
    assert run(*chain).status == "done"
    first, second = stages(compose, *chain)
    torch.manual_seed(first.config.seed)  # an encoder of random weights is made of it
    begun = load_encoder(first.config.encoder).state_dict()
    support, target = (
        load_file(tmp_path / "store" / stage.key / "weights" / name / "model.safetensors")
        for stage, name in ((first, "sst2"), (second, "rte"))
    )
    changed = {"encoder.layer.0.output.dense.weight", "encoder.layer.1.output.dense.weight"}
    assert {n for n in changed if not torch.equal(support[n], begun[n])} == {
        "encoder.layer.0.output.dense.weight"
    }
    assert {n for n in changed if not torch.equal(target[n], support[n])} == changed


def test_predictors_see_the_layer_that_the_head_reads(compose: Compose, tmp_path: Path) -> None:
    shutil.copytree(locate("package:tlbench/assets/tiny"), tmp_path / "encoder")
    tiny = stages(compose)[0].config.encoder
    load_encoder(tiny).save_pretrained(tmp_path / "encoder")
    own = (f"encoder.name={tmp_path / 'encoder'}", "encoder.pretrained=true")
    (cut,) = stages(compose, *own, "encoder.num_hidden_layers=1")
    (read,) = stages(compose, *own, "+target_task.head_layer=1")
    (last,) = stages(compose, *own)
    one, other, usual = (row_features(s, s.subsets[0], rows=8).first for s in (cut, read, last))
    assert one == pytest.approx(other, abs=1e-6)
    assert one != pytest.approx(usual, abs=1e-2)


def test_the_exported_model_is_the_encoder_up_to_that_layer(
    command: Command, tmp_path: Path
) -> None:
    options = ("suite=generated", "encoder=tiny", "logger=none", "store_dir=store", "debug=fast")
    mix = ("target_task=sst2", "support_task=mentions", "strategy=mtl", "optim.lr=1e-3")
    ran = command(*options, *mix, "target_task.head_layer=1", "keep_weights=all")
    assert ran.returncode == 0, ran.stderr
    (record,) = (tmp_path / "multirun").rglob("result.json")
    assert json.loads(record.read_text())["tasks"]["sst2"]["head_layer"] == 1
    exported = command(str(record.parent), "--out", "model", module="tlbench.cli.export")
    assert exported.returncode == 0, exported.stderr
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    assert model.config.num_hidden_layers == 1
    texts = ["the film was good", "it is not bad at all"]
    (tmp_path / "new.csv").write_text("\n".join(["text_a", *texts]) + "\n")
    told = command("model", "new.csv", "--out", "said.jsonl", module="tlbench.cli.predict")
    assert told.returncode == 0, told.stderr
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    with torch.inference_mode():
        logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    names = [model.config.id2label[int(best)] for best in logits.argmax(dim=1)]
    assert [one["prediction"] for one in said] == names
