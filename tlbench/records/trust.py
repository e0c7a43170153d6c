"""What a record asks for that runs code, or reads the environment, when it is run again.

A record may be a stranger's. What it names is trusted where it is a class of tlbench, torch,
TorchJD, torchmetrics or Lightning of the kind that its key takes, as it is installed.
"""

import site
import sysconfig
import textwrap
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

from tlbench.config.dotted import TRUSTED, defined_in, imported, package_of
from tlbench.config.keys import value_in
from tlbench.errors import UserError
from tlbench.methods.base import Method
from tlbench.plan.merge_rule import MergeRule
from tlbench.records.record import ResultRecord
from tlbench.tasks.base import TaskKind
from tlbench.tasks.kinds import KINDS

_NAMED, _LONG = 5, 200  # of what a record asks for, how much a message names
_TRUSTED = "tlbench, torch, TorchJD, torchmetrics and Lightning"
_OPTIMIZER = "optim.optimizer._target_"
_RULE = "method.rule._target_"
_RULES = ("tlbench.methods.", "torchjd.aggregation.")


def check_trusted(record: ResultRecord) -> None:
    """Refuse a record that asks for more than to train with what is installed.

    Raises:
        UserError: naming the flag, and all that the record asks for.
    """
    _refuse("record", _asked({**record.config, "tasks": record.tasks}))


def check_trusted_task(definition: Mapping[str, Any], of: str) -> None:
    """Refuse a task's definition that names code from elsewhere, as ``check_trusted`` does.

    Args:
        of: what holds the definition: a record, or a model.

    Raises:
        UserError: naming the flag, and all that is asked for.
    """
    _refuse(of, _asked({"tasks": {definition.get("name"): definition}}))


def _refuse(of: str, all_asked: Iterator[str]) -> None:
    asked = list(dict.fromkeys(textwrap.shorten(one, _LONG) for one in all_asked))
    if asked:
        more = f" and {len(asked) - _NAMED} more" if len(asked) > _NAMED else ""
        raise UserError(
            f"Add --trust if you would run the code of whoever made this {of}, which asks for "
            f"{'; '.join(asked[:_NAMED])}{more}."
        )


def _asked(plain: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a record's config and tasks ask for, with its key."""
    for key, text in _texts(plain, ""):
        if "${" in text:
            yield f"{key}: {text}, to be resolved here, where a finished record has values"
    encoder = plain.get("encoder")
    if isinstance(encoder, Mapping) and encoder.get("trust_remote_code") not in (None, False):
        yield f"encoder.trust_remote_code: Python code among the files of {encoder.get('name')}"
    shadowed = [said for name in TRUSTED if (said := _elsewhere(name))]
    yield from shadowed
    for key, path in _named_code(plain):
        if package_of(path) not in TRUSTED:
            yield f"{key}={path}, code from outside {_TRUSTED}"
        elif not shadowed and not _is_of_its_kind(key, path):
            yield f"{key}={path}, which is nothing that this key takes"


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield the words of plain config values with their dotted keys, names of keys too."""
    if isinstance(value, str):
        yield key, value
    inside = value if isinstance(value, Mapping) else {}
    for name, item in inside.items():
        yield from _texts(str(name), key)
        yield from _texts(item, f"{key}.{name}" if key else str(name))
    for item in value if isinstance(value, list) else ():
        yield from _texts(item, key)


def _named_code(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every dotted path that is imported for a config and its tasks, with its key."""
    for key in ("strategy.plan", "method._target_", _RULE, "merging._target_", _OPTIMIZER):
        if (path := value_in(plain, key)) is not None:
            yield key, str(path)
    tasks = {key: plain.get(key) for key in ("target_task", "support_task")}
    tasks |= {f"tasks.{name}": task for name, task in dict(plain["tasks"]).items()}
    for place, task in tasks.items():
        if isinstance(task, Mapping):
            yield from ((f"{place}.{key}", path) for key, path in _named_by_task(task))


def _named_by_task(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if task.get("kind") not in (None, *KINDS):
        yield "kind", str(task["kind"])
    more = task.get("more_metrics")
    for name, metric in more.items() if isinstance(more, Mapping) else ():
        # Not by a dotted key: a stranger's name may have a dot, and would lead elsewhere.
        if (path := value_in(metric, "_target_")) is not None:
            yield f"more_metrics.{name}._target_", str(path)


def _elsewhere(package: str) -> str | None:
    """Return where a trusted package would be imported from, if not from where it is installed.

    It is looked for, not imported: a folder of its name in the current one could be anything.
    """
    spec = find_spec(package)
    if package == package_of(__name__) or spec is None:
        return None
    origin = Path(spec.origin or next(iter(spec.submodule_search_locations or ())))
    if any(origin.resolve().is_relative_to(folder) for folder in installed()):
        return None
    return f"the package {package} of {origin.parent}, which is no folder of installed packages"


def installed() -> set[Path]:
    """Return the folders of installed packages of this Python."""
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    return {Path(folder).resolve() for folder in folders}


def _is_of_its_kind(key: str, path: str) -> bool:
    """Whether a path of a trusted package is a class or function of it that its key takes."""
    try:
        located = imported(path, key)
    except UserError:
        return False
    if package_of(defined_in(located)) not in TRUSTED:
        return False
    if key == "strategy.plan":
        return isfunction(located) and located.__module__ == "tlbench.plan.strategies"
    if key == _RULE:
        return isclass(located) and located.__module__.startswith(_RULES)
    return isclass(located) and issubclass(located, _base(key))


def _base(key: str) -> type:
    if key == _OPTIMIZER:
        from torch.optim import Optimizer

        return Optimizer
    if key.endswith("._target_") and ".more_metrics." in key:
        from torchmetrics import Metric

        return Metric
    return {"method._target_": Method, "merging._target_": MergeRule}.get(key, TaskKind)
