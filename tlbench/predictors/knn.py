"""How well each row's nearest neighbours among the others tell its label."""

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 3

Array = NDArray[np.float64]


def knn(features: Array, labels: Array, is_classes: bool, neighbours: int = NEIGHBOURS) -> float:
    """Return the leave-one-out accuracy; of numbers the correlation with the neighbours' mean.

    Of rows of several labels it is micro F1 of those that most neighbours have.

    Args:
        features: (rows, any), compared by their cosine.
        labels: (rows,), whole numbers from 0 of classes, else any; of rows of several labels
            (rows, labels), each 0 or 1.
        neighbours: how many vote; a draw is of the nearest of the classes in it.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths == 0, 1, lengths)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :neighbours]
    if labels.ndim == 2:
        votes = labels[nearest].mean(axis=1) > 0.5
        either = votes.sum() + labels.sum()
        return float(2 * (votes * labels).sum() / either) if either else 0.0
    if not is_classes:
        said = labels[nearest].mean(axis=1)
        return float(np.corrcoef(said, labels)[0, 1]) if np.ptp(said) and np.ptp(labels) else 0.0
    votes = (labels[nearest][:, :, None] == np.unique(labels)).astype(float)
    # A little more for the nearer ones decides a draw and nothing else.
    ballots = (votes * (1 - 1e-6 * np.arange(neighbours))[None, :, None]).sum(axis=1)
    return float((np.unique(labels)[ballots.argmax(axis=1)] == labels).mean())
