"""Where the files of the language model that writes rows are, and what they are.

As of encoders (``tlbench.plan.encoder_files``), and of a GGUF file its digest.
"""

from importlib.util import find_spec
from pathlib import Path

from tlbench.errors import UserError
from tlbench.plan import encoder_files

GGUF = ".gguf"
_KEY = "synthesis.model"


def place_of(model: str) -> Path | str:
    """Return the file or folder of a model, or its name on the hub.

    Raises:
        UserError: naming ``synthesis.model``, if it is in a package that is not installed, or is a
            path where nothing is.
    """
    place = encoder_files.locate(model, _KEY)
    path = Path(place).expanduser()
    if path.is_dir() or path.is_file():
        return path
    if place != model or path.suffix == GGUF or path.is_absolute():
        raise UserError(f"Change {_KEY}: there is nothing at {path}.")
    return model


def identify(model: str, revision: str | None) -> str:
    """Return what a model's files are: ``commit:<hash>`` of the hub, or ``sha256:<digest>``.

    Raises:
        UserError: naming ``synthesis.model``, if they are not there or can't be read here.
    """
    place = place_of(model)
    if isinstance(place, str):
        return encoder_files.commit_of(place, revision, _KEY)
    if place.is_dir():
        return encoder_files.digest_of_folder(place, _KEY)
    if place.suffix != GGUF:
        raise UserError(f"Change {_KEY}: {place.name} is a file, and no {GGUF}.")
    if find_spec("gguf") is None:
        raise UserError(
            f"Change {_KEY}, or install what reads {place.name}: pip install 'tlbench[synth]'."
        )
    return encoder_files.digest_of_file(place)


def check_unchanged(model: str, identity: str) -> None:
    """Refuse files that are no longer those that a stage was planned with.

    Raises:
        UserError: before anything is written with them. Of the hub the commit is read.
    """
    if not identity.startswith("commit:") and identify(model, None) != identity:
        raise UserError(
            f"Change {_KEY}, or launch anew: the files of '{model}' are not those that were "
            f"planned with ({identity})."
        )
