"""Turn plain labels into class probabilities."""

from collections.abc import Sequence

import numpy as np

from napari_segkit.arguments import as_label_values
from napari_segkit.config import SoftLabelConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, classes_of
from napari_segkit.images.colour_masks import classes_by_colour, is_coloured
from napari_segkit.images.labels import LabelsError, read_label_arrays, to_indices
from napari_segkit.images.types import Floats, ImageSource
from napari_segkit.images.value_counts import count_values

MAX_CLASSES = 255  # labels with more values are taken for instance ids


def soft_labels(
    labels: ImageSource,
    *,
    values: Sequence[int] | None = None,
    certainty: float = SoftLabelConfig.certainty,
    unlabelled: int | None = None,
) -> tuple[Floats, tuple[int, ...]]:
    """Turn plain labels into probabilities, which can be smoothed.

    Parameters
    ----------
    labels : array-like or napari Labels layer
        Integers of 0 or more: the class of each pixel.
    values : sequence of int, optional
        The classes. None: all values in the labels, except `unlabelled`.
    certainty : float
        The probability of the class that a pixel is labelled with; the others share the rest.
        With a lower value, the image and the neighbours change more.
    unlabelled : int or None
        The value of unlabelled pixels. These, and pixels whose value is not among `values`, get
        the same probability for all classes.

    Returns
    -------
    probabilities : ndarray
        float32 ``(classes, *shape of the labels)``, adding up to one at every pixel.
    values : tuple of int
        The label value of each class, in rising order.

    Raises
    ------
    ValueError
        If the labels are not integers of 0 or more, have fewer than two classes or more than 255,
        or the certainty is not above that of a guess.
    """
    for name, value in (("certainty", certainty), ("unlabelled", unlabelled)):
        config_fields(SoftLabelConfig)[name].check(value, name)
    config = SoftLabelConfig(certainty, unlabelled)
    ((source,),) = classes_by_colour([labels])
    (array,) = read_label_arrays([source])
    chosen = count_values(array)[0].tolist() if values is None else values
    soft = SoftLabels(array, chosen, config)
    return soft[:,], soft.values


class SoftLabels:
    """Lazy `soft_labels`: an array of ``(classes, *shape)`` probabilities, computed when sliced."""

    def __init__(
        self,
        labels: ImageSource,
        values: Sequence[int],
        config: SoftLabelConfig | None = None,
    ) -> None:
        config = config or SoftLabelConfig()
        self.values = _check_classes(values, config.unlabelled)
        self._guess, self._certainty = 1 / len(self.values), config.certainty
        if self._certainty <= self._guess:
            raise ValueError(
                f"certainty is {self._certainty}; give a number above {self._guess:.3g} (chance "
                f"for {len(self.values)} classes) and up to 1."
            )
        self._labels = full_resolution(labels, "labels")
        self.shape = (len(self.values), *self._labels.shape)
        self.ndim, self.dtype = len(self.shape), np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: tuple[slice | int, ...]) -> Floats:
        (labels,) = read_label_arrays([self._labels[index[1:]]])
        indices = to_indices(labels, self.values)
        rest = np.float32((1 - self._certainty) / (len(self) - 1))
        probabilities = np.full((len(self), *labels.shape), rest, np.float32)
        for position, soft in enumerate(probabilities):
            soft[indices == position] = self._certainty
            soft[indices < 0] = self._guess
        soft_classes: Floats = probabilities[index[0]]
        return soft_classes


def all_classes(
    labels: ImageSource, named: Sequence[LabelClass] = (), *, unlabelled: int | None = None
) -> tuple[LabelClass, ...]:
    """Classes of plain labels in rising order: those in the pixels and those that are named."""
    by_value = {c.value: c for c in named}
    if is_coloured(full_resolution(labels)):
        raise LabelsError(
            "The labels are in colour, which refinement does not read: give their file to segkit "
            "smooth, or labels of one value per pixel."
        )
    present = count_values(read_label_arrays([labels])[0])[0]
    values = sorted({*map(int, present), *by_value} - {unlabelled})
    by_value = {c.value: c for c in classes_of(labels, values)} | by_value
    return tuple(by_value[v] for v in values)


def _check_classes(values: Sequence[int], unlabelled: int | None) -> tuple[int, ...]:
    classes = tuple(sorted(set(as_label_values(values)) - {unlabelled}))
    if len(classes) < 2:
        raise LabelsError(
            f"The labels have {len(classes)} class{'es' * (not classes)}, and refinement needs at "
            "least two: give labels of two classes or more, or list all possible classes with "
            "values."
        )
    if len(classes) > MAX_CLASSES:
        raise LabelsError(
            f"The labels have {len(classes)} values, and at most {MAX_CLASSES} classes can become "
            "probabilities: if each value is an object, merge them into one foreground class, "
            "such as labels > 0."
        )
    return classes
