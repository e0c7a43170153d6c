"""What Hydra refuses, in one line."""

import re
from collections.abc import Sequence

from hydra.errors import CompactHydraException
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.group_options import refusal_of
from tlbench.config.keys import declared
from tlbench.config.schema import Config
from tlbench.errors import UserError, printable

_SWEEP = re.compile(
    r"(?:Ambiguous value for argument|Sweep parameters) '([^=]*)=(.*?)'(?: requires|$)"
)
_LACKED = re.compile(r"Could not override '([^']*)'")
_WORDS = re.compile(r"[^\[\](){}]*")  # no list, and none of Hydra's functions
_PLACES = "Config search path:"  # what follows is of no help about an option that there is not


def in_one_sentence(error: CompactHydraException, arguments: Sequence[str] = ()) -> str:
    """Return what an exception of Hydra's, or ours, says, in one line.

    Args:
        arguments: of the command line.
    """
    if isinstance(error, UserError):
        return str(error)
    first = str(error).splitlines()[0]
    if swept := _SWEEP.match(first):
        key, values = swept.groups()
        declaration = declared(Config).get(key.lstrip("+"))
        if declaration and declaration.is_list and _WORDS.fullmatch(values):
            return (
                f"Change {key}: give a list, '{key}=[{values}]'; or add -m to sweep over lists, "
                f"'{key}=[...],[...]'."
            )
        return (
            f"Add -m to sweep over {key}={values} (--cfg shows the config of one value); a comma "
            f"that is part of a value stands in quotes: \"{key}='{values}'\"."
        )
    lacked = _LACKED.match(first)
    if lacked and (sentence := refusal_of(lacked[1], arguments)):
        return sentence
    parts = str(error).partition(_PLACES)[0].split()
    if isinstance(error.__cause__, OmegaConfBaseException):
        parts += str(error.__cause__).splitlines()[:1]
    return printable(" ".join(parts))
