"""The data of a training: images with targets, how they are normalised, and a validation set."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import MAX_NAME, LabelClass
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.intensity import (
    Statistics,
    extreme_intensity,
    has_zero_background,
    identity_statistics,
    measure_statistics,
    missing_pixels,
    require_contrast,
    white_of,
)
from napari_segkit.images.labels import IGNORE, LabelsError, count_values, to_indices
from napari_segkit.images.resample import resample_pairs
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.diameters import occurrences
from napari_segkit.models import Inputs, choose_ndim, outputs

from .sampler import Sample
from .state import Fingerprints
from .targets import level_targets, typical_size

MAX_SLAB = 2**24  # pixels that are read at once

LabelledImage = tuple[AxesImage, AnyArray]  # class values; or object ids, -1 not annotated


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and labels that are read, checked and in one orientation.

    Parameters
    ----------
    pairs : sequence of (AxesImage, ndarray)
        Images of any sizes, with equal numbers of channels, and their labels.
    classes : sequence of LabelClass
        The classes that the labels hold.
    class_of : ndarray or None
        Position in `classes` of each object id; None if the labels are class values.
    validation : sequence of (AxesImage, ndarray)
        Images and labels that are not trained on.
    groups : sequence of str
        Group of each pair; "" where it stands alone.
    """

    pairs: Sequence[LabelledImage]
    classes: Sequence[LabelClass]
    class_of: NDArray[np.intp] | None = None
    validation: Sequence[LabelledImage] = ()
    groups: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a training reads its patches from.

    Images stay where they are (NumPy, dask, zarr) and are read patch by patch, unless `voxel_size`
    has them resampled. Targets are arrays in memory, because every value is counted and checked.

    Parameters
    ----------
    samples : sequence of Sample
        Images, targets and intensity statistics.
    labelled : LabelledImages
        What they were made from: classes, and the validation set.
    inputs : Inputs
        Channels, output channels and spacing of the network.
    nonzero : bool
        Whether intensities are measured over non-zero pixels only.
    object_count : int
        Number of objects; 0 if the model is trained on classes.
    object_size : float
        Median diameter of the objects in pixels of the finest axis.
    """

    samples: Sequence[Sample]
    labelled: LabelledImages
    inputs: Inputs
    nonzero: bool = False
    object_count: int = 0
    object_size: float = 0.0

    @property
    def images(self) -> list[AxesImage]:
        return [sample.image for sample in self.samples]

    def fingerprints(self) -> list[Fingerprints]:
        """Of each image and its labels, with all pixels of labels in memory."""
        return self._fingerprints

    @cached_property
    def _fingerprints(self) -> list[Fingerprints]:
        return [
            (
                image.name,
                fingerprint(image),
                fingerprint(
                    AxesImage(values, image.label_axes), whole=isinstance(values, np.ndarray)
                ),
            )
            for image, values in self.labelled.pairs
        ]

    @property
    def contrast(self) -> tuple[float, ...]:
        """Contrast of each channel in the faintest image, if not blank."""
        channels = zip(*(sample.statistics.contrast for sample in self.samples), strict=True)
        return tuple(min((c for c in channel if c > 0), default=0.0) for channel in channels)

    @property
    def white(self) -> float:
        """Highest value of the dtype of the images."""
        return white_of(self.labelled.pairs[0][0].data.dtype)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        return tuple(self.labelled.classes)

    @property
    def class_of(self) -> NDArray[np.intp] | None:
        return self.labelled.class_of

    @property
    def ndim(self) -> int:
        """Spatial dimensions of the network."""
        return len(self.inputs.spacing)


def prepare_data(spec: ModelSpec, config: TrainConfig, labelled: LabelledImages) -> TrainingData:
    """Measure, resample and encode labelled images as the model needs them."""
    _require_short_names(labelled.classes)
    images = [image for image, _ in labelled.pairs]
    ndim = min(choose_ndim(spec, image.axes) for image in images)
    nonzero = config.normalise == "image" and has_zero_background(images, ndim)
    statistics = _statistics(images, config, ndim, nonzero)
    _require_moderate(config, ndim, images, statistics)
    images, values = resample_pairs(
        images,
        [v for _, v in labelled.pairs],
        config.voxel_size,
        ndim,
        unlabelled=config.unlabelled if labelled.class_of is None else None,
    )
    classes = outputs(spec, len(labelled.classes))
    inputs = Inputs(images[0].channels, classes, images[0].spacing[-ndim:])
    _require_all(spec, config, labelled, values)
    count, size = 0, 0.0
    if labelled.class_of is not None:
        count = sum(map(len, map(occurrences, values, images)))
        size = typical_size(values, images, inputs.spacing)
    targets = _targets(spec, labelled, images, values, inputs.spacing, size)
    complete = [_without_missing(*pair, ndim) for pair in zip(targets, images, strict=True)]
    if any(a is not b for a, b in zip(complete, targets, strict=True)):
        _require_some(labelled, complete)
    samples = [
        Sample(image, AxesImage(target, image.label_axes), measured)
        for image, target, measured in zip(images, complete, statistics, strict=True)
    ]
    return TrainingData(samples, labelled, inputs, nonzero, count, size)


def _statistics(
    images: Sequence[AxesImage], config: TrainConfig, ndim: int, nonzero: bool
) -> list[Statistics]:
    """Normalisation statistics of the images, measured before resampling."""
    if config.normalise == "none":
        return [identity_statistics(i.channels) for i in images]
    if config.normalise == "image":
        statistics = [measure_statistics([i], ndim, nonzero=nonzero) for i in images]
    else:
        statistics = [measure_statistics(images, ndim)] * len(images)
    require_contrast(statistics, images)
    blank = [i.name for i, s in zip(images, statistics, strict=True) if s.is_blank]
    if blank:
        warnings.warn(
            f"{', '.join(blank)}: every pixel is the same. Blank images are learned from as they "
            "are, scaled to 0.",
            UserWarning,
            stacklevel=3,
        )
    return statistics


def _require_short_names(classes: Sequence[LabelClass]) -> None:
    for each in classes:
        if len(each.name) > MAX_NAME:
            raise ValueError(
                f"The name of class {each.value} has {len(each.name)} letters: give it at most "
                f"{MAX_NAME}."
            )


def _require_moderate(
    config: TrainConfig,
    ndim: int,
    images: Sequence[AxesImage],
    statistics: Sequence[Statistics],
) -> None:
    """Refuse intensities that overflow in a network."""
    for image, measured in zip(images, statistics, strict=True):
        if text := extreme_intensity(image, ndim, measured):
            raise ValueError(
                f"{text}, too large to be used unchanged: choose normalise='image' or "
                "normalise='training'."
                if config.normalise == "none"
                else f"{text}, far out of the range of the others: set such pixels to NaN, which "
                "leaves them out."
            )


def _without_missing(target: AnyArray, image: AxesImage, ndim: int) -> AnyArray:
    """The target, unlabelled where the image is NaN or infinite, which a warning tells."""
    if not np.issubdtype(image.data.dtype, np.floating):
        return target
    labels, count = AxesImage(target.copy(), image.label_axes), 0
    for frame, (indices,) in labels.read_frames(ndim):
        for slab in _labelled_slabs(indices):
            missing = missing_pixels(image.read(frame, slab))
            if missing is not None:
                count += int((missing & (indices[slab] >= 0)).sum())
                indices[slab][missing] = IGNORE  # a view of the copy
    if not count:
        return target
    warnings.warn(
        f"{image.name} is NaN or infinite in {count} labelled pixels: they are left out of the "
        "training.",
        UserWarning,
        stacklevel=3,
    )
    return np.asarray(labels.data)


def _labelled_slabs(indices: AnyArray) -> Iterator[tuple[slice, ...]]:
    """Slabs with all labelled pixels, each small enough to be read."""
    height = max(1, MAX_SLAB // prod(indices.shape[1:]))
    for start in range(0, len(indices), height):
        slab = slice(start, start + height)
        for first, *others in ndimage.find_objects((indices[slab] >= 0).view(np.int8)):
            yield (slice(start + first.start, start + first.stop), *others)


def _targets(
    spec: ModelSpec,
    labelled: LabelledImages,
    images: Sequence[AxesImage],
    values: Sequence[AnyArray],
    spacing: Sequence[float],
    object_size: float,
) -> list[AnyArray]:
    """Class indices for every pixel, or ids for instance methods."""
    if labelled.class_of is None:
        return [to_indices(v, [c.value for c in labelled.classes]) for v in values]
    if spec.objects is None:
        return list(values)
    return [
        level_targets(*pair, labelled.class_of, spec.objects, spacing, object_size)
        for pair in zip(values, images, strict=True)
    ]


def _require_some(labelled: LabelledImages, targets: Sequence[AnyArray]) -> None:
    """Refuse images that are NaN or infinite wherever a class is labelled."""
    if labelled.class_of is not None:
        return
    present = set().union(*(np.unique(target).tolist() for target in targets))
    lost = [c.name for index, c in enumerate(labelled.classes) if index not in present]
    if lost:
        raise ValueError(
            f"The images are NaN or infinite at every labelled pixel of {', '.join(lost)}: label "
            "it elsewhere, too."
        )


def _require_all(
    spec: ModelSpec, config: TrainConfig, labelled: LabelledImages, values: Sequence[AnyArray]
) -> None:
    """Refuse labels that lost a class in resampling, or have no background for components."""
    has_ids = labelled.class_of is not None
    present = set().union(*(count_values(_classes_in(v, labelled))[0].tolist() for v in values))
    if spec.objects == "components" and has_ids and 0 not in present:
        raise LabelsError(
            "No pixel of the labels is background, but objects='components' separates objects "
            "by the background between them: choose objects='boundary' or 'distance'."
        )
    needed = labelled.classes[1:] if has_ids else labelled.classes
    lost = [c.name for c in needed if c.value not in present]
    if lost:
        raise ValueError(
            f"At voxel_size {config.voxel_size:g} no pixel of {', '.join(lost)} is left: "
            "choose a smaller voxel_size, or annotate more of it."
        )


def _classes_in(values: AnyArray, labelled: LabelledImages) -> AnyArray:
    """Convert object ids to class values; class values are returned unchanged."""
    if labelled.class_of is None:
        return values
    of_position = np.array([c.value for c in labelled.classes])
    return np.asarray(of_position[labelled.class_of[np.maximum(values, 0)]])
