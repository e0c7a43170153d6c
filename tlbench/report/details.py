"""How a target's best guess and ``single`` learned, and where they err."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tlbench.analysis.advice import Advice
from tlbench.analysis.candidates import scored_runs
from tlbench.analysis.confusion import ByClass, Calibration, Confusion, errors_of
from tlbench.analysis.curves import curves
from tlbench.analysis.judged import Candidate
from tlbench.analysis.protocol import Protocols
from tlbench.analysis.saved import Predictions, usable
from tlbench.records.definitions import BASELINE
from tlbench.records.predictions import Saved
from tlbench.report.format import Column, Table
from tlbench.report.learning import MOST_CLASSES, curve_figure, errors_figure
from tlbench.report.picture import Picture, picture
from tlbench.report.strip import in_order
from tlbench.report.style import file_name

_COLUMNS = (
    Column("candidate", "candidate"),
    Column("class", "class"),
    Column("rows", "rows", "count"),
    Column("precision", "precision", "points"),
    Column("recall", "recall", "points"),
    Column("f1", "F1", "points"),
    Column("seeds", "seeds", "count"),
)
_NAME, _TITLE = "classes", "Scores by class"
_NOTE = (
    "On dev, means over seeds, in points. Precision: of the rows predicted as a class, those that "
    "are of it; recall: of the rows of a class, those predicted as it; F1: their harmonic mean."
)


@dataclass(frozen=True)
class Details:
    """What the page tells of how a target was learned.

    Attributes:
        pictures: learning curves, and a confusion matrix or a calibration.
        classes: scores by class; None for numbers, and without predictions.
        absent: what is not here and why, a sentence each.
    """

    pictures: Sequence[Picture] = ()
    classes: Table | None = None
    absent: Sequence[str] = ()


def details(
    advice: Advice,
    table: pd.DataFrame,
    protocols: Protocols,
    predictions: Predictions,
    folder: Path,
) -> Details:
    """Return the details of a target at one of its sizes, and write their figures.

    Args:
        advice: on the target.
        table: the records of one analysis, as ``collect`` gives them.
        protocols: theirs, which say what the classes are.
        predictions: of the records.
        folder: of figures.
    """
    runs = _runs_of(advice, table)
    if not runs:
        return Details()
    target, pictures, absent = advice.target, [], []
    learned = {name: curves(part) for name, part in runs.items()}
    learned = {name: of_seeds for name, of_seeds in learned.items() if of_seeds}
    if learned:
        caption = (
            f"{target}: dev score by step, every seed thin, their mean thick. A dot is the "
            f"evaluation whose weights were chosen."
        )
        name = f"curves_{file_name(target)}"
        pictures.append(picture(name, caption, curve_figure(learned), folder))
    else:
        absent.append("No learning curves: neither the records nor the store have them.")
    errors, why = _errors(runs, protocols, predictions)
    if why:
        absent.append(why)
    if drawn := _errors_picture(target, errors, folder):
        pictures.append(drawn)
    return Details(pictures, _classes(target, errors), absent)


def _runs_of(advice: Advice, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by name the scored runs of the best guess, or the next if that is it, and single."""
    size = advice.target, advice.target_rows
    return {advice.name(one): scored_runs(table, *size, one.key) for one in _shown(advice)}


def _shown(advice: Advice) -> list[Candidate]:
    ordered = [one for one in in_order(advice) if one.seeds]
    single = [one for one in ordered if one.strategy == BASELINE]
    others = [one for one in ordered if one.strategy != BASELINE]
    best = advice.verdict.best
    # Where single is the best guess, it is shown beside the next.
    first = [best] if best is not None and best.strategy != BASELINE else others[:1]
    return [*first, *single]


def _errors(
    runs: Mapping[str, pd.DataFrame], protocols: Protocols, predictions: Predictions
) -> tuple[dict[str, ByClass | Calibration], str]:
    """Return by candidate where it errs; and if there is none, a sentence that says why."""
    every = pd.concat(list(runs.values()))
    saved = usable(every, predictions)
    if not saved:
        return {}, "No errors by class: no predictions are saved that give the records' scores."
    if next(iter(saved.values())).counts is not None:
        return {}, "No errors by class: of tags what is counted of each row is saved with records."
    labels = protocols.flat[int(every.protocol.iloc[0])].get(f"tasks.{every.target.iloc[0]}.labels")
    # The protocol has values as texts: of a list of names, or None.
    classes = None if labels is None else ast.literal_eval(labels)
    if labels is None or not _are_of(saved, classes):
        return {}, "No errors by class: the records do not say which class a prediction is."
    by_name = {
        name: [saved[run] for run in part.index if run in saved] for name, part in runs.items()
    }
    return {name: errors_of(those, classes) for name, those in by_name.items() if those}, ""


def _are_of(saved: Mapping[object, Saved], classes: Sequence[str] | None) -> bool:
    """Return whether all labels and predictions are places in a list of classes."""
    if classes is None:
        return True
    each = [(one.labels, one.predictions) for one in saved.values()]
    if each[0][0].ndim == 2:
        return all(labels.shape[1] == len(classes) for labels, _ in each)
    values = np.concatenate([np.concatenate(both) for both in each])
    return bool(np.isin(values, np.arange(len(classes))).all())


def _errors_picture(
    target: str, errors: Mapping[str, ByClass | Calibration], folder: Path
) -> Picture | None:
    first = next(iter(errors.values()), None)
    if first is None:
        return None
    if isinstance(first, Calibration):
        caption = (
            f"{target}: true against predicted numbers on dev. Dots: rows (400 at most); line: "
            f"means of ten groups by prediction; dotted: a perfect prediction."
        )
        return picture(f"calibration_{file_name(target)}", caption, errors_figure(errors), folder)
    # A row of several labels is not taken for another one: the table by class says all.
    if not isinstance(first, Confusion) or len(first.classes) > MOST_CLASSES:
        return None
    caption = (
        f"{target}: of the dev rows of each class, the percentage predicted as each; means over "
        f"seeds."
    )
    return picture(f"confusion_{file_name(target)}", caption, errors_figure(errors), folder)


def _classes(target: str, errors: Mapping[str, ByClass | Calibration]) -> Table | None:
    rows = [
        {
            "target": target,
            "candidate": name,
            "class": of_class,
            "rows": found.rows[at],
            "precision": found.precision[at],
            "recall": found.recall[at],
            "f1": found.f1[at],
            "seeds": found.seeds,
        }
        for name, found in errors.items()
        if isinstance(found, ByClass)
        for at, of_class in enumerate(found.classes)
    ]
    return Table(_NAME, _TITLE, _NOTE, _COLUMNS, pd.DataFrame(rows)) if rows else None


def classes_table(every: Sequence[Details]) -> Table | None:
    """Return the scores by class of all targets together; None if there are none."""
    frames = [one.classes.frame for one in every if one.classes is not None]
    if not frames:
        return None
    columns = (Column("target", "target"), *_COLUMNS)
    return Table(_NAME, _TITLE, _NOTE, columns, pd.concat(frames, ignore_index=True))
