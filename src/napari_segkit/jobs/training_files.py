"""Read image and label files for training."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.class_labels import with_classes
from napari_segkit.images.classes import naming_conflict
from napari_segkit.images.colour_masks import ColourTable
from napari_segkit.images.geometry import summary, warn_if_apart
from napari_segkit.images.types import ImageSource, LazyArray
from napari_segkit.io.channel_files import read_image_files
from napari_segkit.io.file_geometry import files_apart
from napari_segkit.io.files import file_orientation, read_labels, shared_colours
from napari_segkit.io.folders import TrainingFiles
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.label_classes import read_classes
from napari_segkit.io.object_masks import read_object_masks


@dataclass(frozen=True)
class TrainingImages:
    """Images and labels as `Segmenter.train_epochs` takes them; None where no file was given."""

    images: list[AxesImage]
    labels: list[ImageSource]
    object_classes: list[ImageSource | None] | None
    regions: list[ImageSource | None] | None


def read_training_files(
    files: Sequence[TrainingFiles],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> TrainingImages:
    """Read images and labels; labels are reoriented to their NIfTI image.

    Files that do not lie on their image are told in a warning, before any is read.
    """
    _say_apart(files)
    labels = _read_masks([f.labels for f in files], files)
    object_classes = _read_masks([f.classes for f in files], files)
    regions: list[ImageSource | None] = [_read_like(f.regions, f.image) for f in files]
    images = [
        read_image_files(f.image, axes, spacing, labels_shape=full_resolution(array).shape)
        for f, array in zip(files, labels, strict=True)
        if array is not None
    ]
    read = [array for array in labels if array is not None]
    return TrainingImages(images, read, _none_if_empty(object_classes), _none_if_empty(regions))


def _say_apart(files: Sequence[TrainingFiles]) -> None:
    pairs = [(f.image, mask) for f in files for mask in (f.labels, f.classes, f.regions) if mask]
    warn_if_apart(summary((mask.name, files_apart(i.path, mask.path)) for i, mask in pairs))


def _read_masks(
    masks: Sequence[ImageFiles | None], files: Sequence[TrainingFiles]
) -> list[ImageSource | None]:
    """Label values with the classes that files name, whose colours are the same in all files."""
    single = [m for m in masks if m is not None and len(m.paths) == 1]
    table = shared_colours([m.path for m in single])
    classes = {m: table.classes or read_classes(m.path) for m in single}
    if conflict := naming_conflict((m.name, named) for m, named in classes.items()):
        warnings.warn(conflict, UserWarning, stacklevel=3)
    arrays = [_read_like(m, f.image, table) for m, f in zip(masks, files, strict=True)]
    return [
        a if m is None or a is None else with_classes(a, classes.get(m, ()))
        for m, a in zip(masks, arrays, strict=True)
    ]


def _read_like(
    files: ImageFiles | None, image: ImageFiles, colours: ColourTable | None = None
) -> LazyArray | None:
    if files is None:
        return None
    orientation = file_orientation(image.path)
    if len(files.paths) > 1:
        return read_object_masks(files, orientation=orientation)
    return read_labels(files.path, orientation=orientation, colours=colours)


def _none_if_empty(arrays: list[ImageSource | None]) -> list[ImageSource | None] | None:
    return arrays if any(array is not None for array in arrays) else None
