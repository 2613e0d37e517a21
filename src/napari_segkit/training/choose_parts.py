"""Choose parts of labels to hold out, by how much they hold of each class."""

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import IGNORE

MOST = 0.5  # of the pixels of a class that may be held out
FOLDS = 5
Counts = NDArray[np.int64]  # (parts, classes)
Mask = NDArray[np.bool_]


def choose_parts(
    counts: Counts, fraction: float, random: np.random.Generator, most: float = MOST
) -> Mask:
    """Choose parts that hold about a fraction of each class, the rarest first.

    No class loses more than `most` of its pixels, so each stays in the training.
    """
    chosen, total = np.zeros(len(counts), bool), counts.sum(axis=0)
    enough = fraction * total.sum()
    for index in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        for part in random.permutation(np.flatnonzero((counts[:, index] > 0) & ~chosen)):
            held = counts[chosen, index].sum()
            share, more = held / total[index], (held + counts[part, index]) / total[index]
            is_enough = counts[chosen].sum() >= enough or abs(more - fraction) >= fraction - share
            if held and is_enough:
                break
            if (counts[chosen].sum(axis=0) + counts[part] <= most * total).all():
                chosen[part] = True
    return chosen


def assign_folds(
    counts: Counts, random: np.random.Generator, folds: int = FOLDS
) -> NDArray[np.int16]:
    """Fold of each part, so that each holds about as much of each class, the rarest first."""
    fold_of = np.full(len(counts), IGNORE, np.int16)
    sums = np.zeros((folds, counts.shape[1]))
    for index in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        parts = random.permutation(np.flatnonzero((counts[:, index] > 0) & (fold_of < 0)))
        for part in parts[np.argsort(-counts[parts, index], kind="stable")]:
            fold_of[part] = np.lexsort((sums.sum(axis=1), sums[:, index]))[0]
            sums[fold_of[part]] += counts[part]
    return fold_of
