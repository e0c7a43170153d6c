"""Weights & Biases, the default logger: whether runs are online, as its logger would decide it."""

import os
from collections.abc import Iterator

from tlbench.doctor.finding import Finding
from tlbench.errors import UserError
from tlbench.jobs.wandb_settings import checked_mode, login_mode

_NONE = "set logger=none, or logger=csv, to do without W&B"


def wandb() -> Iterator[Finding]:
    """Yield the mode of a run with ``logger=wandb``; nothing is asked of the network."""
    variable = os.environ.get("WANDB_MODE")
    try:
        mode = checked_mode(None, "wandb")
    except UserError as error:
        found = str(error).removesuffix(".")
        yield Finding("problem", "wandb", found, f"Or {_NONE}.")
        return
    login = "a login" if login_mode() == "online" else "no login"
    by = f"WANDB_MODE={variable}" if variable else "WANDB_MODE is not set"
    found = f"{login}, {by}: runs of logger=wandb, the default, are {mode}"
    if login == "a login" or variable or mode != "offline":
        yield Finding("ok", "wandb", found, f"{_NONE[0].upper()}{_NONE[1:]}.")
        return
    advice = f"Run wandb login (or wandb sync multirun/wandb/offline-run-* later), or {_NONE}."
    yield Finding("note", "wandb", found, advice)
