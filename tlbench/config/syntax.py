"""What is no override in Hydra's grammar, in a sentence that says how it is written."""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from tlbench.config.overrides import groups, is_key, options
from tlbench.errors import UserError

# An override with spaces, of which the shell makes several words; one stands on a line.
_SPACED = re.compile(r"^([\w./@+]+)(?:\s+=\s*|=\n)([^\n=]+)$", re.MULTILINE)
_COLON = re.compile(r"([\w./]+):\s*(.+)")
# A path that begins with ~, alone, in a sweep, a list or a mapping; it may have interpolations.
_HOME = re.compile(r"(^|[,\[{:]\s*)((?:file://)?~(?:\$\{[^}]*\}|[^,\[\]{}'\"])*)")


def quoted(value: str) -> str:
    """Return a value in quotes, as Hydra's grammar takes any text."""
    return "'" + value.replace("'", "\\'") + "'"


def with_quoted_homes(override: str) -> str:
    """Return an override with quotes around paths that begin with ``~``, which no other word may.

    What has quotes already is left as it is.
    """
    key, equals, value = override.partition("=")
    if "'" in value or '"' in value:
        return override
    return key + equals + _HOME.sub(r"\1'\2'", value)


def check_syntax(overrides: Sequence[str]) -> None:
    """Refuse what Hydra can't read as overrides.

    Raises:
        UserError: that says how it is written.
    """
    if spaced := _SPACED.search("\n".join(overrides)):
        raise UserError(f"Write {spaced[1]}={spaced[2]} without spaces around '='.")
    for word in overrides:
        key, equals, value = word.partition("=")
        if word.startswith("~") and not equals:
            continue
        if not equals or not key.strip():
            raise UserError(_no_override(word))
        if value.startswith("="):
            raise UserError(f"Write {key}={value.lstrip('=')} with one '=', not {word}.")
        _check_value(word)


def _no_override(word: str) -> str:
    """Return a sentence about a word that sets no key."""
    if not word.strip():
        return "Leave out the empty argument: an override is key=value."
    if (pair := _COLON.fullmatch(word)) and is_key(pair[1]):
        return f"Write {pair[1]}={pair[2]} with '=', not {word}."
    if is_key(word):
        return f"Write {word}=<value>: '{word}' alone sets nothing."
    if chosen := [f"{group}={word}" for group in reversed(groups()) if word in options(group)]:
        return f"Write {' or '.join(chosen)}: '{word}' alone chooses nothing."
    return f"Change '{word}': an override is key=value, in quotes if it has spaces."


def _check_value(override: str) -> None:
    try:
        OverridesParser.create().parse_overrides([override])
    except OverrideParseException as error:
        key, _, value = override.partition("=")
        raise UserError(
            f"Change {override}: Hydra can't read it; close what is open, or quote a value that "
            f'has other than letters, digits and -_./: "{key}={quoted(value)}".'
        ) from error
