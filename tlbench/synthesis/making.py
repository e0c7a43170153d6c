"""The rows of a stage while they are written: which try is next, what of it is kept."""

import time
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from tlbench import progress
from tlbench.errors import UserError
from tlbench.plan.prompt import parse, request
from tlbench.plan.rows_stage import RowsStage
from tlbench.synthesis.filters import DISAGREES, ENOUGH, UNPARSED, Filters
from tlbench.synthesis.target_rows import TargetRows
from tlbench.synthesis.teacher import Teacher
from tlbench.synthesis.tries import Answer, Tries, Try
from tlbench.synthesis.writer import Writer
from tlbench.training.context import StageContext

Texts = tuple[str, ...]


class Making:
    """The rows of a stage, as far as they are written.

    Labels take turns. A try is a batch of answers to one prompt, whose examples and choice of
    tokens come from ``synthesis.seed``, the label and how many tries of it there were: what is
    written does not depend on where a job was killed.

    Args:
        run: of the stage.
        device: where the models compute.

    Attributes:
        tries: of the model, in their order.
        kept: the rows of each label, (labels, rows of it).
    """

    def __init__(self, run: StageContext, device: torch.device) -> None:
        assert isinstance(run.stage, RowsStage)
        self.run, self.stage, self.device = run, run.stage, device
        self.options, self.labels = run.stage.options, run.stage.task.labels or []
        self.texts = len(run.stage.task.source.text)
        self.target = TargetRows(run.stage)
        digests = self.target.train_digests(), self.target.scored_digests()
        self.filters = Filters(self.options, *digests)
        self.kept: list[list[Texts]] = [[] for _ in self.labels]
        self.saved = Tries(run.folder)
        self.tries = self.saved.read()
        for one in self.tries:
            for answer in one.answers:
                self._take(one.label, answer)

    @cached_property
    def writer(self) -> Writer:
        """The language model, which takes a while to load, if there is still something to write."""
        return Writer(self.options, self.stage.identity, self.device)

    @cached_property
    def teacher(self) -> Teacher | None:
        """The judge of the rows, if ``synthesis.agreement`` asks for one."""
        judge = self.stage.teacher
        if judge is None:
            return None
        (weights,) = (one.weights for one in self.run.needed if one.need == judge)
        assert weights is not None
        return Teacher(judge.stage, weights, self.device)

    def go_on(self) -> None:
        """Have the model write until every label has its rows.

        Raises:
            UserError: naming ``synthesis.tries``, once a label has had too many.
        """
        done = Counter(one.label for one in self.tries)
        progress.at(sum(map(len, self.kept)))
        while (label := self._next(done)) is not None:
            one = self._try(label, done[label])
            if self.run.claim is not None:
                self.run.claim.check()
            self.saved.add(one)
            self.tries.append(one)
            done[label] += 1
            progress.at(sum(map(len, self.kept)))

    def _quota(self, label: int) -> int:
        """Return how many rows a label has in the end: as many as any other, or one more."""
        each, more = divmod(sum(self.stage.counts.values()), len(self.labels))
        return each + (label < more)

    def _next(self, done: Counter[int]) -> int | None:
        """Return the label to ask for: with the fewest tries of those that lack rows; or None."""
        lacking = [n for n, rows in enumerate(self.kept) if len(rows) < self._quota(n)]
        if not lacking:
            return None
        label = min(lacking, key=lambda one: (done[one], one))
        if done[label] * self.options.batch >= self._quota(label) * self.options.tries:
            raise UserError(self._too_few(label))
        return label

    def _too_few(self, label: int) -> str:
        answers = [a for one in self.tries if one.label == label for a in one.answers]
        reasons = Counter(answer.reason for answer in answers if answer.reason)
        listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        return (
            f"Change synthesis.tries to more than {self.options.tries}, which goes on from here, "
            f"or synthesis.model, its prompt or the filters: of {len(answers):,} answers for the "
            f"label {self.labels[label]}, {len(self.kept[label])} were rows, of the "
            f"{self._quota(label)} that are wanted ({listed})."
        )

    def _try(self, label: int, number: int) -> Try:
        """Have the model write answers for a label, and look at each."""
        writer, began = self.writer, time.monotonic()  # to load it is no part of writing
        numbers = np.random.default_rng([self.options.seed, label, number])
        examples = self.target.examples(label, self.options.examples, numbers)
        asked = request(self.options, self.labels, self.labels[label], self.texts)
        written = writer.write(asked, examples, self.texts, int(numbers.integers(2**62)))
        rows = [parse(one.text, self.texts, one.has_ended) for one in written]
        judged = iter(self._judged([row for row in rows if row is not None]))
        answers = []
        for one, row in zip(written, rows, strict=True):
            reason = UNPARSED if row is None else self._reason(label, row, examples, next(judged))
            answers.append(Answer(one.text, row or (), reason))
            self._take(label, answers[-1])
        tokens = sum(one.tokens for one in written)
        return Try(label, number, tuple(answers), tokens, round(time.monotonic() - began, 3))

    def _judged(self, rows: Sequence[Texts]) -> Sequence[int | None]:
        """Return the label that the teacher gives each row; None without one."""
        return [None] * len(rows) if self.teacher is None else self.teacher.labels(rows)

    def _reason(
        self, label: int, row: Texts, examples: Sequence[Texts], judged: int | None
    ) -> str | None:
        """Return why a row is left out; None if it is not."""
        if reason := self.filters.reason(row, examples):
            return reason
        if judged not in (None, label):
            return DISAGREES
        return ENOUGH if len(self.kept[label]) >= self._quota(label) else None

    def _take(self, label: int, answer: Answer) -> None:
        """Take over what has become of an answer."""
        if answer.reason is None:
            self.kept[label].append(answer.texts)
            self.filters.keep(answer.texts)
