"""Convert object ids to per-pixel training targets."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectsBy
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.diameters import each_frame


def level_targets(
    ids: AnyArray,
    image: AxesImage,
    class_of: NDArray[np.intp],
    objects_by: ObjectsBy,
    spacing: Sequence[float],
    object_size: float,
) -> NDArray[np.int16]:
    """Encode instance ids as boundary or distance levels, which separate touching objects."""
    from napari_segkit.instances.level_targets import encode_levels

    ndim = len(spacing)
    indices = np.zeros(ids.shape, np.int16)
    target = AxesImage(indices, image.label_axes)
    for frame, plane in zip(target.frames(ndim), each_frame(ids, image, ndim), strict=True):
        encoded = encode_levels(plane, class_of, objects_by, spacing=spacing, size=object_size)
        target.write(indices, frame, encoded)
    return indices
