"""Labels that are measured, opened with their axes, spacing, classes and image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_segkit.config import MeasureConfig
from napari_segkit.images.axes_image import (
    AxesImage,
    as_image,
    full_resolution,
    reorient_image,
    without_pixels,
)
from napari_segkit.images.axis_guess import AXES, layer_axes
from napari_segkit.images.channel_sources import as_one_image, placed
from napari_segkit.images.classes import class_names
from napari_segkit.images.colour_masks import replace_own_colours
from napari_segkit.images.geometry import apart, warn_if_apart
from napari_segkit.images.labels import LabelsError, read_label_arrays
from napari_segkit.images.notes import say_note
from napari_segkit.images.orientation import orientation_of
from napari_segkit.images.types import ImageSource, is_layer
from napari_segkit.images.units import UNKNOWN_SPACING
from napari_segkit.instances.label_ids import label_components


@dataclass(frozen=True)
class MeasureSource:
    """Labels to measure, and the image below them; `axes` are those of the image, if there is one.

    `unit` is that of the spacing.
    """

    labels: ImageSource
    image: Any = None
    name: str = ""
    axes: str | None = None
    spacing: Sequence[float] | None = None
    unit: str = ""


@dataclass(frozen=True, eq=False)
class OpenLabels:
    """Labels whose pixels are read block by block."""

    labels: AxesImage
    image: AxesImage | None
    name: str
    names: Mapping[int, str]  # of label values, where they are known
    class_of: Mapping[int, int] = field(default_factory=dict)  # the class value of each component

    @property
    def ndim(self) -> int:
        """Dimensions of a frame."""
        return 3 if "Z" in self.labels.axes else 2

    @property
    def channels(self) -> int:
        """Channels of the image; 0 without one."""
        return 0 if self.image is None else self.image.channels

    def channel_end(self, channel: int) -> str:
        """What is added to the name of a column: the channel's name or number; "" of one."""
        if self.image is None or self.channels == 1:
            return ""
        return f"-{self.image.channel_names[channel] if self.image.channel_names else channel}"

    def class_names(self, values: Sequence[int]) -> list[str]:
        """The names of classes; "class 3" of one without a name."""
        return [self.names.get(value, f"class {value}") for value in values]

    def without_pixels(self) -> "OpenLabels":
        """All that is known but the pixels."""
        image = None if self.image is None else without_pixels(self.image)
        return replace(self, labels=without_pixels(self.labels), image=image)


def open_source(source: MeasureSource) -> OpenLabels:
    """Check labels and their image before anything is read of a lazy array."""
    shape = tuple(full_resolution(source.labels, "labels").shape)
    image = None
    if source.image is not None:
        image = as_one_image(source.image, source.axes, source.spacing, labels_shape=shape)
        image = reorient_image(image, orientation_of(source.labels))
        warn_if_apart(apart(placed(source.image), source.labels, source.axes))
    labels, note = replace_own_colours(source.labels, image)
    if note:
        say_note(note, stacklevel=4)
    opened = _labels_image(labels, image, source)
    if image is not None:
        _require_same_shape(opened, image)
    names = class_names(getattr(labels, "features", None))
    return OpenLabels(opened, image, source.name, names)


def with_components(opened: OpenLabels, config: MeasureConfig) -> OpenLabels:
    """The labels with a number for each connected component of a class, if these are measured."""
    if config.by != "component":
        return opened
    (values,) = read_label_arrays([opened.labels.data])
    if config.unlabelled:
        values = np.where(values == config.unlabelled, 0, values)
    ids = label_components(values, opened.labels.axes, opened.ndim)
    found, first = np.unique(ids, return_index=True)
    class_of = dict(zip(found.tolist(), values.ravel()[first].tolist(), strict=True))
    return replace(opened, labels=replace(opened.labels, data=ids), class_of=class_of)


def _labels_image(labels: ImageSource, image: AxesImage | None, source: MeasureSource) -> AxesImage:
    """The labels with axes, spacing and unit: their own, else those of the image."""
    ndim = full_resolution(labels, "labels").ndim
    own = source.axes.upper() if source.axes and image is None else None
    guessed = layer_axes(labels, ndim) if is_layer(labels) else None
    axes = image.label_axes if image else own or guessed or AXES.replace("C", "")[-ndim:]
    if "C" in axes:
        raise ValueError(
            f"The labels have a channel axis (axes={axes!r}), but a pixel has one label: give the "
            "labels of one channel, or the axes that they have."
        )
    opened = as_image(labels, axes, source.spacing, unit=source.unit, name=source.name or "labels")
    if image is not None and opened.spacing == UNKNOWN_SPACING:
        return replace(opened, spacing=image.spacing, unit=image.unit)
    return opened


def _require_same_shape(labels: AxesImage, image: AxesImage) -> None:
    if labels.shape != image.label_shape:
        raise LabelsError(
            f"The labels have shape {labels.shape}, but {image.name} of shape {image.shape} with "
            f"axes {image.axes} needs labels of shape {image.label_shape}: choose their image, or "
            "specify its axes."
        )
