"""The weights of what was chosen: those of the store, which trains them again if it has none."""

from dataclasses import replace
from pathlib import Path

from tlbench.console import notice
from tlbench.errors import UserError
from tlbench.export.chosen import Chosen
from tlbench.export.export import has_weights
from tlbench.records.record import RECORD_FILE
from tlbench.records.rerun_config import prepare_rerun, run_config

_AGAIN = Path("multirun") / "export"
_STANDARD_ERROR = 2


def with_weights(chosen: Chosen) -> Chosen:
    """Return the same where the store has the weights; else train the stage again, into it.

    What is done, and whether the stage scores as then, is said on standard error.

    Raises:
        UserError: if that fails, or what is trained today is another stage.
    """
    if has_weights(chosen):
        return chosen
    task, old = chosen.task.name, chosen.record
    notice(f"the store has not kept these weights of {task}: training the stage again")
    changed = {"store_dir": str(chosen.store.root.absolute()), "keep_weights": [task]}
    folder = prepare_rerun(old, _AGAIN, changed, chosen.trust)
    new = run_config(folder, output=_STANDARD_ERROR, trust=chosen.trust)
    if new.stage_keys != old.stage_keys:
        raise UserError(
            f"Give another record: what {chosen.file} names is not what would be trained today "
            f"(its data or its encoder's files have changed)."
        )
    same = "the same as" if new.score == old.score else "and not"
    notice(f"trained again: score {new.score}, {same} the record's {old.score}")
    return replace(chosen, record=new, file=folder / RECORD_FILE)
