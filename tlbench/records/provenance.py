"""What made a number: the code's revision and the versions of packages."""

import platform
import re
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "torch",
    "pytorch-lightning",
    "transformers",
    "tokenizers",
    "datasets",
    "torchmetrics",
    "numpy",
    "hydra-core",
)


@cache
def git_revision() -> str | None:
    """The commit of the checkout that this package runs from, ``-dirty`` if changed; else None."""
    # An environment may lie inside somebody else's repository: that one's commit says nothing.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return _git("describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")


def short_revisions(text: str) -> str:
    """Return a text with the full git revisions in it cut to what a person compares."""
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{32}\b", r"\1", text)


def _git(*arguments: str) -> str | None:
    try:
        # Fixed words and no shell.
        ran = subprocess.run(  # noqa: S603  # nosec B603 B607
            ["git", *arguments],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout.strip()


def package_versions() -> dict[str, str]:
    """The versions of what numbers depend on."""
    packages = {name: version(name) for name in ("tlbench", *_PACKAGES)}
    return packages | {"python": platform.python_version()}
