"""Convert object ids to per-pixel training targets."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec, ObjectsBy, TrainConfig
from napari_segkit.images.array_cache import CachedArray, MappedArray
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import LabelsError, to_indices
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.images.value_counts import count_values
from napari_segkit.instances.diameters import diameters, each_frame, occurrences

from .dataset import LabelledImages


def _level_targets(
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


def targets_of(
    spec: ModelSpec,
    labelled: LabelledImages,
    images: Sequence[AxesImage],
    values: Sequence[LazyArray],
    spacing: Sequence[float],
    object_size: float,
) -> list[LazyArray]:
    """Class indices for every pixel, or ids for instance methods; computed when they are read."""
    if labelled.class_of is None:
        indices = partial(to_indices, classes=[c.value for c in labelled.classes])
        return [MappedArray(v, indices, np.dtype(np.int16)) for v in values]
    if spec.objects is None:
        return list(values)
    encode = partial(
        _level_targets,
        class_of=labelled.class_of,
        objects_by=spec.objects,
        spacing=spacing,
        object_size=object_size,
    )

    def levels(ids: LazyArray, image: AxesImage) -> LazyArray:
        make = partial(_encoded, encode, ids, image)
        name = f"The labels of {image.name}"
        return CachedArray(image.label_shape, np.dtype(np.int16), make, labelled.cache, name)

    return [levels(*pair) for pair in zip(values, images, strict=True)]


def _encoded(
    encode: Callable[[AnyArray, AxesImage], AnyArray], ids: LazyArray, image: AxesImage
) -> AnyArray:
    return encode(np.asarray(ids), image)


def object_sizes(
    values: Sequence[LazyArray], images: Sequence[AxesImage], spacing: Sequence[float]
) -> tuple[int, float]:
    """Number of objects, and their median diameter in pixels of the finest axis."""
    count, sizes = 0, []
    for ids, image in zip(map(np.asarray, values), images, strict=True):
        count += len(occurrences(ids, image))
        sizes += [diameters(plane, spacing) for plane in each_frame(ids, image, len(spacing))]
    return count, float(np.median(np.concatenate(sizes)))


def index_counts(
    config: TrainConfig, labelled: LabelledImages, images: Sequence[AxesImage], ndim: int
) -> list[NDArray[np.int64] | None]:
    """Pixels of each class in images of one frame, if they were counted as they are."""
    is_resampled = config.voxel_size is not None or config.resize is not None
    if is_resampled or labelled.class_of is not None or not labelled.counts:
        return [None] * len(images)
    values = [c.value for c in labelled.classes]
    return [
        np.array([counts.get(v, 0) for v in values]) if image.frame_count(ndim) == 1 else None
        for counts, image in zip(labelled.counts, images, strict=True)
    ]


def require_all(
    spec: ModelSpec, config: TrainConfig, labelled: LabelledImages, values: Sequence[LazyArray]
) -> None:
    """Refuse labels that lost a class in resampling, or have no background for components."""
    has_ids = labelled.class_of is not None
    if config.voxel_size is None and not (has_ids and spec.objects == "components"):
        return  # the labels were counted when they were read
    classes = (_classes_in(np.asarray(v), labelled) for v in values)
    present = set().union(*(count_values(own)[0].tolist() for own in classes))
    if spec.objects == "components" and has_ids and 0 not in present:
        raise LabelsError(
            "No pixel of the labels is background, but objects='components' separates objects "
            "by the background between them: choose objects='boundary' or 'distance'."
        )
    needed = labelled.classes[1:] if has_ids else labelled.classes
    lost = [c.name for c in needed if c.value not in present]
    if lost:
        given, change = (
            (f"resize {config.resize}", "a larger resize")
            if config.voxel_size is None
            else (f"voxel_size {config.voxel_size:g}", "a smaller voxel_size")
        )
        raise ValueError(
            f"At {given} no pixel of {', '.join(lost)} is left: choose {change}, or annotate more "
            "of it."
        )


def _classes_in(values: AnyArray, labelled: LabelledImages) -> AnyArray:
    """Convert object ids to class values; class values are returned unchanged."""
    if labelled.class_of is None:
        return values
    of_position = np.array([c.value for c in labelled.classes])
    return np.asarray(of_position[labelled.class_of[np.maximum(values, 0)]])
