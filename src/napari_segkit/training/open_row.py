"""One image of a training set, opened: its axes and classes; its pixels are read when needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.array_cache import ArrayCache, CachedArray, cached, changed_error
from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.channel_sources import as_one_image, channels_by_name
from napari_segkit.images.channels import say_notes
from napari_segkit.images.class_labels import ClassLabels
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.colour_masks import classes_by_colour, has_channels
from napari_segkit.images.geometry import apart, layer_name
from napari_segkit.images.labels import add_to_ids
from napari_segkit.images.notes import without_notes
from napari_segkit.images.orientation import orientation_of
from napari_segkit.images.types import AnyArray, ImageSource, LazyArray
from napari_segkit.instances.label_ids import Ids, ImageObjects, objects_of_image
from napari_segkit.io.opened_files import with_file_notes
from napari_segkit.io.training_files import (
    ImageFile,
    LabelFile,
    MaskSizeError,
    aligned_labels,
    opened,
)
from napari_segkit.io.training_roles import Role
from napari_segkit.training_set import TrainingRow

Place = tuple[str, str | None]  # name of labels, and how they lie elsewhere than their image


@dataclass(frozen=True, eq=False)
class OpenRow:
    """An image with its labels; `values` are label values in the image's axes."""

    image: AxesImage
    labels: ImageSource
    values: LazyArray
    cache: ArrayCache
    role: Role = "train"
    group: str = ""
    object_classes: ImageSource | None = None
    regions: Any = None
    class_values: LazyArray | None = None  # of `object_classes`
    classes: tuple[LabelClass, ...] = ()  # that the file of the labels names
    labels_file: str = ""
    apart: tuple[Place, ...] = ()

    def objects(self, config: TrainConfig, ndim: int) -> tuple[Ids, ImageObjects]:
        """Ids of the objects, from 1 on, and what is known of them."""
        return objects_of_image(
            np.asarray(self.values),
            self.labels,
            self.image,
            unlabelled=config.unlabelled,
            labels_are=config.labels_are,
            ndim=ndim,
            class_values=None if self.class_values is None else np.asarray(self.class_values),
            class_labels=self.object_classes,
            region=opened(self.regions),
        )

    def cached_ids(self, config: TrainConfig, ndim: int, count: int, start: int) -> LazyArray:
        """Ids of `count` objects, from `start` + 1 on, that are numbered when they are read."""
        name = f"The labels of {self.image.name}"

        def make() -> AnyArray:
            with without_notes():
                ids, objects = self.objects(config, ndim)
            if len(objects.of_value) != count:
                raise changed_error(name)
            return add_to_ids(ids, start)

        return CachedArray(self.image.label_shape, np.dtype(np.int32), make, self.cache, name)


def open_row(
    row: TrainingRow,
    axes: str | None,
    spacing: Sequence[float] | None,
    cache: ArrayCache,
    channels: Sequence[str] = (),
) -> OpenRow:
    """Read image and labels once, and keep them as far as there is room.

    `channels` are the names of those of the first image, whose order all have.
    """
    labels = opened(row.labels)
    image = _image(row, full_resolution(labels).shape, axes, spacing, cache, channels)
    classes = None if row.object_classes is None else opened(row.object_classes)
    values = _values(row.labels, labels, image, cache)
    return OpenRow(
        image,
        _without_pixels(row.labels, labels),
        values,
        cache,
        row.role,
        row.group,
        None if classes is None else _without_pixels(row.object_classes, classes),
        row.regions,
        None if classes is None else _values(row.object_classes, classes, image, cache),
        labels.classes if isinstance(labels, ClassLabels) else (),
        row.labels.name if isinstance(row.labels, LabelFile) else "",
        tuple(_place(row, mask, image) for mask in (row.labels, row.object_classes, row.regions)),
    )


def colours_as_classes(rows: Sequence[TrainingRow], axes: str | None) -> list[TrainingRow]:
    """Rows whose colour masks became class labels, the same in training and validation."""
    narrow = [isinstance(r.labels, LabelFile) or _is_volume(r.image, r.labels, axes) for r in rows]
    pairs = list(zip(rows, narrow, strict=True))
    masks: list[Any] = [row.labels for row, is_narrow in pairs if not is_narrow]
    (labels,) = classes_by_colour(masks)
    by_class = [r.object_classes for r in rows if r.object_classes is not None]
    arrays = [source for source in by_class if not isinstance(source, LabelFile)]
    for source in arrays:
        full_resolution(source, "object_classes")
    (classes,) = classes_by_colour(arrays)
    of_colours, of_objects = iter(labels), iter(classes)
    read = [row if is_narrow else replace(row, labels=next(of_colours)) for row, is_narrow in pairs]
    return [
        row
        if row.object_classes is None or isinstance(row.object_classes, LabelFile)
        else replace(row, object_classes=next(of_objects))
        for row in read
    ]


def _is_volume(image: Any, labels: Any, axes: str | None) -> bool:
    """Whether labels with a last axis of 3 or 4 have the shape of their image, X being narrow."""
    array = full_resolution(labels)
    if not has_channels(array):
        return False
    shape = tuple(array.shape)
    if isinstance(image, ImageFile):
        return image.open(shape).label_shape == shape
    return as_one_image(image, axes, labels_shape=shape).label_shape == shape


def _image(
    row: TrainingRow,
    labels_shape: tuple[int, ...],
    axes: str | None,
    spacing: Sequence[float] | None,
    cache: ArrayCache,
    channels: Sequence[str],
) -> AxesImage:
    """The image with what was guessed of it told; a file's pixels are read again when needed."""
    source = row.image
    if isinstance(source, ImageFile):
        image = say_notes(channels_by_name(source.open(labels_shape), channels))

        def make() -> AnyArray:
            with without_notes():
                return np.asarray(channels_by_name(source.open(labels_shape), channels).data)

        if not source.is_lazy:
            image = replace(image, data=cached(cache, make, np.asarray(image.data), image.name))
    else:
        image = as_one_image(source, axes, spacing, labels_shape=labels_shape, names=channels)
        image = say_notes(with_file_notes(image, source))
    return replace(image, name=row.name) if row.name else image


def _values(source: Any, labels: ImageSource, image: AxesImage, cache: ArrayCache) -> LazyArray:
    """Label values in the axes of the image; read again when needed unless they are in memory."""
    array, is_file = full_resolution(labels), isinstance(source, LabelFile)
    in_memory = isinstance(array, np.ndarray) and not is_file
    is_lazy = source.is_lazy if is_file else not in_memory
    if is_lazy and _is_as_it_is(array, labels, image):
        return array  # of dask or zarr, read patch by patch
    values = aligned_labels(source, labels, image)
    if in_memory:
        return values  # a view, or in memory only once more

    name = f"The labels of {image.name}"

    def make() -> AnyArray:
        try:
            with without_notes():
                return aligned_labels(source, opened(source), image)
        except MaskSizeError:
            raise changed_error(name) from None

    return cached(cache, make, values, name)


def _is_as_it_is(array: LazyArray, labels: ImageSource, image: AxesImage) -> bool:
    """Whether label values need no change to lie on the image."""
    turned = orientation_of(labels) not in ("", image.orientation)
    is_whole = np.issubdtype(array.dtype, np.integer)
    return is_whole and tuple(array.shape) == image.label_shape and not turned


def _without_pixels(source: Any, labels: ImageSource) -> ImageSource:
    """Labels of a file without their pixels: what is asked of them are names of classes."""
    if not isinstance(source, LabelFile):
        return labels
    shape = full_resolution(labels).shape
    empty = np.broadcast_to(np.uint8(0), shape)
    return replace(labels, data=empty) if isinstance(labels, ClassLabels) else empty


def _place(row: TrainingRow, mask: Any, image: AxesImage) -> Place:
    if isinstance(mask, LabelFile):
        return mask.name, mask.apart()
    return layer_name(mask), apart(row.image, mask, image.axes)
