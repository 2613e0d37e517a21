"""The image of a row of a training set for the viewer, and label files of what was painted."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer

from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.training_rows import (
    are_layers,
    channels_of,
    file_labels,
    files_of,
    image_name,
)
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.axes_image import SPATIAL, AxesImage, as_image, full_resolution
from napari_segkit.images.channel_sources import as_one_image
from napari_segkit.images.classes import LabelClass, classes_shown
from napari_segkit.images.types import AnyArray, LayerOptions, LazyArray
from napari_segkit.io.filenames import ending, stem
from napari_segkit.io.files import read_labels, write_labels
from napari_segkit.io.nifti.header import NiftiHeader, layer_placement
from napari_segkit.io.output_paths import unused_path
from napari_segkit.io.training_files import ImageFile
from napari_segkit.io.writers import LABELS, FileMetadata
from napari_segkit.training.open_row import OpenRow, open_row
from napari_segkit.training_set import TrainingRow

COLOURS = (3, 4)  # channels
EMPTY_DTYPE = "uint16"  # of new labels: classes, or enough ids for painting by hand


@dataclass(frozen=True, eq=False)
class ReadRow:
    """A row as the viewer shows it."""

    images: tuple[AxesImage, ...]  # several: the channels of one image
    labels: AnyArray | None = None  # zeros where the row has none yet; None: they are a layer
    classes: tuple[LabelClass, ...] = ()  # named or coloured with the labels
    fingerprint: str = ""  # of the labels


@dataclass(frozen=True, eq=False)
class PaintedLabels:
    """Labels that are open in the viewer, and where they came from."""

    pixels: AnyArray
    classes: tuple[LabelClass, ...]
    image: AxesImage
    row: TrainingRow  # as it was before its labels were opened
    fingerprint: str  # of the labels as they were opened
    overwrite: bool | None  # whether they may be written into their file; None: to be asked


@dataclass(frozen=True, eq=False)
class Turned:
    """What came of leaving a row and reading another one."""

    labels: Any = None  # of the row that was left, as a training set takes them
    saved: Path | None = None
    read: ReadRow | None = None  # of the other row; None: not read
    error: str = ""  # why the other row could not be read
    must_ask: bool = False  # nothing is done before it is known whether a file may be overwritten


def turn(painted: PaintedLabels | None, row: TrainingRow | None) -> Turned:
    """Save what was painted, then read the next row; nothing is read if it cannot be saved."""
    turned = Turned() if painted is None else save_painted(painted)
    if row is None or turned.must_ask:
        return turned
    try:
        return replace(turned, read=read_row(row))
    except Exception as error:  # noqa: BLE001  what was saved must be known
        return replace(turned, error=error_text(error, f"Reading {image_name(row)}"))


def read_row(row: TrainingRow) -> ReadRow:
    """Read a row, but for labels that are a layer; those of a row without labels are zeros."""
    labels = unwrapped(row.labels)
    if isinstance(labels, Layer):
        return ReadRow(_images(row, full_resolution(labels).shape))
    if row.labels is None:
        images = _images(row, None)
        empty = np.zeros(images[0].label_shape, EMPTY_DTYPE)
        return ReadRow(images, empty, (), fingerprint(empty))
    opened = open_row(row, None, None, ArrayCache())
    pixels = np.array(opened.values)
    images = _images(row, pixels.shape) if are_layers(row.image) else (opened.image,)
    return ReadRow(images, pixels, _classes(opened), fingerprint(pixels))


def _images(row: TrainingRow, labels_shape: tuple[int, ...] | None) -> tuple[AxesImage, ...]:
    """The image, or the layers that are its channels."""
    if isinstance(row.image, ImageFile):
        return (row.image.open(labels_shape),)
    if are_layers(row.image):
        return tuple(as_image(x, labels_shape=labels_shape) for x in channels_of(row.image))
    return (as_one_image(row.image, labels_shape=labels_shape),)


def _classes(opened: OpenRow) -> tuple[LabelClass, ...]:
    """The classes that are named or coloured with the labels."""
    features, colormap = (getattr(opened.labels, name, None) for name in ("features", "colormap"))
    return classes_shown(features, colormap)


def image_layer(image: AxesImage) -> tuple[LazyArray, LayerOptions]:
    """Pixels and options of an Image layer, in the place that the file stores."""
    data, axes = image.data, image.axes
    is_rgb = axes.endswith("C") and image.length("C") in COLOURS
    if axes.endswith("C") and not is_rgb:  # napari shows the last two axes
        data, axes = np.moveaxis(np.asarray(data), -1, 0), f"C{axes[:-1]}"
    options: LayerOptions = {"name": image.name, "metadata": dict(image.metadata)}
    options |= {"rgb": is_rgb}
    return data, options | _placement(image, axes.removesuffix("C") if is_rgb else axes)


def label_target(row: TrainingRow, image: AxesImage) -> Path | None:
    """A new label file beside that of a row, or beside its image; None for arrays."""
    labels, images = files_of(row.labels), files_of(row.image)
    if not labels and not images:
        return None
    own = labels[0] if labels else images[0]
    name = f"{stem(own)}_{'edited' if labels else 'labels'}"
    volume = isinstance(image.metadata.get("nifti"), NiftiHeader)
    kept = ending(own) if labels and ending(own) in LABELS else ".tif"
    return own.with_name(f"{name}{'.nii.gz' if volume else kept}")


def own_file(row: TrainingRow) -> Path | None:
    """The label file of a row, if labels can be written into one of its kind."""
    files = files_of(row.labels)
    return files[0] if len(files) == 1 and ending(files[0]) in LABELS else None


def save_painted(painted: PaintedLabels) -> Turned:
    """Write labels that have changed into their file, or a new one beside it.

    A file that does not hold the very values that were opened is never overwritten: it has changed
    since, or its colours or orientation would be lost.
    """
    row, file = painted.row, own_file(painted.row)
    if fingerprint(painted.pixels) == painted.fingerprint:
        return Turned(row.labels)
    if file is not None and painted.overwrite is None:
        return Turned(must_ask=True)
    target = label_target(row, painted.image)
    if target is None:
        return Turned(painted.pixels)
    if painted.overwrite and file is not None and _holds(file, painted.fingerprint):
        _write(file, painted, overwrite=True)
        return Turned(file_labels(file, row), file)
    target = unused_path(target)
    _write(target, painted, overwrite=False)
    return Turned(file_labels(target, row), target)


def _holds(file: Path, printed: str) -> bool:
    """Whether a file stores just these values, without a palette."""
    from PIL import Image

    if ending(file) == ".png":
        with Image.open(file) as picture:
            if picture.mode == "P":
                return False
    return fingerprint(np.asarray(read_labels(file))) == printed


def _write(file: Path, painted: PaintedLabels, *, overwrite: bool) -> None:
    image = painted.image
    metadata = FileMetadata(
        image.label_axes,
        image.spacing,
        header=image.metadata.get("nifti"),
        unit=image.unit,
        place=image.metadata.get("geotiff", ()),
        classes=painted.classes,
    )
    write_labels(file, painted.pixels, metadata, overwrite=overwrite)


def _placement(image: AxesImage, axes: str) -> LayerOptions:
    header = image.metadata.get("nifti")
    if isinstance(header, NiftiHeader) and header.layer_axes == axes:
        return layer_placement(header)
    sizes = dict(zip(SPATIAL, image.spacing, strict=True))
    return {
        "scale": [sizes.get(a, 1.0) for a in axes],
        "units": [(image.unit or "pixel") if a in SPATIAL else "pixel" for a in axes],
        "axis_labels": tuple(axes),
    }
