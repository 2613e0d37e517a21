"""The same view under each of the models: a window of an image, its truth and all predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_segkit.evaluation.metric import LabelSource
from napari_segkit.evaluation.slab_reader import get_labels
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution, reorient_image
from napari_segkit.images.channel_sources import as_one_image
from napari_segkit.images.orientation import orientation_of, reorient
from napari_segkit.images.pictures import Overlay, Picture, pictures_of
from napari_segkit.images.types import AnyArray

MOST_VIEWS = 4
WINDOW = 512  # edges of a view, pixels
PICTURE = 256  # longer edge of a picture


@dataclass(frozen=True, eq=False)
class View:
    """A window of one plane, with the labels of the truth and of each prediction there."""

    name: str
    image: AxesImage  # (C) Y X
    truth: AnyArray
    predictions: dict[str, AnyArray] = field(default_factory=dict)

    def pictures(self, colors: Mapping[int, str], *, objects: bool) -> list[tuple[str, Picture]]:
        """The image, the truth and each prediction over it, with their captions."""
        style: Any = "contours" if objects else "colours"
        labels = {"truth": self.truth, **self.predictions}
        overlays = [Overlay(values, colors, style) for values in labels.values()]
        drawn = pictures_of(self.image, overlays, size=PICTURE)
        return list(zip(("image", *labels), drawn, strict=True))


@dataclass(frozen=True, eq=False)
class Window:
    """Where a view lies in the labels of an image."""

    axes: str
    orientation: str
    frame: dict[str, int]
    region: list[slice]

    def of(self, labels: LabelSource) -> AnyArray:
        """The labels there, (Y, X)."""
        source = get_labels(labels)
        array = full_resolution(source)
        turned = reorient(array, self.axes, orientation_of(source), self.orientation)
        values = AxesImage(turned, self.axes).read(self.frame, self.region)[0]
        highest = int(values.max(initial=0))
        is_small = values.min(initial=0) >= 0
        return values.astype(np.min_scalar_type(highest)) if is_small else values


def shown_cases(count: int) -> list[int]:
    """Numbers of the images that are shown, spread over all."""
    chosen = np.linspace(0, count - 1, min(MOST_VIEWS, count)).round().astype(int)
    return [int(number) for number in chosen]


def window_of(labels: LabelSource, image: AxesImage | None) -> Window:
    """The middle labelled plane, and in it the window with most labelled pixels."""
    source = get_labels(labels)
    array = full_resolution(source)
    read = image or as_image(source, labels_shape=array.shape)
    truth = AxesImage(array, read.label_axes)
    planes = list(truth.frames(2))
    whole = [slice(0, n) for n in truth.spatial_shape(2)]
    if len(planes) > 1:
        labelled = [p for p in planes if (truth.read(p, whole)[0] > 0).any()]
        planes = labelled or planes
    frame = planes[len(planes) // 2]
    region = _busiest(truth.read(frame, whole)[0] > 0)
    return Window(truth.axes, orientation_of(source), frame, region)


def new_view(name: str, window: Window, image: AxesImage | None, truth: LabelSource) -> View:
    """The image and the truth in a window; a blank one without an image."""
    values = window.of(truth)
    if image is None:
        return View(name, AxesImage(np.zeros(values.shape, np.uint8), "YX"), values)
    turned = reorient_image(image, window.orientation)
    pixels = turned.read(window.frame, window.region)
    if image.is_rgb:
        return View(name, AxesImage(np.moveaxis(pixels, 0, -1), "YXC"), values)
    return View(name, AxesImage(pixels, "CYX"), values)


def as_shown(image: Any, shape: Sequence[int]) -> AxesImage:
    """An image as it is drawn; the shape of its labels tells its axes."""
    return image if isinstance(image, AxesImage) else as_one_image(image, labels_shape=shape)


def _busiest(labelled: AnyArray) -> list[slice]:
    """The window with most labelled pixels; the first of those that are alike."""
    counts = np.pad(labelled.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    heights, widths = (_starts(n) for n in labelled.shape)
    best = max(
        ((y, x) for y in heights for x in widths),
        key=lambda at: _count(counts, at, labelled.shape),
    )
    return [slice(s, min(s + WINDOW, n)) for s, n in zip(best, labelled.shape, strict=True)]


def _starts(length: int) -> list[int]:
    last = max(0, length - WINDOW)
    return [*range(0, last, WINDOW // 2), last]


def _count(counts: AnyArray, at: tuple[int, int], shape: tuple[int, ...]) -> int:
    (y, x), (bottom, right) = at, (min(s + WINDOW, n) for s, n in zip(at, shape, strict=True))
    return int(counts[bottom, right] - counts[y, right] - counts[bottom, x] + counts[y, x])
