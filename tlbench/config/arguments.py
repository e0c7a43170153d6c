"""The command line as Hydra is given it: with what a user need not write.

A task's file need not have every key of a task, and Hydra adds a key only after ``+``; it reads
``target_task=2024`` as a number, and no file of that name; and of an experiment it does not take
the ``hydra.mode``.
"""

from collections.abc import Sequence
from dataclasses import replace

from hydra.core.override_parser.types import ValueType
from omegaconf import OmegaConf

from tlbench.config.chosen import chosen, experiments_of, parsed
from tlbench.config.command_line import CommandLine, parse
from tlbench.config.completion import completing
from tlbench.config.config_folders import with_config_folders
from tlbench.config.group_options import check_no_option_of_hydra
from tlbench.config.help import page
from tlbench.config.keys import is_known
from tlbench.config.overrides import check_choices, options, read_first
from tlbench.config.schema import Config, Source
from tlbench.config.search_path import config_dirs
from tlbench.config.syntax import check_syntax, with_quoted_homes
from tlbench.config.words import check_file
from tlbench.errors import UserError

_SUITE = "suite.sources"
# Sweepers that are of many jobs, whoever forgets -m.
_OF_MANY_JOBS = {"hydra/sweeper=race", "hydra/sweeper=tuned"}


def arguments_for_hydra(words: Sequence[str]) -> list[str]:
    """Return a command line as Hydra takes it, of what a user may have written.

    Raises:
        UserError: if it can't be read, names what there is not, or chooses what can't be used.
        SystemExit: after ``--version`` or ``--help`` is answered.
    """
    line = parse(words)
    if "shell_completion" in line.options:
        return completing(line, _readable).words()
    line = _readable(line)
    if "help" in line.options:
        print(page())
        raise SystemExit(0)
    check_no_option_of_hydra(line.overrides)
    check_choices(line.overrides)
    return replace(line, overrides=completed(line.overrides)).words()


def _readable(line: CommandLine) -> CommandLine:
    """Return a command line with what Hydra can read, once its config folders are searched."""
    overrides = [with_quoted_homes(word) for word in line.overrides]
    check_syntax(overrides)
    line = with_config_folders(replace(line, overrides=overrides))
    return replace(line, overrides=with_words(line.overrides))


def completed(overrides: Sequence[str]) -> list[str]:
    """Return overrides that choose what there is, with what Hydra wants beside.

    Raises:
        UserError: if one would set a key of a source that the task shares with a suite, or the file
            of a task has words that are read as others.
    """
    for group in ("target_task", "support_task"):
        for task in chosen(overrides, group):
            for folder in config_dirs():
                check_file(folder / "target_task" / f"{task}.yaml")
    return with_mode(with_added_keys(overrides))


def with_words(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with quotes around options that Hydra would take for other than words.

    Those are numbers, truth values and null: options are files, whose names are words.

    Raises:
        UserError: if one would delete the choice of a list.
    """
    return [_with_words(argument) for argument in arguments]


def _with_words(argument: str) -> str:
    override = parsed(argument)
    if override is None or not options(override.key_or_group):
        return argument
    key, _, value = argument.partition("=")
    if override.is_delete() and isinstance(override.value(), list | dict):
        raise UserError(f"Change {argument}: write {key} alone, or the name of one option.")
    if override.value_type == ValueType.ELEMENT:
        return f"{key}={_word(value)}"
    if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP and not override.is_delete():
        return f"{key}={','.join(_word(element) for element in value.split(','))}"
    return argument


def _word(element: str) -> str:
    found = parsed(f"x={element}")
    is_other = found is not None and isinstance(found.value(), int | float | None)
    return f"'{element.strip()}'" if is_other else element


def with_added_keys(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``++`` before keys of a task that its file need not have.

    Raises:
        UserError: if a key is of a source that the task shares with a suite.
    """
    tasks = {group: chosen(arguments, group) for group in ("target_task", "support_task")}
    added = []
    for argument in arguments:
        key = argument.partition("=")[0]
        group, *inside = key.split(".")
        if group in tasks and inside and "=" in argument and is_known(Config, key):
            if inside[0] == "source":
                _check_own_source(key, inside, tasks[group])
            argument = f"++{argument}"
        elif "=" in argument and _is_key_of_suite(key):
            argument = f"++{argument}"
        added.append(argument)
    return added


def _is_key_of_suite(key: str) -> bool:
    inside = key.removeprefix(f"{_SUITE}.").split(".", 1)
    is_in_suite = key.startswith(f"{_SUITE}.") and inside[0] in options("target_task")
    return is_in_suite and len(inside) == 2 and is_known(Source, inside[1])


def _check_own_source(key: str, inside: Sequence[str], tasks: Sequence[str]) -> None:
    """Refuse a key of a source that is the suite's: Hydra would replace all of it."""
    for task in tasks:
        option = read_first("target_task", task)
        node = option._get_node("source") if option else None
        text = node._value() if node is not None else None
        if isinstance(text, str) and text.startswith(f"${{{_SUITE}."):
            name = ".".join([text[2:-1], *inside[1:]])
            raise UserError(f"Change {key}: the source of '{task}' is the suite's; set {name}.")


def with_mode(arguments: Sequence[str]) -> list[str]:
    """Return the arguments, and beside the choice of an experiment the ``hydra.mode`` that it has.

    Hydra 1.4 takes the mode from config.yaml and the command line alone, and refuses another.
    """
    if any(word.startswith("hydra.mode=") for word in arguments):
        return list(arguments)
    if not _OF_MANY_JOBS.isdisjoint(arguments):
        return [*arguments, "hydra.mode=MULTIRUN"]
    complete = []
    for word in arguments:
        complete.append(word)
        modes = [_mode_of(experiment) for experiment in experiments_of(word)]
        complete += [f"hydra.mode={mode}" for mode in modes if mode][-1:]
    return complete


def _mode_of(experiment: str) -> str | None:
    """Return the mode of an experiment, its own or that of one in its defaults."""
    option = read_first("experiment", experiment)
    if option is None:
        return None
    defaults = [name for name in option.get("defaults") or () if isinstance(name, str)]
    modes = [_mode_of(name) for name in defaults if name != "_self_"]
    return next(filter(None, [OmegaConf.select(option, "hydra.mode"), *modes]), None)
