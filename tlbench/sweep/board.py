"""Where the jobs of a sweep are, and the lines that say so."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size

from tlbench.jobs.followed import Report
from tlbench.plan.estimate import Work, seconds_of_each, work_of
from tlbench.sweep import time_left
from tlbench.sweep.plan import SweepJob
from tlbench.sweep.time_left import Done, clock

SILENCE = 60.0  # seconds without a sign of a job after which that is said
_NAMED = 4  # running jobs that a line of a log names


@dataclass
class Followed:
    """A job of the sweep as it is seen from outside.

    Attributes:
        title: tells it from all others.
        report: what it said last; None before it has begun.
        heard_at: when it said that.
        first: when it was first seen to train, the part of its work that was done by then, and
            the seconds since it had begun.
        is_later: whether it began when others had ended.
        outcome: ``61.2`` or ``failed: ...`` once it has ended.
        seconds: how long it took; None where nobody saw.
        is_lost: whether it is never to run, as something that it needs has failed.
    """

    job: SweepJob
    title: str
    work: Work
    before: float | None
    report: Report | None = None
    heard_at: float = 0.0
    first: tuple[float, float] | None = None
    is_later: bool = False
    outcome: str | None = None
    has_failed: bool = False
    seconds: float | None = None
    is_lost: bool = False

    @property
    def runs(self) -> bool:
        return self.report is not None and self.outcome is None

    @property
    def fraction(self) -> float:
        """The part of its work that is done."""
        progress = self.report.progress if self.report else None
        if progress is None or progress.unit != "step" or not (progress.step and progress.steps):
            return 0.0
        return progress.step / progress.steps

    def done(self, fraction: float) -> Done:
        """Return what it has trained while it was seen to, up to this part of its work."""
        assert self.report is not None
        before, since = self.first or (0.0, 0.0)
        if not time_left.is_enough(fraction - before):  # a short one, which nobody saw train
            before, since = 0.0, 0.0
        amount = (fraction - before) * self.work.amount
        return Done(self.work.encoder, amount, self.report.seconds - since)

    def line(self, now: float) -> str:
        """What it does, behind its title."""
        assert self.report is not None
        silence = now - self.heard_at
        sign = f", no sign for {clock(silence)}" if silence > SILENCE else ""
        return self.report.progress.line + sign


@dataclass
class Board:
    """All jobs of a sweep.

    Attributes:
        waves: in the order in which they run.
        unit: what a job makes.
        at_once: how many have been seen to run beside each other.
        by_job: the same rows, by the identity of their jobs.
        done: the work of the jobs that have ended and not failed, in that order.
    """

    waves: list[list[Followed]]
    unit: str = "stages"
    at_once: int = 1
    by_job: dict[int, Followed] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)

    @classmethod
    def of(cls, waves: Sequence[Sequence[SweepJob]], unit: str = "stages") -> "Board":
        """Return the board of jobs that have not begun."""
        jobs = [job for wave in waves for job in wave]
        works = [work_of(job.stage) if unit == "stages" else _NOTHING for job in jobs]
        rows = map(Followed, jobs, titles(jobs), works, seconds_of_each(works))
        by_job = {id(row.job): row for row in rows}
        return cls([[by_job[id(job)] for job in wave] for wave in waves], unit, by_job=by_job)

    @property
    def rows(self) -> list[Followed]:
        return [row for wave in self.waves for row in wave]

    @property
    def running(self) -> list[Followed]:
        return [row for row in self.rows if row.runs]

    def hear(self, job: SweepJob, report: Report, now: float) -> None:
        """Note what a job that runs has said."""
        row = self.by_job[id(job)]
        if row.report is None:
            row.is_later = bool(self.done)
        row.report, row.heard_at = report, now
        if row.first is None and 0 < row.fraction < 1:
            row.first = row.fraction, report.seconds
        self.at_once = max(self.at_once, len(self.running))

    def end(self, job: SweepJob, outcome: str, has_failed: bool) -> Followed:
        """Note what became of a job."""
        row = self.by_job[id(job)]
        row.outcome, row.has_failed = outcome, has_failed
        row.seconds = row.report.seconds if row.report else None
        if row.seconds and not has_failed:
            self.done.append(row.done(1.0))
        return row

    def lose(self, jobs: Iterable[SweepJob]) -> None:
        """Note which jobs are never to run, and with them those that need them."""
        lost = {job.stage.key for job in jobs}
        for row in self.rows:
            needs = {need.stage.key for need in row.job.stage.needs}
            if row.job.stage.key in lost or needs & lost:
                lost.add(row.job.stage.key)
                row.is_lost = row.outcome is None

    def head(self) -> str:
        """``12 of 35 stages, 1:40 left``."""
        ended, failed = self._counts()
        parts = [f"{ended} of {len(self.rows)} {self.unit}"]
        if failed:
            parts.append(f"{failed} failed")
        return ", ".join([*parts, f"{clock(self.seconds_left())} left"])

    def ended_line(self, row: Followed) -> str:
        """``12 of 35, 1:40 left: single rte s0 61.2 in 0:31``, for a log."""
        return f"{self._short_head()}: {row.title} {result(row)}"

    def running_line(self, now: float) -> str:
        """What runs, in one line for a log."""
        running = self.running
        said = [f"{row.title} ({row.line(now)})" for row in running[:_NAMED]]
        if len(running) > _NAMED:
            said.append(f"and {len(running) - _NAMED} more")
        return f"{self._short_head()}: " + ("; ".join(said) or "no job runs")

    def lines(self, now: float, width: int, height: int) -> list[str]:
        """The head and a line for each job that runs, at most so wide and so many."""
        running = self.running
        shown = running if len(running) < height else running[: max(0, height - 2)]
        room = max([cell_len(row.title) for row in shown], default=0)
        room = min(room, max(width // 2 - 2, 1))
        body = [f"  {fitted(row.title, room)}  {row.line(now)}" for row in shown]
        if not running:
            body = ["  no job runs"]
        if len(shown) < len(running):
            body.append(f"  and {len(running) - len(shown)} more")
        return [clipped(line, width) for line in [self.head(), *body]]

    def seconds_left(self) -> float | None:
        """Return how long the rest takes; None if that is not known of a job."""
        finished = time_left.speeds(self.done)
        running = time_left.speeds(list(self._work_of_running()))
        # A pool's first jobs load what its later ones find loaded.
        later = (row.first[1] for row in self.rows if row.first and row.is_later)
        loading = min(later, default=0.0)
        waves: list[list[float]] = []
        for wave in self.waves:
            left = [row for row in wave if row.outcome is None and not row.is_lost]
            left.sort(key=lambda row: not row.runs)  # those that run are in front
            seconds = []
            for row in left:
                whole = time_left.expected_seconds(row.work, finished, running, row.before)
                if whole is None:
                    return None
                begun = row.report.seconds if row.report else 0.0
                rest = 0.0 if row.first else max(0.0, loading - begun)
                seconds.append(rest + whole * (1 - row.fraction))
            waves.append(seconds)
        return time_left.seconds_left(waves, self.at_once)

    def _work_of_running(self) -> Iterable[Done]:
        for row in self.running:
            if row.first and time_left.is_enough(row.fraction - row.first[0]):
                yield row.done(row.fraction)

    def _counts(self) -> tuple[int, int]:
        ended = [row for row in self.rows if row.outcome is not None]
        failed = sum(row.has_failed for row in ended)
        return len(ended) - failed, failed

    def _short_head(self) -> str:
        ended, _ = self._counts()
        return f"{ended} of {len(self.rows)}, {clock(self.seconds_left())} left"


_NOTHING = Work(0.0, "", "")


def result(row: Followed) -> str:
    """``61.2 in 0:31``, or how it has failed."""
    took = "" if row.seconds is None else f" in {clock(row.seconds)}"
    return f"{row.outcome}{took}" if not row.has_failed else f"{row.outcome}"


def titles(jobs: Sequence[SweepJob]) -> list[str]:
    """Return a title for each job; those of one title have what differs in their overrides too."""
    return distinct([job.title for job in jobs], [job.overrides for job in jobs])


def distinct(plain: Sequence[str], overrides: Sequence[Sequence[str]]) -> list[str]:
    """Return titles; those that are the same have what differs in their overrides too.

    Args:
        overrides: of what each title is of.
    """
    same: dict[str, list[Sequence[str]]] = {}
    for title, words in zip(plain, overrides, strict=True):
        same.setdefault(title, []).append(words)
    common = {title: set.intersection(*map(set, of_title)) for title, of_title in same.items()}
    pairs = zip(plain, overrides, strict=True)
    return [_title(title, words, common[title]) for title, words in pairs]


def _title(title: str, overrides: Sequence[str], common: Collection[str]) -> str:
    # What was added for the job itself is none of the user's words.
    own = [word for word in overrides if word not in common and not word.startswith(_ADDED)]
    return f"{title} ({' '.join(own)})" if own else title


_ADDED = ("only_stage=", "keep_weights=", "++encoder.identity=", "++tuned.")


def fitted(text: str, width: int) -> str:
    """Return a text of exactly this width, cut or filled."""
    return set_cell_size(clipped(text, width), width)


def clipped(text: str, width: int) -> str:
    """Return a text of at most this width; what is cut leaves dots."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 3)) + "..."[:width]
