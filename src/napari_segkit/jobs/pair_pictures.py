"""A picture of some pairs of image and labels, to see whether they belong together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import classes_of
from napari_segkit.images.labels import looks_like_instance_ids
from napari_segkit.images.pictures import Overlay, Picture, in_columns, pictures_of
from napari_segkit.images.types import AnyArray
from napari_segkit.training.open_row import open_row
from napari_segkit.training_set import TrainingRow, TrainingSet

if TYPE_CHECKING:
    from napari_segkit.config.pictures import Style

T = TypeVar("T")
MAX_PAIRS = 16
COLUMNS = 4


def random_pairs(pairs: Sequence[T], seed: int, most: int = MAX_PAIRS) -> list[T]:
    """Some of all pairs, in their order."""
    count = min(most, len(pairs))
    chosen = np.random.default_rng(seed).choice(len(pairs), count, replace=False)
    return [pairs[number] for number in sorted(chosen.tolist())]


def picture_of_set(
    training_set: TrainingSet, config: TrainConfig, axes: str | None, *, objects: bool
) -> Picture:
    """Random rows of a training set, images with their labels over them.

    `axes` are those of the images, as in `Segmenter.fit`; `objects`: the model is trained on them.
    """
    rows = [row for row in training_set.rows if row.role != "leave out"]
    chosen = random_pairs(rows, config.seed)
    return in_columns([_labelled(row, config, axes, objects=objects) for row in chosen], COLUMNS)


def read_row(
    row: TrainingRow, config: TrainConfig, axes: str | None, *, objects: bool
) -> tuple[AxesImage, Overlay]:
    """The image of a row, and its labels as they are drawn over it."""
    opened = open_row(row, axes, None, ArrayCache())
    values = np.asarray(opened.values)
    classes = opened.classes or classes_of(opened.labels, np.unique(values).tolist())
    colors = {c.value: c.color for c in classes}
    are_objects = _are_objects(values, config, objects=objects)
    style: Style = "contours" if are_objects else "colours"
    return opened.image, Overlay(values, colors, style, config.unlabelled)


def _labelled(
    row: TrainingRow, config: TrainConfig, axes: str | None, *, objects: bool
) -> tuple[str, Picture]:
    image, overlay = read_row(row, config, axes, objects=objects)
    (picture,) = pictures_of(image, [overlay], alone=False)
    return image.name, picture


def _are_objects(values: AnyArray, config: TrainConfig, *, objects: bool) -> bool:
    if config.labels_are == "ask":
        return objects or looks_like_instance_ids(values, config.unlabelled)
    return config.labels_are == "objects"
