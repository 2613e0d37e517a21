"""Images and labels for training: paired, checked, and with the classes they hold."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from napari_segkit.arguments import given
from napari_segkit.config import TrainConfig

from .axes_image import AxesImage, full_resolution, reorient_image
from .channel_sources import channel_sources
from .classes import LabelClass, classes_of, foreground_classes
from .label_stats import LabelCounts, TrainingLabels, label_stats_of, training_labels
from .labels import LabelsError
from .orientation import reorient
from .types import ImageSource, LazyArray

Given: TypeAlias = ImageSource | Sequence[ImageSource]  # one image or labels, or a list of them


def pair_up(images: Given, labels: Given | None) -> list[tuple[Any, Any]]:
    """Pairs of one image and its labels, or of two lists of the same length."""
    if labels is None or images is None:
        raise ValueError(
            "An image and its labels are needed: give both or a TrainingSet, or make a Labels "
            "layer."
        )
    if isinstance(labels, (list, tuple)) != isinstance(images, (list, tuple)):
        raise ValueError(
            f"images is {given(images)} and labels is {given(labels)}: give one image and its "
            "labels, or a list of each."
        )
    if not isinstance(labels, (list, tuple)) or not isinstance(images, (list, tuple)):
        return _two_sources([(images, labels)])
    if len(images) != len(labels) or not labels:
        raise ValueError(
            f"There are {len(images)} images and {len(labels)} labels: give the same number of "
            "both, at least one."
        )
    return _two_sources(list(zip(images, labels, strict=True)))


def _two_sources(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    for number, (image, labels) in enumerate(pairs):
        place = f"[{number}]" * (len(pairs) > 1)
        require_two_sources(image, labels, (f"images{place}", f"labels{place}"))
    return pairs


def require_two_sources(image: Any, labels: Any, names: tuple[str, str]) -> None:
    """Refuse what has no pixels, and one layer or array as an image and its labels."""
    if (parts := channel_sources(image)) is not None:
        for name, channel in parts:
            require_two_sources(channel, labels, (name, names[1]))
        return
    if hasattr(labels, "open"):  # a file, which is no layer
        return
    arrays = full_resolution(image, names[0]), full_resolution(labels, names[1])
    if isinstance(image, list) and arrays[0].ndim < 2:
        raise ValueError(
            f"{names[0]} is a list of numbers, but each of several images has rows: give "
            "arrays, such as numpy.array(images)."
        )
    if image is labels or arrays[0] is arrays[1]:
        name = str(getattr(image, "name", "")) or names[0]
        raise ValueError(
            f"{name} is given as image and as its own labels: give the labels of the image."
        )


def reorient_to(
    target: str, images: Sequence[AxesImage], values: Sequence[LazyArray]
) -> list[tuple[AxesImage, LazyArray]]:
    """Views of images and of their label values in one orientation."""
    return [
        (reorient_image(image, target), reorient(v, image.label_axes, image.orientation, target))
        for image, v in zip(images, values, strict=True)
    ]


def training_classes(
    labels: Sequence[ImageSource], counted: Sequence[LabelCounts], config: TrainConfig
) -> tuple[TrainingLabels, tuple[LabelClass, ...], TrainConfig]:
    """Labels as trained on, their classes, and the settings with what is unlabelled.

    Notes become warnings, problems errors.
    """
    read = training_labels(counted, unlabelled=config.unlabelled, labels_are=config.labels_are)
    stats = label_stats_of(read)
    if stats.problem:
        raise LabelsError(stats.problem, stats.remedies)
    for note in stats.notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    merged = config.labels_are == "objects"
    found = list(stats.counts)
    classes = foreground_classes(found) if merged else classes_of(labels, found)
    return read, classes, replace(config, unlabelled=read.unlabelled)
