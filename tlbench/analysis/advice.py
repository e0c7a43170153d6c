"""Says a verdict in words: what to do for a target, what is proved, what may still be the best."""

from dataclasses import dataclass

import numpy as np

from tlbench.analysis.bootstrap_metrics import can_resample
from tlbench.analysis.judged import Candidate
from tlbench.analysis.names import Labels
from tlbench.analysis.on_test import OnTest
from tlbench.analysis.verdicts import Verdict
from tlbench.console import points
from tlbench.records.definitions import ALL, BASELINE, NONE

_PROVED = {
    "better": "proved better than {single}",
    "not worse": "proved not worse than {single}",
    "nothing": "not proved better than {single}",
    "untested": "not tested",
}
_MOST = 4  # candidates that a sentence names


@dataclass(frozen=True)
class Advice:
    """A verdict in a study's own words, what its best guess does on test rows, and what leaks."""

    verdict: Verdict
    labels: Labels
    on_test: OnTest | None = None
    leaks: str = ""

    @property
    def target(self) -> str:
        return self.verdict.target

    @property
    def target_rows(self) -> int:
        return self.verdict.target_rows

    @property
    def do(self) -> str:
        """The best guess; ``-`` without any score."""
        return "-" if self.verdict.best is None else self.name(self.verdict.best)

    @property
    def single(self) -> str:
        """How people read the target alone."""
        return self.labels.candidate(BASELINE, NONE)

    @property
    def proved(self) -> str:
        """What is proved of the best guess, in words that stand beside it."""
        best = self.verdict.best
        if best is None:
            return "no score"
        if best.strategy != BASELINE:
            return _PROVED[best.proved].format(single=self.single)
        if not self.verdict.is_tested:
            return _PROVED["untested"]
        return "proved best" if len(self.verdict.may_be_best) == 1 else "none proved better"

    @property
    def sentences(self) -> list[str]:
        """The numbers, in points, the first thing to know first."""
        parts = [
            self._chance(),
            self._gain(),
            self._leaks(),
            self._collapsed(),
            self._caution(),
            self._others(),
            self._set(),
            self._added(),
            self._on_test(),
        ]
        return [part for part in parts if part]

    @property
    def warnings(self) -> list[str]:
        """The sentences that nobody may miss who takes the best guess for a model."""
        return [part for part in (self._chance(), self._leaks(), self._collapsed()) if part]

    def name(self, one: Candidate) -> str:
        """Return a candidate in words: ``MTL with mnli``, with rows where there are several."""
        label = self.labels.candidate(one.strategy, one.method)
        if one.support in (NONE, ALL):
            return label
        sizes = {
            other.support_rows for other in self.verdict.candidates if other.support == one.support
        }
        rows = f" ({one.support_rows:,} rows)" if len(sizes) > 1 else ""
        return f"{label} with {one.support}{rows}"

    def _chance(self) -> str:
        if self.verdict.beats_chance:
            return ""
        return (
            f"No candidate is above the majority class ({points(self.verdict.majority)}) by more "
            f"than its error, so none is seen to have learned the task: before choosing, train "
            f"longer (trainer.max_epochs), with another optim.lr, or on more rows."
        )

    def _gain(self) -> str:
        best, verdict = self.verdict.best, self.verdict
        if best is None:
            return ""
        count = len(verdict.candidates)
        if best.strategy == BASELINE or np.isnan(best.gain):
            return f"{points(best.score)} points, the most to expect of {count} candidates."
        many = f" (best of {count - 1})" if count > 2 else ""
        text = f"{_gain(best.gain)} points over {self.single}{many}"
        if not np.isnan(best.shrunk):
            text += f", of which {_gain(best.shrunk)} can be expected"
        if np.isnan(best.low):
            return text + "; no interval, which takes two seeds or more."
        over = "seeds and dev rows" if best.has_rows else "seeds alone"
        bounds = f"{_gain(best.low)} to {_gain(best.high)}"
        level = f"{100 * verdict.level:.0f}% interval over {over}"
        return f"{text}; {level}, at {best.look} seeds: {bounds}."

    def _leaks(self) -> str:
        return f"Beware: {self.leaks}." if self.leaks else ""

    def _collapsed(self) -> str:
        judged = [one for one in (self.verdict.best, self.verdict.single) if one is not None]
        counts = {self.name(one): one for one in judged if one.collapsed}
        said = [f"{one.collapsed} of {one.seeds} of {name}" for name, one in counts.items()]
        text = f"Collapsed runs: {', '.join(said)}." if said else ""
        single = self.verdict.single
        if single is None or 2 * single.collapsed <= single.seeds:
            return text
        return (
            f"{text} As most runs of {self.single} have, a gain over it says little: train longer "
            "(trainer.max_epochs), or with another optim.lr."
        )

    def _caution(self) -> str:
        best = self.verdict.best
        if best is None or best.strategy == BASELINE or best.has_rows or np.isnan(best.low):
            return ""
        text = "Nothing is proved without the saved predictions of all runs"
        if not can_resample(self.verdict.metric):
            text = f"Nothing is proved of {self.verdict.metric}, which reports can't compute anew"
        if np.isnan(best.row_error):
            return f"{text}: other dev rows could give another gain."
        error = f"{100 * best.row_error:.1f}"
        return (
            f"{text}: other dev rows could change the gain, by a standard error of up to {error}."
        )

    def _others(self) -> str:
        """Return what is proved better where the best guess is not."""
        better = [self.name(one) for one in self.verdict.candidates if one.proved == "better"]
        if not better or self.verdict.proved == "better":
            return ""
        return f"Proved better than {self.single}: {', '.join(better)}."

    def _set(self) -> str:
        verdict = self.verdict
        if verdict.proved == "untested" and not any(one.has_rows for one in verdict.candidates):
            return ""
        # Where no probability is known they stay in order of costs.
        kept = sorted(verdict.may_be_best, key=lambda one: -np.nan_to_num(one.probability))
        if len(kept) < 2:
            return ""
        order = "cheapest" if np.isnan(kept[0].probability) else "likeliest"
        return (
            f"May still be the best, the {order} first: {len(kept)} of "
            f"{len(verdict.candidates)}: {_listed([self._with_probability(one) for one in kept])}."
        )

    def _added(self) -> str:
        added = [self.name(one) for one in self.verdict.candidates if one.batch]
        if not added:
            return ""
        return (
            f"Added when results could be seen, so with a small share of the permitted error: "
            f"{_listed(added)}."
        )

    def _on_test(self) -> str:
        found = self.on_test
        if found is None:
            return ""
        text = f"On {found.rows:,} test rows, which chose nothing: {points(found.score)}"
        if np.isnan(found.score_bounds[0]):
            return f"{text}; no interval, which takes two seeds or more."
        over = "seeds and rows" if found.has_rows else "seeds alone"
        level = f"{100 * self.verdict.level:.0f}% interval over {over}"
        low, high = (points(bound) for bound in found.score_bounds)
        text += f" ({level} {low} to {high})"
        if np.isnan(found.gain):
            return f"{text}."
        bounds = " to ".join(_gain(bound) for bound in found.gain_bounds)
        return f"{text}, {_gain(found.gain)} over {self.single} ({bounds})."

    def _with_probability(self, one: Candidate) -> str:
        name = self.name(one)
        return name if np.isnan(one.probability) else f"{name} ({100 * one.probability:.0f}%)"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _gain(value: float) -> str:
    return f"{100 * value:+.1f}"
