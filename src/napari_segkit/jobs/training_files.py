"""Read image and label files for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import LazyArray
from napari_segkit.io.files import file_orientation, read_image, read_labels
from napari_segkit.io.folders import TrainingFiles


@dataclass(frozen=True)
class TrainingImages:
    """Images and labels as `Segmenter.train_epochs` takes them; None where no file was given."""

    images: list[AxesImage]
    labels: list[LazyArray]
    object_classes: list[LazyArray | None] | None
    regions: list[LazyArray | None] | None


def read_training_files(
    files: Sequence[TrainingFiles],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> TrainingImages:
    """Read images and labels; labels are reoriented to their NIfTI image."""
    object_classes = [_read_like(f.classes, f.image) for f in files]
    regions = [_read_like(f.regions, f.image) for f in files]
    images, labels = [], []
    for file in files:
        array = read_labels(file.labels, orientation=file_orientation(file.image))
        images.append(read_image(file.image, axes, spacing, labels_shape=array.shape))
        labels.append(array)
    return TrainingImages(images, labels, _none_if_empty(object_classes), _none_if_empty(regions))


def _read_like(file: Path | None, image: Path) -> LazyArray | None:
    return None if file is None else read_labels(file, orientation=file_orientation(image))


def _none_if_empty(arrays: list[LazyArray | None]) -> list[LazyArray | None] | None:
    return arrays if any(array is not None for array in arrays) else None
