"""Says whether a device trains what it should: kernels, resume, ranks.

python -m benchmarks.correctness --device cuda shape:minilm shape:modernbert

Unpadded features beside the encoder's own in 32 bits and in bfloat16; a training that is killed
beside one that is not; two devices beside one, where there are two. A line each; exit code 1 if one
is not as it should be.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import shapes
from benchmarks.process import environment, run_python
from tlbench.config.schema import Config
from tlbench.doctor.defaults import default_config
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.features import PLAIN, Kernels, features, preferred, prepare
from tlbench.models.probe import try_encoder
from tlbench.models.probe_rows import ProbeRows
from tlbench.plan import encoder_files

STAGE = (
    *("suite=generated", "encoder=tiny", "logger=none", "target_task=rte", "support_task=mnli"),
    *("strategy=mtl", "subsample_size.target=400", "subsample_size.support=400"),
    *(
        "subsample_size.dev=100",
        "batch_size=16",
        "trainer.max_epochs=2",
        "trainer.checkpoint_steps=20",
        "keep_weights=all",
    ),
)
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2}  # of the largest feature
SAME_SCORE = 0.1  # two devices add up in another order, and drop other weights


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for everything that is looked at."""
    parser = argparse.ArgumentParser("python -m benchmarks.correctness", description=__doc__)
    parser.add_argument("encoders", nargs="*", default=["shape:minilm"])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args(arguments)
    lines: list[tuple[bool, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, encoder in enumerate(options.encoders):
            named = shapes.overrides(encoder, Path(folder) / f"encoder{number}")
            lines += of_kernels(encoder, default_config(*named, "suite=generated"), options.device)
        lines += of_trainings(Path(folder), options.device)
    for is_right, line in lines:
        print(f"{'ok   ' if is_right else 'WRONG'} {line}", flush=True)
    sys.exit(not all(is_right for is_right, _ in lines))


def of_kernels(name: str, config: Config, device: str) -> Iterator[tuple[bool, str]]:
    """Yield how far the chosen kernels' features are from the encoder's own, by precision."""
    chosen = try_encoder(config.encoder, preferred(True, device == "cuda", compiled=False))
    yield chosen.features == "unpadded", f"{name}: kernels {chosen.features}"
    for precision, tolerance in TOLERANCES.items():
        own, other = (_features(config, kernels, device, precision) for kernels in (PLAIN, chosen))
        off = float((own - other).abs().max() / own.abs().max())
        yield off <= tolerance, f"{name}: features in {str(precision)[6:]} off by {off:.1e}"


@torch.no_grad()
def _features(
    config: Config, kernels: Kernels, device: str, precision: torch.dtype
) -> torch.Tensor:
    torch.manual_seed(0)
    model = load_encoder(config.encoder)
    prepare(model, kernels)
    model.train(False).to(device)
    tokenizer = load_tokenizer(config.encoder.name, encoder_files.revision(config.encoder))
    rows = ProbeRows(tokenizer)
    batch = rows.batch(rows.examples(min(config.encoder.max_length, 256)))
    moved = {name: values.to(device) for name, values in batch.items()}
    with torch.autocast(device, precision, enabled=precision != torch.float32):
        return features(model, moved, kernels).float().cpu()


def of_trainings(folder: Path, device: str) -> Iterator[tuple[bool, str]]:
    """Yield whether a killed training ends as one that was not, and two devices train as one."""
    on = [f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}"]
    whole = _train(folder / "whole", on)
    killed = _killed_once(folder / "killed", on)
    again = _train(folder / "killed", on)
    is_same = _digests(folder / "killed") == _digests(folder / "whole")
    yield killed and is_same, f"killed at a checkpoint and run again: score {again}, whole {whole}"
    if device == "cpu" or torch.cuda.device_count() > 1:
        both = _train(folder / "both", [*on, "trainer.devices=2"])
        yield abs(both - whole) <= SAME_SCORE, f"two devices: score {both}, one {whole}"


def _train(folder: Path, overrides: Sequence[str]) -> float:
    folder.mkdir(exist_ok=True)
    run_python(["-m", "tlbench", *STAGE, *overrides, "hydra.run.dir=run"], folder)
    record: dict[str, Any] = json.loads((folder / "run" / "result.json").read_text())
    return round(float(record["score"]), 4)


def _killed_once(folder: Path, overrides: Sequence[str]) -> bool:
    """Kill a training once it has a checkpoint; return whether it was killed."""
    folder.mkdir()
    words = [sys.executable, "-m", "tlbench", *STAGE, *overrides, "hydra.run.dir=run"]
    with subprocess.Popen(words, cwd=folder, env=environment()) as child:  # noqa: S603
        while child.poll() is None and not any(folder.rglob("*.ckpt")):
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    return child.returncode == -signal.SIGKILL


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of every weight file of a store, by its place."""
    files = sorted(folder.rglob("*.safetensors"))
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


if __name__ == "__main__":
    main()
