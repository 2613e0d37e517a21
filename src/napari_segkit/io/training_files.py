"""Image and label files of a training, opened when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.class_labels import with_classes
from napari_segkit.images.colour_masks import ColourTable
from napari_segkit.images.labels import LabelsError, read_label_arrays
from napari_segkit.images.resample import resize_nearest
from napari_segkit.images.types import AnyArray, ImageSource

from .channel_files import read_image_files
from .file_geometry import files_apart
from .files import file_orientation, read_labels, shared_colours
from .folders import TrainingFiles
from .image_files import ImageFiles
from .label_classes import read_classes
from .object_masks import read_object_masks
from .zarr_folders import is_zarr


@dataclass(frozen=True, eq=False)
class _Files:
    """Files that are opened later."""

    files: ImageFiles

    @property
    def name(self) -> str:
        """Folder and name of the file."""
        return self.files.name

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return self.files.paths

    @property
    def is_lazy(self) -> bool:
        """Whether the pixels are read piece by piece, and never as a whole."""
        return all(map(is_zarr, self.paths))


@dataclass(frozen=True, eq=False)
class ImageFile(_Files):
    """The image of one file, or of several that hold its channels."""

    axes: str | None = None
    spacing: tuple[float, ...] | None = None

    def open(self, labels_shape: Sequence[int] | None = None) -> AxesImage:
        """Read the image; the shape of its labels tells which axis is that of channels."""
        return read_image_files(self.files, self.axes, self.spacing, labels_shape=labels_shape)


@dataclass(frozen=True, eq=False)
class LabelFile(_Files):
    """The labels of one file, or of one file for each object."""

    image: Path  # the labels of a volume are turned to its orientation
    colours: ColourTable
    fit: bool = False  # labels of another size than their image are resampled to it

    def open(self) -> ImageSource:
        """Read the labels, with the classes that the file names."""
        orientation = file_orientation(self.image)
        if len(self.paths) > 1:
            return read_object_masks(self.files, orientation=orientation)
        values = read_labels(self.paths[0], orientation=orientation, colours=self.colours)
        return with_classes(values, self.colours.classes or read_classes(self.paths[0]))

    def apart(self) -> str | None:
        """How the pixels lie elsewhere than those of the image; None if they do not."""
        return files_apart(self.image, self.paths[0])


@dataclass(frozen=True)
class OpenedLater:
    """Files of one training image; None where no file was given."""

    image: ImageFile
    labels: LabelFile
    classes: LabelFile | None
    regions: LabelFile | None


def open_later(
    files: Sequence[TrainingFiles],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    fit_masks: bool = False,
) -> list[OpenedLater]:
    """Images and labels that are read when they are opened; labels as their NIfTI image lies.

    Only if the first mask is in colour, all masks are read, so that a colour is the same class in
    all of them.
    """
    sizes = None if spacing is None else tuple(spacing)
    columns = [
        _label_files([f.labels for f in files], files, fit_masks),
        _label_files([f.classes for f in files], files, fit_masks),
        _label_files([f.regions for f in files], files, fit_masks),
    ]
    rows = zip(files, *columns, strict=True)
    return [
        OpenedLater(ImageFile(f.image, axes, sizes), labels, classes, regions)
        for f, labels, classes, regions in rows
        if labels is not None
    ]


def opened(source: Any) -> Any:
    """Labels of a file; anything else as it is."""
    return source.open() if isinstance(source, LabelFile) else source


class MaskSizeError(LabelsError):
    """A mask whose size is not that of its image, but which could be resampled to it."""


def aligned_labels(source: Any, labels: ImageSource, image: AxesImage) -> AnyArray:
    """Label values in the axes of the image, resampled to its size if that is asked for.

    `labels` are those of the `source`, opened.
    """
    shape = tuple(full_resolution(labels).shape)
    is_file = isinstance(source, LabelFile)
    if is_file and shape != image.label_shape and len(shape) == len(image.label_shape) == 2:
        if not source.fit:
            raise MaskSizeError(f"{source.name} ({_size(shape)}, image {_size(image.label_shape)})")
        (values,) = read_label_arrays([labels])
        return resize_nearest(values, image.label_shape)
    (values,) = read_label_arrays([labels], [image])
    return values


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, reversed(shape)))


def _label_files(
    masks: Sequence[ImageFiles | None], files: Sequence[TrainingFiles], fit: bool
) -> list[LabelFile | None]:
    single = [m.path for m in masks if m is not None and len(m.paths) == 1]
    table = shared_colours(single)
    return [
        None if mask is None else LabelFile(mask, f.image.path, table, fit)
        for mask, f in zip(masks, files, strict=True)
    ]
