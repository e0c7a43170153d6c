"""A classifier of transformers computes what an encoder and a head do, whatever the family."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from scripts.encoder_families import save
from tests.support.composing import compose_config
from tlbench.config.schema import Encoder, Source, Task
from tlbench.errors import UserError
from tlbench.export.classifier import classifier, encoder_and_head, is_plain
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.multitask import MultiTaskModel
from tlbench.tasks.regression import Regression
from tlbench.training.best_weights import save_weights

CLASSES = Task("mine", ["a", "b", "c"], ["accuracy"], ["accuracy"], Source("csv"))
TAGS = Task("mine", ["N", "V"], ["accuracy"], ["accuracy"], Source("conll"), kind="tagging")
CHOICES = Task(
    "mine",
    ["0", "1", "2"],
    ["accuracy"],
    ["accuracy"],
    Source("csv", text=["x"], choices=["c"]),
    kind="multiple_choice",
)
NUMBER = Task("mine", None, ["pearson"], ["pearson"], Source("csv"))
OWN_HEAD = ("distilbert", "electra", "eurobert", "modernbert")
LIKE_OURS = ("albert", "bert", "deberta-v2", "mpnet", "roberta")
ALSO_LIKE_OURS = ("camembert", "data2vec-text", "deberta", "ernie", "xlm-roberta")
OTHERS = ("big_bird", "convbert", "longformer", "megatron-bert", "mobilebert", "nomic_bert", "xlm")


class Rounded(Regression):
    """A kind of the user's own, whose predictions are whole numbers."""

    def predict(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[:, 0].round()


def saved(folder: Path, family: str, task: Task = CLASSES) -> tuple[Path, torch.Tensor, dict]:  # type: ignore[type-arg]
    """Weights of a small encoder of a family; its inputs for two rows, and their logits."""
    save(family, folder / family)
    encoder = Encoder(str(folder / family), None, False, None, 64)
    model = MultiTaskModel(load_encoder(encoder), [task], "per_task").eval()
    torch.nn.init.normal_(model.heads["head_mine"].output.bias)
    tokenizer = load_tokenizer(encoder.name, None)
    texts = (["the film was good", "a b c d e f"], ["this is it", "no"])
    inputs = dict(tokenizer(*texts, padding=True, return_tensors="pt"))
    with torch.inference_mode():
        (logits,) = model(inputs, [2])
    save_weights(model, tokenizer, "mine", folder / "weights")
    return folder / "weights", logits, inputs


def difference(folder: Path, family: str, task: Task = CLASSES) -> float:
    """The largest between our logits and those of what transformers loads."""
    weights, logits, inputs = saved(folder, family, task)
    classifier(weights, task).save_pretrained(folder / "model")
    loaded = AutoModelForSequenceClassification.from_pretrained(
        folder / "model", trust_remote_code=not is_plain(family)
    ).eval()
    with torch.inference_mode():
        return float((loaded(**inputs).logits - logits).abs().max())


@pytest.mark.parametrize("family", LIKE_OURS)
def test_a_head_like_ours_takes_its_weights_as_they_are(tmp_path: Path, family: str) -> None:
    assert is_plain(family)
    assert difference(tmp_path, family) <= 1e-6
    assert not list((tmp_path / "model").glob("*.py"))


@pytest.mark.parametrize("family", OWN_HEAD)
def test_a_family_with_another_head_brings_a_class(tmp_path: Path, family: str) -> None:
    assert not is_plain(family)
    assert difference(tmp_path, family) <= 1e-6
    assert (tmp_path / "model" / "modeling_tlbench.py").is_file()
    # Without a word for it the folder is refused, and no head of random weights is made.
    with pytest.raises(ValueError, match="trust_remote_code"):
        AutoModelForSequenceClassification.from_pretrained(
            tmp_path / "model", trust_remote_code=False
        )


@pytest.mark.slow
@pytest.mark.parametrize("family", [*ALSO_LIKE_OURS, *OTHERS])
def test_every_other_family_too(tmp_path: Path, family: str) -> None:
    assert is_plain(family) == (family in ALSO_LIKE_OURS)
    assert difference(tmp_path, family) <= 1e-6


@pytest.mark.parametrize("family", ["roberta", "electra"])
def test_a_regression_gives_a_number(tmp_path: Path, family: str) -> None:
    assert difference(tmp_path, family, NUMBER) <= 1e-6
    config = classifier(tmp_path / "weights", NUMBER).config
    assert (config.problem_type, config.num_labels) == ("regression", 1)


def difference_of_words(folder: Path, family: str) -> float:
    """The same of a tagging task: of the logits of every token but the padding's."""
    save(family, folder / family)
    encoder = Encoder(str(folder / family), None, False, None, 64)
    model = MultiTaskModel(load_encoder(encoder), [TAGS], "per_task").eval()
    torch.nn.init.normal_(model.heads["head_mine"].output.bias)
    tokenizer = load_tokenizer(encoder.name, None)
    inputs = dict(tokenizer(["this is a film", "no"], padding=True, return_tensors="pt"))
    mask = inputs["attention_mask"]
    places = torch.where(mask == 1, torch.arange(mask.shape[1]), -1)
    with torch.inference_mode():
        (logits,) = model(inputs, [2], (), (places,))
    save_weights(model, tokenizer, "mine", folder / "weights")
    classifier(folder / "weights", TAGS).save_pretrained(folder / "model")
    loaded = AutoModelForTokenClassification.from_pretrained(
        folder / "model", trust_remote_code=not is_plain(family, TAGS)
    ).eval()
    encoder_of, head = encoder_and_head(loaded)
    assert head.keys() == {"output.weight", "output.bias"}
    assert encoder_of is loaded.base_model
    with torch.inference_mode():
        return float((loaded(**inputs).logits - logits)[mask == 1].abs().max())


@pytest.mark.parametrize("family", [*LIKE_OURS, *OWN_HEAD])
def test_a_classifier_of_tokens_computes_the_same(tmp_path: Path, family: str) -> None:
    assert is_plain(family, TAGS) == (family not in ("eurobert", "modernbert"))
    assert difference_of_words(tmp_path, family) <= 1e-6
    with_code = (tmp_path / "model" / "modeling_tlbench.py").is_file()
    assert with_code != is_plain(family, TAGS)


@pytest.mark.slow
@pytest.mark.parametrize("family", [*ALSO_LIKE_OURS, *OTHERS])
def test_and_of_every_other_family(tmp_path: Path, family: str) -> None:
    assert is_plain(family, TAGS) == (family in ALSO_LIKE_OURS)
    assert difference_of_words(tmp_path, family) <= 1e-6


def difference_of_choices(folder: Path, family: str) -> float:
    """The same of two rows of three choices."""
    save(family, folder / family)
    encoder = Encoder(str(folder / family), None, False, None, 64)
    model = MultiTaskModel(load_encoder(encoder), [CHOICES], "per_task").eval()
    torch.nn.init.normal_(model.heads["head_mine"].output.bias)
    tokenizer = load_tokenizer(encoder.name, None)
    choices = ["a b", "no", "this is a film", "it", "is it", "the"]
    inputs = dict(tokenizer(["this is it"] * 6, choices, padding=True, return_tensors="pt"))
    with torch.inference_mode():
        (logits,) = model(inputs, [2])
    save_weights(model, tokenizer, "mine", folder / "weights")
    classifier(folder / "weights", CHOICES).save_pretrained(folder / "model")
    loaded = AutoModelForMultipleChoice.from_pretrained(
        folder / "model", trust_remote_code=not is_plain(family, CHOICES)
    ).eval()
    rows = {name: ids.view(2, 3, -1) for name, ids in inputs.items()}
    with torch.inference_mode():
        found = loaded(**rows, labels=torch.tensor([2, 0]))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0]))
    assert found.loss.item() == pytest.approx(expected.item(), abs=1e-6)
    encoder_of, head = encoder_and_head(loaded)
    assert head["output.weight"].shape[0] == 1
    assert encoder_of is loaded.base_model
    assert logits.shape == (2, 3)
    return float((found.logits - logits).abs().max())


@pytest.mark.parametrize("family", [*LIKE_OURS, *OWN_HEAD])
def test_a_model_of_choices_computes_the_same(tmp_path: Path, family: str) -> None:
    assert is_plain(family, CHOICES) == (family in LIKE_OURS)
    assert difference_of_choices(tmp_path, family) <= 1e-6
    with_code = (tmp_path / "model" / "modeling_tlbench.py").is_file()
    assert with_code != is_plain(family, CHOICES)


@pytest.mark.slow
@pytest.mark.parametrize("family", [*ALSO_LIKE_OURS, *OTHERS])
def test_and_one_of_every_other_family(tmp_path: Path, family: str) -> None:
    own = set(ALSO_LIKE_OURS) - {"deberta"}  # of which transformers has no such class
    assert is_plain(family, CHOICES) == (family in own)
    assert difference_of_choices(tmp_path, family) <= 1e-6


def test_labels_have_their_names(tmp_path: Path) -> None:
    weights, *_ = saved(tmp_path, "roberta")
    config = classifier(weights, CLASSES).config
    assert config.id2label == {0: "a", 1: "b", 2: "c"}
    assert config.label2id == {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize("labels", [[0, 2], [1, 0]])
def test_the_class_that_is_shipped_can_be_trained_on(tmp_path: Path, labels: list[int]) -> None:
    weights, logits, inputs = saved(tmp_path, "electra")
    model = classifier(weights, CLASSES)
    found = model(**inputs, labels=torch.tensor(labels))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    assert found.loss.item() == pytest.approx(expected.item(), abs=1e-6)
    found.loss.backward()


def test_a_kind_that_transformers_does_not_know_is_refused(tmp_path: Path) -> None:
    weights, *_ = saved(tmp_path, "bert")
    kind = "tests.export.test_classifier.Rounded"
    with pytest.raises(UserError, match="predicts in a way of its own"):
        classifier(weights, Task(**vars(NUMBER) | {"kind": kind}))


def test_the_encoders_of_the_config_are_of_families_that_were_tried() -> None:
    """By the name of the option, what its files are; none but two are on this machine."""
    families = {
        "bert_base": "bert",
        "deberta_v3_base": "deberta-v2",
        "deberta_v3_large": "deberta-v2",
        "distilroberta": "roberta",
        "eurobert": "eurobert",
        "minilm": "bert",
        "modernbert_base": "modernbert",
        "modernbert_large": "modernbert",
        "roberta_base": "roberta",
        "roberta_large": "roberta",
        "tiny": "bert",
        "xlmr_base": "xlm-roberta",
    }
    folder = Path(__file__).parents[2] / "conf" / "encoder"
    assert {file.stem for file in folder.glob("*.yaml")} == set(families)
    assert set(families.values()) <= {*LIKE_OURS, *ALSO_LIKE_OURS, *OWN_HEAD}
    assert compose_config("encoder=tiny").encoder.name.endswith("tiny")
