"""Makes transformers' own classifier of an encoder and a head, where it computes the same.

tlbench's head is RoBERTa's. Families whose own head is that too, or a pooler with a tanh and an
output layer, take its weights as they are; the head of words is that of most families. The others
get ``modeling_tlbench.py`` beside theirs.
"""

from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.export.modeling_tlbench import (
    EveryTokenConfig,
    EveryTokenForTokenClassification,
    FirstTokenConfig,
    FirstTokenForMultipleChoice,
    FirstTokenForSequenceClassification,
    FirstTokenModel,
)
from tlbench.models.encoder import keep_layers, remove_pooler
from tlbench.models.loading import quiet_transformers
from tlbench.tasks.classification import Classification
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.multilabel import Multilabel
from tlbench.tasks.regression import Regression
from tlbench.tasks.tagging import Tagging

# What transformers calls what a kind predicts.
_PROBLEMS = {
    Classification.predict: "single_label_classification",
    Multilabel.predict: "multi_label_classification",
    Regression.predict: "regression",
}
_LIKE_ROBERTA = ("classifier.dense", "classifier.out_proj")
# By model type, the layers that are the head's dense and output layers.
_LAYERS = {
    "albert": ("albert.pooler", "classifier"),
    "bert": ("bert.pooler.dense", "classifier"),
    "camembert": _LIKE_ROBERTA,
    "data2vec-text": _LIKE_ROBERTA,
    "deberta": ("pooler.dense", "classifier"),
    "deberta-v2": ("pooler.dense", "classifier"),
    "ernie": ("ernie.pooler.dense", "classifier"),
    "mpnet": _LIKE_ROBERTA,
    "roberta": _LIKE_ROBERTA,
    "xlm-roberta": _LIKE_ROBERTA,
}
# What of a config its head reads, where that is not a tanh anyway.
_SETTINGS = {"deberta": {"pooler_hidden_act": "tanh"}, "deberta-v2": {"pooler_hidden_act": "tanh"}}


# The same of their models of choices, all of which have a pooler.
_OF_CHOICES = {
    **{name: _LAYERS[name] for name in ("albert", "bert", "deberta-v2", "ernie")},
    **dict.fromkeys(
        ("camembert", "roberta", "xlm-roberta"), ("roberta.pooler.dense", "classifier")
    ),
    "data2vec-text": ("data2vec_text.pooler.dense", "classifier"),
    "mpnet": ("mpnet.pooler.dense", "classifier"),
}
# Families whose own token classifier is dropout and one layer, ``classifier``.
_OF_TOKENS = {*_LAYERS, "distilbert", "electra"}


def is_plain(model_type: str, task: Task | None = None) -> bool:
    """Whether a family's own classifier computes the same, so that no code goes with it.

    Args:
        model_type: the family, as transformers calls it.
        task: whose rows may be words, or choices; None for one whose rows are texts.
    """
    kind = None if task is None else kind_of(task)
    if kind and kind.sequences > 1:
        return model_type in _OF_CHOICES
    return model_type in (_OF_TOKENS if kind and kind.reads_words else _LAYERS)


def classifier(weights: Path, task: Task) -> PreTrainedModel:
    """Return a classifier of rows, tokens or choices, in evaluation mode: a stage's logits.

    Args:
        weights: of a task, as the store has them.
        task: which says the labels.

    Raises:
        UserError: if the task is of a kind that predicts in its own way, or the
            encoder runs code of its own.
    """
    kind = kind_of(task)
    predict, of_choices = type(kind).predict, kind.sequences > 1
    of_words, problem = predict is Tagging.predict, _PROBLEMS.get(predict)
    if problem is None and not of_words:
        raise UserError(
            f"Export another task: '{task.name}' is of the kind {task.kind}, which predicts in a "
            "way of its own that no classifier of transformers knows."
        )
    config = AutoConfig.from_pretrained(weights, trust_remote_code=False)
    if getattr(config, "auto_map", None):
        raise UserError(
            "Export a model of another encoder: this one's runs Python code of its own, which "
            "would have to go with the weights."
        )
    names = list(task.labels or [task.name])
    labels = {
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        **({} if of_words or of_choices else {"problem_type": problem}),
    }
    # Nothing reads the layers above its head's: without them it is the smaller encoder that it is.
    if task.head_layer:
        keep_layers(config, task.head_layer, str(weights))
    with quiet_transformers():
        encoder = AutoModel.from_pretrained(weights, config=config, dtype=torch.float32)
    head = load_file(weights / "heads.safetensors")
    plain = is_plain(config.model_type, task)
    if of_words:
        model = (_plain_of_words if plain else _with_code_of_words)(config, labels, encoder, head)
    else:
        make = _plain if plain else _with_code
        model = make(config, labels, encoder, head, of_choices)
    model.train(False)
    return model


def encoder_and_head(model: PreTrainedModel) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """Take an exported classifier apart: its encoder, and the head's weights as the store has them.

    Args:
        model: as ``classifier`` makes it, or as it was loaded.
    """
    model_type = model.config.model_type
    of_choices = type(model).__name__.endswith("ForMultipleChoice")
    own = (_OF_CHOICES if of_choices else _LAYERS).get(model_type, ("dense", "output"))
    layers = dict(zip(own, ("dense", "output"), strict=True))
    if type(model).__name__.endswith("ForTokenClassification"):
        with_code = model_type == EveryTokenConfig.model_type
        layers = {"output" if with_code else "classifier": "output"}
    head = {
        f"{name}.{key}": value
        for layer, name in layers.items()
        for key, value in model.get_submodule(layer).state_dict().items()
    }
    encoder = cast(PreTrainedModel, model.base_model)
    remove_pooler(encoder)
    return encoder, head


def _plain(
    config: Any,
    labels: dict[str, Any],
    encoder: PreTrainedModel,
    head: dict[str, torch.Tensor],
    of_choices: bool,
) -> PreTrainedModel:
    config.update(labels | _SETTINGS.get(config.model_type, {}))
    make: Any = AutoModelForMultipleChoice if of_choices else AutoModelForSequenceClassification
    model: PreTrainedModel = make.from_config(config, dtype=torch.float32)
    own = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    _load(model.base_model, own)
    layers = (_OF_CHOICES if of_choices else _LAYERS)[config.model_type]
    for layer, name in zip(layers, ("dense", "output"), strict=True):
        _set(model.get_submodule(layer), head, name)
    return model


def _plain_of_words(
    config: Any, labels: dict[str, Any], encoder: PreTrainedModel, head: dict[str, torch.Tensor]
) -> PreTrainedModel:
    config.update(labels)
    model: PreTrainedModel = AutoModelForTokenClassification.from_config(  # type: ignore[no-untyped-call]
        config, dtype=torch.float32
    )
    own = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    _load(model.base_model, own)
    _set(model.get_submodule("classifier"), head, "output")
    return model


def _load(encoder: nn.Module, own: dict[str, torch.Tensor]) -> None:
    problems = encoder.load_state_dict(own, strict=False)
    lacking = [name for name in problems.missing_keys if not name.startswith("pooler.")]
    if lacking or problems.unexpected_keys:
        raise RuntimeError(f"the encoder does not fit its own classifier: {problems}")


def _with_code_of_words(
    config: Any, labels: dict[str, Any], encoder: PreTrainedModel, head: dict[str, torch.Tensor]
) -> PreTrainedModel:
    EveryTokenConfig.register_for_auto_class()  # type: ignore[no-untyped-call]
    EveryTokenForTokenClassification.register_for_auto_class(  # type: ignore[no-untyped-call]
        "AutoModelForTokenClassification"
    )
    model = EveryTokenForTokenClassification(EveryTokenConfig(config.to_dict(), **labels))
    own = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    model.encoder.load_state_dict(own)
    _set(model.output, head, "output")
    return model


def _with_code(
    config: Any,
    labels: dict[str, Any],
    encoder: PreTrainedModel,
    head: dict[str, torch.Tensor],
    of_choices: bool,
) -> PreTrainedModel:
    # From here on saving them copies their module into the folder, and names it in the config.
    FirstTokenConfig.register_for_auto_class()  # type: ignore[no-untyped-call]
    make: Any = FirstTokenForMultipleChoice if of_choices else FirstTokenForSequenceClassification
    make.register_for_auto_class(make.__name__.replace("FirstToken", "AutoModel"))
    model: FirstTokenModel = make(FirstTokenConfig(config.to_dict(), **labels))
    own = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    model.encoder.load_state_dict(own)
    _set(model.dense, head, "dense")
    _set(model.output, head, "output")
    return model


def _set(layer: nn.Module, head: dict[str, torch.Tensor], name: str) -> None:
    layer.load_state_dict({key: head[f"{name}.{key}"] for key in ("weight", "bias")})
