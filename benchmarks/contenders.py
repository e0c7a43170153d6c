"""One contender in a process of its own: ``python -m benchmarks.contenders NAME CASE``.

CASE is a ``Case`` as JSON, which has been prepared. The last line printed is the measurement.
"""

import json
import sys
from dataclasses import asdict
from pkgutil import resolve_name

from benchmarks.watch import Watch
from benchmarks.workload import Case

# By name, so that a process imports only its own contender's libraries: they count as memory.
CONTENDERS = {
    "tlbench": "benchmarks.product:train_stage",
    "own kernels": "benchmarks.product:own_kernels",
    "two forwards": "benchmarks.product:two_forwards",
    "bare loop": "benchmarks.bare:train",
    "Trainer": "benchmarks.hf_trainer:as_run_glue",
    "Trainer tuned": "benchmarks.hf_trainer:tuned",
}


def main() -> None:
    """Train, and print the measurement."""
    name, text = sys.argv[1:]
    case = Case.from_json(text)
    watch = Watch(case.warmup, case.steps, case.device)
    resolve_name(CONTENDERS[name])(case, watch)
    print(json.dumps(asdict(watch.result())))


if __name__ == "__main__":
    main()
