"""Images with their labels, as a training takes them: checked, paired, classes known."""

import warnings
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from napari_segkit.config import TrainConfig

from .axes_image import AxesImage, reorient_image
from .classes import LabelClass, classes_of, foreground_classes
from .label_stats import label_stats_of, read_training_labels
from .labels import LabelsError
from .orientation import reorient


def pair_up(images: Any, labels: Any) -> list[tuple[Any, Any]]:
    """One pair or two lists of the same length as a list of pairs.

    Parameters
    ----------
    images, labels : array-like or layer, or list of them
        As `Segmenter.fit` takes them.

    Returns
    -------
    list of tuple
        Image and labels, each.

    Raises
    ------
    ValueError
        If one is missing, or the lists differ in length.
    """
    if labels is None or images is None:
        raise ValueError("An image and its labels are needed: give both, or make a Labels layer.")
    if isinstance(labels, (list, tuple)) != isinstance(images, (list, tuple)):
        raise ValueError("Give one image and its labels, or a list of each.")
    if not isinstance(labels, (list, tuple)):
        return [(images, labels)]
    if len(images) != len(labels) or not labels:
        raise ValueError(
            f"There are {len(images)} images and {len(labels)} labels; give as many of each, at "
            "least one."
        )
    return list(zip(images, labels, strict=True))


def reorient_to_first(
    images: Sequence[AxesImage], values: Sequence[NDArray[Any]]
) -> tuple[list[AxesImage], list[NDArray[Any]]]:
    """Images and label values turned to lie as the first of them does.

    Parameters
    ----------
    images : sequence of AxesImage
        Those of no known orientation stay as they are.
    values : sequence of ndarray
        Label values, in the shapes of the images without channels.

    Returns
    -------
    tuple of list
        Views of the same pixels.
    """
    wanted = images[0].orientation
    return [reorient_image(i, wanted) for i in images], [
        reorient(v, i.label_axes, i.orientation, wanted)
        for i, v in zip(images, values, strict=True)
    ]


def training_labels(
    images: Sequence[AxesImage], labels: Sequence[Any], config: TrainConfig
) -> tuple[list[NDArray[Any]], tuple[LabelClass, ...]]:
    """Label values and the classes they name; notes become warnings, a problem an error.

    Parameters
    ----------
    images : sequence of AxesImage
        All with the same number of channels.
    labels : sequence of array-like or napari Labels layer
        One for each image.
    config : TrainConfig
        Its `unlabelled` and `labels_are`.

    Returns
    -------
    tuple
        The values of each, and the classes of all by rising value.

    Raises
    ------
    ValueError
        If the labels cannot be learned from; the sentence says why.
    """
    require_same_channels(images)
    values, cleaned = read_training_labels(
        labels, unlabelled=config.unlabelled, labels_are=config.labels_are, images=images
    )
    found = label_stats_of(values, config.unlabelled, cleaned=cleaned)
    if found.problem:
        raise LabelsError(found.problem, found.remedies)
    for note in found.notes:
        warnings.warn(note, UserWarning, stacklevel=4)
    if config.labels_are == "objects":
        return values, foreground_classes(list(found.counts))
    return values, classes_of(labels, list(found.counts))


def require_same_channels(images: Sequence[AxesImage]) -> None:
    """Raise ValueError where the images of one training differ in their number of channels."""
    channels = {i.channels for i in images}
    if len(channels) > 1:
        raise ValueError(
            f"The images have {' and '.join(map(str, sorted(channels)))} channels; all must have "
            "the same number."
        )
