"""Plain labels turned into probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, classes_of
from napari_segkit.images.labels import LabelsError, as_values, count, to_indices

MOST = 255  # classes; what has more values are the numbers of objects


def soft_labels(
    labels: Any,
    *,
    values: Sequence[int] | None = None,
    certainty: float = 0.8,
    unlabelled: int | None = None,
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Turn plain labels into probabilities, which can be smoothed.

    Parameters
    ----------
    labels : array-like or napari Labels layer
        Integers of 0 or more: the class of each pixel.
    values : sequence of int, optional
        The classes. None: the values there are, but for `unlabelled`.
    certainty : float
        The probability of the class that a pixel is labelled with; the others share the rest.
        Less lets the image and the neighbours change more.
    unlabelled : int or None
        The value of pixels of which nothing is known: there, as where the value is not among
        `values`, all classes have the same probability.

    Returns
    -------
    probabilities : ndarray
        float32 ``(classes, *shape of the labels)``, adding up to one at every pixel.
    values : tuple of int
        The label value of each class, in rising order.

    Raises
    ------
    ValueError
        If the labels are no integers of 0 or more, are of fewer than two classes or of more than
        255, or the certainty is not above that of a guess.
    """
    (painted,) = as_values([labels])
    chosen = count(painted)[0].tolist() if values is None else values
    soft = SoftLabels(painted, chosen, certainty=certainty, unlabelled=unlabelled)
    return soft[:,], soft.values


class SoftLabels:
    """Probabilities of plain labels, made where they are read: what `soft_labels` gives, lazily.

    Parameters
    ----------
    labels : array or napari Labels layer
        Integers of 0 or more: the class of each pixel; read region by region.
    values : sequence of int
        The classes; `unlabelled` is left out.
    certainty, unlabelled
        As in `soft_labels`.

    Attributes
    ----------
    values : tuple of int
        The label value of each class, in rising order.

    Raises
    ------
    ValueError
        As `soft_labels` does, here or where a region is read.
    """

    def __init__(
        self,
        labels: Any,
        values: Sequence[int],
        *,
        certainty: float = 0.8,
        unlabelled: int | None = None,
    ) -> None:
        self.values = _checked(values, unlabelled)
        self._guess = 1 / len(self.values)
        if not self._guess < certainty <= 1:
            raise ValueError(
                f"certainty is {certainty}; give a number above {self._guess:.3g}, which is a "
                f"guess among {len(self.values)} classes, and up to 1."
            )
        self._labels, self._certainty = full_resolution(labels), certainty
        self.shape = (len(self.values), *self._labels.shape)
        self.ndim, self.dtype = len(self.shape), np.dtype(np.float32)

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.values)

    def __getitem__(self, where: tuple[Any, ...]) -> NDArray[np.float32]:
        """Read a region: which classes first, then the place among the pixels."""
        (part,) = as_values([self._labels[where[1:]]])
        indices = to_indices(part, self.values)
        rest = np.float32((1 - self._certainty) / (len(self) - 1))
        probabilities = np.full((len(self), *part.shape), rest, np.float32)
        for position, soft in enumerate(probabilities):
            soft[indices == position] = self._certainty
            soft[indices < 0] = self._guess
        return probabilities[where[0]]


def all_classes(
    labels: Any, said: Sequence[LabelClass] = (), *, unlabelled: int | None = None
) -> tuple[LabelClass, ...]:
    """The classes of plain labels: those they are said to have, and all that are painted.

    Parameters
    ----------
    labels : array-like or napari Labels layer
        Integers of 0 or more; a layer also gives names and colours.
    said : sequence of LabelClass
        Those that a file or a layer names, painted or not.
    unlabelled : int or None
        The value that is no class.

    Returns
    -------
    tuple of LabelClass
        In the order of their values.
    """
    named = {c.value: c for c in said}
    painted = count(as_values([labels])[0])[0]
    values = sorted({*map(int, painted), *named} - {unlabelled})
    named = {c.value: c for c in classes_of(labels, values)} | named
    return tuple(named[v] for v in values)


def _checked(values: Sequence[int], unlabelled: int | None) -> tuple[int, ...]:
    """The classes, in rising order."""
    chosen = tuple(sorted({int(v) for v in values} - {unlabelled}))
    if len(chosen) < 2:
        raise LabelsError(
            f"The labels are of {len(chosen)} class{'es' * (not chosen)}, and there is nothing to "
            "choose between: give labels of two classes or more, or name all classes there can be "
            "with values."
        )
    if len(chosen) > MOST:
        raise LabelsError(
            f"The labels hold {len(chosen)} values, and probabilities are made for {MOST} classes "
            "at most: where each value is an object, take all objects as one class, such as "
            "labels > 0."
        )
    return chosen
