"""What a network is to say at each pixel, made from labels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.data.images import Image
from napari_segkit.data.labels import to_indices
from napari_segkit.objects.levels import encode
from napari_segkit.objects.sizes import diameters, each_item

if TYPE_CHECKING:
    from .base import BaseTraining


def targets(training: "BaseTraining", values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Class indices for every pixel, or ids for methods that find objects one by one.

    Parameters
    ----------
    training : BaseTraining
        Its images, classes and spec.
    values : sequence of ndarray
        Label values or ids, in the shapes of the images without channels.

    Returns
    -------
    list of ndarray
        Integers of the same shapes, `IGNORE` where nothing is learned.
    """
    if training.class_of is None:
        wanted = [c.value for c in training.classes]
        return [to_indices(v, wanted) for v in values]
    if training.spec.objects is None:
        return list(values)
    pairs = zip(values, training.images, strict=True)
    return [_levels(training, training.class_of, ids, image) for ids, image in pairs]


def typical_size(training: "BaseTraining", values: Sequence[NDArray[Any]]) -> float:
    """Median diameter of the objects in pixels of the finest axis; 0 where there are none.

    Parameters
    ----------
    training, values
        As in `targets`.
    """
    if training.class_of is None:
        return 0.0
    found = [
        diameters(ids, training.inputs.spacing)
        for array, image in zip(values, training.images, strict=True)
        for ids in each_item(array, image, training.ndim)
    ]
    return float(np.median(np.concatenate(found)))


def _levels(
    training: "BaseTraining", class_of: NDArray[Any], ids: NDArray[Any], image: Image
) -> NDArray[np.int16]:
    indices = np.zeros(ids.shape, np.int16)
    named = Image(indices, image.label_axes)
    items = zip(named.items(training.ndim), each_item(ids, image, training.ndim), strict=True)
    for place, item in items:
        encoded = encode(
            item,
            class_of,
            str(training.spec.objects),
            spacing=training.inputs.spacing,
            size=training.object_size,
        )
        named.write(indices, place, encoded)
    return indices
