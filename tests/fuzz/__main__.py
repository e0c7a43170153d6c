"""Runs cases until the time is over; see ``tests.fuzz``."""

import argparse
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

from hydra.errors import CompactHydraException

from tests.fuzz import overrides, readers, records

Case = Callable[[random.Random, Path], Callable[[], Any]]
PARTS: dict[str, Case] = {
    m.__name__.rpartition(".")[2]: m.case for m in (readers, records, overrides)
}
_SECONDS, _BYTES = 20, 2 * 2**30


class _Late(BaseException):
    """A case took too long."""


def _late(number: int, frame: FrameType | None) -> None:
    raise _Late


def main() -> int:
    """Run cases; 1 if there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--only", choices=PARTS, help="of one part")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="where findings are kept")
    options = parser.parse_args()
    for one in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(one, _late)
    logging.disable(logging.CRITICAL)
    parts = [options.only] if options.only else [*PARTS]
    end, counts, findings = time.monotonic() + 60 * options.minutes, Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        options.keep = options.keep.absolute()
        os.chdir(place)
        seed = options.seed
        while time.monotonic() < end:
            part = parts[seed % len(parts)]
            folder = Path(place, str(seed))
            folder.mkdir()
            counts[part] += 1
            if finding := run(part, seed, folder):
                name = finding.strip().splitlines()[-1][:150]
                if not findings[name]:
                    print(f"{part}, seed {seed}: {finding}", flush=True)
                    shutil.copytree(folder, options.keep / f"{part}-{seed}")
                findings[name] += 1
            shutil.rmtree(folder)
            seed += 1
    print(f"{sum(counts.values())} cases ({dict(counts)}), {sum(findings.values())} findings")
    return 1 if findings else 0


def run(part: str, seed: int, folder: Path) -> str | None:
    """Run a case; return what was found, if it ends in no result and in no sentence."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _BYTES, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)  # of this process: others may be busy
    signal.alarm(6 * _SECONDS)  # of the clock, if it waits
    try:
        PARTS[part](random.Random(seed), folder)()
    except CompactHydraException as error:
        return None if len(str(error)) < 40_000 else f"a sentence of {len(str(error))} letters"
    except _Late:
        return f"over {_SECONDS} seconds"
    except (Exception, SystemExit):
        lines = traceback.format_exc(limit=-6).splitlines()
        return "\n".join(line[:200] for line in lines)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return None


if __name__ == "__main__":
    sys.exit(main())
