"""Weights of classes in the loss."""

from collections.abc import Sequence

import numpy as np

from .sampler import Sample


def balanced_weights(samples: Sequence[Sample], ndim: int, classes: int) -> list[float]:
    """Weights in inverse proportion to the labelled pixels of each class; their mean pixel has 1.

    A class without pixels, as a level of objects may be, weighs 1.
    """
    counts = np.zeros(classes, np.int64)
    for sample in samples:
        if sample.counts is not None:
            counts += sample.counts
            continue
        for _, (indices,) in sample.indices.read_frames(ndim):
            counts += np.bincount(indices[indices >= 0], minlength=classes)
    present = counts > 0
    even = counts.sum() / present.sum()
    return np.where(present, even / np.maximum(counts, 1), 1.0).tolist()
