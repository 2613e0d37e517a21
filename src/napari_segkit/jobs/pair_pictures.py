"""A picture of some pairs of image and labels, to see whether they belong together."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.classes import classes_of
from napari_segkit.images.labels import looks_like_instance_ids, read_label_arrays
from napari_segkit.images.pictures import Overlay, Picture, in_columns, pictures_of
from napari_segkit.images.types import AnyArray, ImageSource
from napari_segkit.training_set import TrainingRow, TrainingSet

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
    """Random rows of a training set; `axes` of its images, as in `Segmenter.fit`."""
    rows = [row for row in training_set.rows if row.role != "leave out"]
    chosen = random_pairs(rows, config.seed)
    pairs = ((image_of(row, axes), row.labels) for row in chosen)
    return picture_of_pairs(pairs, config, objects=objects)


def picture_of_pairs(
    pairs: Iterable[tuple[AxesImage, ImageSource]], config: TrainConfig, *, objects: bool
) -> Picture:
    """Images with their labels over them; `objects`: the model is trained on objects."""
    return in_columns([_labelled(*pair, config, objects=objects) for pair in pairs], COLUMNS)


def image_of(row: TrainingRow, axes: str | None) -> AxesImage:
    """The image of a row."""
    image = as_image(row.image, axes, labels_shape=full_resolution(row.labels).shape)
    return replace(image, name=row.name) if row.name else image


def overlay_of(
    image: AxesImage, labels: ImageSource, config: TrainConfig, *, objects: bool
) -> Overlay:
    """Labels as they are drawn over their image."""
    (values,) = read_label_arrays([labels], [image])
    return Overlay(
        values,
        {c.value: c.color for c in classes_of(labels, np.unique(values).tolist())},
        _are_objects(values, config, objects=objects),
        config.unlabelled,
    )


def _labelled(
    image: AxesImage, labels: ImageSource, config: TrainConfig, *, objects: bool
) -> tuple[str, Picture]:
    overlay = overlay_of(image, labels, config, objects=objects)
    (picture,) = pictures_of(image, [overlay], alone=False)
    return image.name, picture


def _are_objects(values: AnyArray, config: TrainConfig, *, objects: bool) -> bool:
    if config.labels_are == "ask":
        return objects or looks_like_instance_ids(values, config.unlabelled)
    return config.labels_are == "objects"
