"""What a record says of its tasks and of its candidate: names, labels and definitions.

A candidate is a strategy with its supports, and with the parts that it was made of: the options of
the config groups in ``PARTS`` that have an effect on it. A strategy that is trained towards flat
minima (``perturb``), for sparse features (``penalty``), or with an adapter, is another strategy:
those are its ``VARIANTS``.

A name may mean other things in other runs: of an edited file, another folder, another metric. Where
the files lay says nothing of that.
"""

from functools import cache
from typing import Any

from tlbench.config.keys import declared, is_under, later_keys, value_at, value_in
from tlbench.config.schema import Config, Task
from tlbench.methods.base import without_names
from tlbench.records.record import ResultRecord

BASELINE = "single"  # the target alone: what every other strategy is measured against
COMPARED = {"mtl": "MTL", "stilts": "STILTs"}  # in the paper, with their labels
NONE = "-"  # of a support or a method: there is none
ALL = "all"  # the support of a strategy that trains all tasks together
TASKS, STRATEGIES = "tasks", "strategies"  # where keys of definitions begin
# Config groups whose option is a part of a candidate, with where keys of its definition begin.
PARTS = {"method": "methods", "merging": "mergings"}
# Config keys of what makes another strategy of each, with where keys of its definition begin.
VARIANTS = {"encoder.adapter": "adapters", "perturb": "perturbs", "penalty": "penalties"}
VARIANTS |= {"match": "matches", "adversary": "adversaries"}
_NO_VARIANT = "none"  # the option that changes nothing
# Options that are in a part's name, as what they say is another candidate; with their labels.
_NAMED = {"fine_tune": "fine-tuned", "per_task": "per task"}
_LABELS = {"lora": "LoRA", "dora": "DoRA", "sam": "SAM", "l1": "L1", "dann": "DANN"}
_LABELS |= {"distribution": "distribution matching", "co_annotation": "co-annotation"}
_SHORT = 8  # digits of a digest
UNTUNED = "none"  # the word of a run for whose candidate nothing was tuned


def definitions(record: ResultRecord) -> dict[str, dict[str, Any]]:
    """Return the definitions of the record's tasks by name, as far as it holds them."""
    config, names = record.config, (record.target_task, *record.support_tasks)
    groups = [config.get(key) for key in ("target_task", "support_task")]
    tasks = [task for task in groups if isinstance(task, dict) and task.get("name") in names]
    return {task["name"]: task for task in tasks} | record.tasks


def support_of(record: ResultRecord) -> str:
    """Return the supports in a word: ``mnli``, ``mnli+qnli``, ``all``, or ``-`` for none."""
    if _strategy(record).get("supports") == ALL:
        return ALL
    return "+".join(record.support_tasks) or NONE


def strategy_of(record: ResultRecord) -> str:
    """Return the name of the record's strategy, with its variants: ``mtl``, ``mtl+lora+sam``."""
    return "+".join([record.strategy, *map(_name, _variants(record).values())])


def label_of(record: ResultRecord) -> str:
    """Return how people read that; its name where the record does not say."""
    label = str(_strategy(record).get("label") or record.strategy)
    return ", ".join([label, *map(_label, _variants(record).values())])


def without_effect(record: ResultRecord) -> tuple[str, ...]:
    """Return the config keys and groups that have no effect on the record's strategy."""
    return tuple(_strategy(record).get("without_effect") or ())


def method_of(record: ResultRecord) -> str:
    """Return the names of the record's parts: ``sum``, ``regmean+fine_tune``; ``-`` for none.

    A table has one column of them, ``method``.
    """
    return "+".join(map(_name, _parts(record).values())) or NONE


def method_label_of(record: ResultRecord) -> str:
    """Return how people read the record's parts."""
    return ", ".join(map(_label, _parts(record).values())) or NONE


def task_keys(record: ResultRecord) -> dict[str, str]:
    """Return what must be the same of a task for scores to be of the same thing, by dotted keys.

    ``tasks.<name>.`` and ``labels``, ``score``, ``metrics``, a key that came later as ``positive``,
    or ``rows.<split>``: a digest. What a record does not know has no key, but for what came later,
    nor have rows that are generated from the run's own seed.
    """
    keys = {}
    for name, task in definitions(record).items():
        place = f"{TASKS}.{name}"
        if "labels" in task:
            keys[f"{place}.labels"] = str(task["labels"])
        for key in ("score", "metrics"):
            if key in task:
                keys[f"{place}.{key}"] = "+".join(sorted(task[key]))
        if "metrics" in task:
            keys |= {f"{place}.{key}": str(value) for key, value in _later(task).items()}
        if not _follows_the_seed(task, record.seed):
            for split, digest in record.digests.get(name, {}).items():
                keys[f"{place}.rows.{split}"] = digest[:_SHORT]
    if record.dev_rows:
        keys[f"{TASKS}.{record.target_task}.dev_rows"] = str(record.dev_rows)
    return keys


def _later(task: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a task's keys that came later, by dotted name; their ``since`` if none.

    So a record of before there was a key is apart from one in which it is set.
    """
    values = ((key, value_in(task, key.name)) for key in later_keys(Task))
    return {key.name: key.since if value is None else value for key, value in values}


def choice_keys(record: ResultRecord) -> dict[str, str]:
    """Return what a strategy or a part of one name is, under keys that hold this name.

    ``strategies.<name>.plan`` is the strategy's function, ``strategies.<name>.tasks`` those that
    one with all supports trains, ``methods.<name>.<option>`` an option of the method, and so of
    the other ``PARTS`` and the ``VARIANTS``. Another name is another choice, and no difference of
    protocol.
    """
    strategy = _strategy(record)
    keys = {"plan": strategy.get("plan")}
    if strategy.get("supports") == ALL:
        keys["tasks"] = strategy.get("tasks")
    choices = [(STRATEGIES, record.strategy, keys)]
    named = _parts(record) | _variants(record)
    choices += [
        ((PARTS | VARIANTS)[key], _name(part), _options(part)) for key, part in named.items()
    ]
    return {
        f"{group}.{choice}.{name}": str(value)
        for group, choice, values in choices
        for name, value in values.items()
        if value is not None
    }


def tuning_keys(record: ResultRecord) -> dict[str, str]:
    """Return how values were chosen for the record's candidate, under the key ``tuning``.

    Records that agree in it may be compared: what was tried has the same words, and ``none`` is of
    a run for which nothing was tuned. A job that failed before it had a config may be of any.
    """
    return {"tuning": _tuning(record)} if record.config else {}


def tuned_keys(record: ResultRecord) -> tuple[str, ...]:
    """Return the config keys whose values were chosen for the record's candidate.

    They are choices of a candidate as its method is, and so no part of a protocol.
    """
    return tuple(value_in(record.config, "tuned.grid") or ())


def tuned_values(record: ResultRecord) -> str:
    """Return the chosen values in words: ``optim.lr=0.0001, mnli: optim.lr=0.001``."""
    own = {key: value_in(record.config, key) for key in tuned_keys(record)}
    supports = value_in(record.config, "tuned.supports") or {}
    words = [_in_words(own)] if own else []
    return ", ".join([*words, *(f"{task}: {_in_words(of)}" for task, of in supports.items())])


def _tuning(record: ResultRecord) -> str:
    """Return how values were chosen, in words that are the same for what may be compared.

    Values of a support's that somebody has given it by hand are named themselves.
    """
    tuned = record.config.get("tuned") or {}
    if not tuned.get("grid"):
        return tuned_values(record) or UNTUNED
    grid = {key: ",".join(map(str, values)) for key, values in tuned["grid"].items()}
    return _in_words({**grid, "trials": tuned.get("trials"), "seed": tuned.get("seed", 0)})


def _in_words(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def _strategy(record: ResultRecord) -> dict[str, Any]:
    return record.config.get("strategy") or {}


def is_varied(config: Config) -> bool:
    """Whether a config makes another strategy of the one that it names."""
    return any(value_at(config, f"{key}.name") != _NO_VARIANT for key in VARIANTS)


def _variants(record: ResultRecord) -> dict[str, dict[str, Any]]:
    """Return by config key what makes another strategy of the record's, as far as it has effect."""
    ignored, variants = without_effect(record), {}
    for place in VARIANTS:
        chosen = value_in(record.config, place) or {}
        name = chosen.get("name", _NO_VARIANT)
        if name != _NO_VARIANT:
            options = _defaults(place) | chosen
            effective = {k: v for k, v in options.items() if not is_under(f"{place}.{k}", ignored)}
            variants[place] = effective | {"label": _LABELS.get(name, name)}
    return variants


@cache
def _defaults(place: str) -> dict[str, Any]:
    """Return what a variant has of options that a record does not say, as they are not set."""
    keys = (key for key in declared(Config).values() if is_under(key.name, (place,)))
    since = {key.name.rpartition(".")[2]: key.since for key in keys}
    return {name: NONE if value is None else value for name, value in since.items()}


def _parts(record: ResultRecord) -> dict[str, dict[str, Any]]:
    """Return the record's parts that have an effect on its strategy, by config group."""
    if record.strategy == BASELINE:
        return {}  # one task at a time has one loss, whatever would combine several
    ignored = without_effect(record)
    parts = {key: record.config.get(key) for key in PARTS if not is_under(key, ignored)}
    return {key: part for key, part in parts.items() if part}


def _name(part: dict[str, Any]) -> str:
    return "+".join([str(part.get("name") or NONE), *(key for key in _NAMED if part.get(key))])


def _label(part: dict[str, Any]) -> str:
    label = str(part.get("label") or part.get("name") or NONE)
    return ", ".join([label, *(said for key, said in _NAMED.items() if part.get(key))])


def _options(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a part does, less what its name says already."""
    return {key: value for key, value in without_names(part).items() if key not in _NAMED}


def _follows_the_seed(task: dict[str, Any], seed: int) -> bool:
    source = task.get("source") or {}
    return source.get("format") == "generated" and source.get("seed") == seed
