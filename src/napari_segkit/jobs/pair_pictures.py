"""A picture of some pairs of image and labels, to see whether they belong together."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import classes_of
from napari_segkit.images.labels import looks_like_instance_ids, read_label_arrays
from napari_segkit.images.pictures import Overlay, Picture, in_columns, pictures_of
from napari_segkit.images.types import AnyArray, ImageSource

T = TypeVar("T")
MAX_PAIRS = 16
COLUMNS = 4


def random_pairs(pairs: Sequence[T], seed: int) -> list[T]:
    """Up to `MAX_PAIRS` of all pairs, in their order."""
    count = min(MAX_PAIRS, len(pairs))
    chosen = np.random.default_rng(seed).choice(len(pairs), count, replace=False)
    return [pairs[number] for number in sorted(chosen.tolist())]


def picture_of_pairs(
    pairs: Iterable[tuple[AxesImage, ImageSource]], config: TrainConfig, *, objects: bool
) -> Picture:
    """Images with their labels over them; `objects`: the model is trained on objects."""
    return in_columns([_labelled(*pair, config, objects=objects) for pair in pairs], COLUMNS)


def _labelled(
    image: AxesImage, labels: ImageSource, config: TrainConfig, *, objects: bool
) -> tuple[str, Picture]:
    (values,) = read_label_arrays([labels], [image])
    overlay = Overlay(
        values,
        {c.value: c.color for c in classes_of(labels, np.unique(values).tolist())},
        _are_objects(values, config, objects=objects),
        config.unlabelled,
    )
    (picture,) = pictures_of(image, [overlay], alone=False)
    return image.name, picture


def _are_objects(values: AnyArray, config: TrainConfig, *, objects: bool) -> bool:
    if config.labels_are == "ask":
        return objects or looks_like_instance_ids(values, config.unlabelled)
    return config.labels_are == "objects"
