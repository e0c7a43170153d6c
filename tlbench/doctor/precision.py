"""Which ``trainer.precision`` is fastest here, measured, beside what tlbench takes by default."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from tlbench.doctor.defaults import default_config, precisions_of_experiments
from tlbench.doctor.devices import cuda_gpus
from tlbench.doctor.finding import Finding
from tlbench.doctor.measure import step_seconds

PLAIN = "32-true"
_ALIKE = 0.05  # of the time of a step
_LATER = (
    "Set trainer.precision={name} before a study begins: stages of another precision are trained "
    "anew."
)


def candidates() -> tuple[str, str]:
    """Return the two precisions between which there is a choice on this machine."""
    gpus = cuda_gpus()
    return PLAIN, "bf16-mixed" if all(gpu.has_bf16 for gpu in gpus) else "16-mixed"


def precision() -> Iterator[Finding]:
    """Measure both precisions; yield which is fastest, or why that can't be known."""
    on_gpu = bool(cuda_gpus())
    # An Apple GPU is not measured, as tlbench is not tested on it.
    accelerator = "cuda" if on_gpu else "cpu"
    config = default_config("encoder=tiny", "logger=none", f"trainer.accelerator={accelerator}")
    both = candidates()
    try:
        seconds = step_seconds(config, both)
    except Exception as error:  # whatever torch and the driver raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        yield Finding(
            "problem",
            "precision",
            f"a training step in {' or '.join(both)} fails on the {accelerator.upper()}: {reason}",
            f"See whether tlbench debug=fast trainer.accelerator={accelerator} runs.",
        )
        return
    yield compared(seconds, default_config("encoder=tiny").trainer.precision)


def compared(seconds: Mapping[str, Sequence[float]], default: str) -> Finding:
    """Return what the rounds say of two precisions.

    Args:
        seconds: of a step, by precision, of every round; the rounds are in the same order.
        default: the precision that tlbench takes where nothing is set.
    """
    plain, other = seconds
    ratios = sorted(b / a for a, b in zip(seconds[plain], seconds[other], strict=True))
    ratio = median(ratios)
    steps = " and ".join(f"{1000 * median(each):.0f}" for each in seconds.values())
    measured = (
        f"a step of {other} takes {ratio:.2f} of the time of {plain} ({ratios[0]:.2f} to "
        f"{ratios[-1]:.2f} in {len(ratios)} rounds; {steps} ms for {plain} and {other})"
    )
    if abs(ratio - 1) <= _ALIKE:
        return Finding("ok", "precision", f"{measured}: they are alike; the default is {default}")
    if ratios[0] < 1 < ratios[-1]:
        found = f"{measured}: the rounds do not agree, as on a busy machine"
        return Finding("note", "precision", found, "Run tlbench-doctor again when it is idle.")
    fastest = other if ratio < 1 else plain
    if fastest == default:
        return Finding("ok", "precision", f"{measured}: the default, {default}, is the fastest")
    found = f"{measured}; the default is {default}"
    return Finding("note", "precision", found, _LATER.format(name=fastest))


def own_precisions() -> Iterator[Finding]:
    """Yield which experiments have a precision of their own, whatever is fastest here."""
    default = default_config("encoder=tiny").trainer.precision
    listed = "; ".join(
        f"{name} in {', '.join(experiments)}"
        for name, experiments in precisions_of_experiments().items()
    )
    yield Finding(
        "ok",
        "experiments",
        f"{default} by default; {listed}; trainer.precision on the command line overrides all",
    )
