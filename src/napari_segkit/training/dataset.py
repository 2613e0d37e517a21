"""The data of a training: images with targets, how they are normalised, and a validation set."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.array_cache import ArrayCache, CachedArray, MappedArray
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import MAX_NAME, LabelClass
from napari_segkit.images.intensity import (
    Intensities,
    Statistics,
    dtype_statistics,
    identity_statistics,
    measure_intensities,
    measure_statistics,
    missing_pixels,
    mostly_zero,
    pooled_statistics,
    require_contrast,
    white_of,
)
from napari_segkit.images.labels import IGNORE, LabelsError, count_values, to_indices
from napari_segkit.images.resample import resample_pairs, resize_marks
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.instances.diameters import diameters, each_frame, occurrences
from napari_segkit.models import Inputs, choose_ndim, outputs

from .held_out import HeldOutImage, Mask
from .sampler import Sample
from .state_file import Fingerprints
from .targets import level_targets

MAX_SLAB = 2**24  # pixels that are read at once
MAX_SAMPLE = 2**26  # pixels that are measured together

LabelledImage = tuple[AxesImage, LazyArray]  # class values; or object ids, -1 not annotated


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and labels that are read, checked and in one orientation.

    Parameters
    ----------
    pairs : sequence of (AxesImage, array)
        Images of any sizes, with equal numbers of channels, and their labels, which may be read or
        computed only when they are asked for: ``np.asarray(labels)``.
    classes : sequence of LabelClass
        The classes that the labels hold.
    class_of : ndarray or None
        Position in `classes` of each object id; None if the labels are class values.
    validation : sequence of (AxesImage, ndarray)
        Images and labels that are not trained on.
    groups : sequence of str
        Group of each pair; "" where it stands alone.
    intensities : sequence of Intensities
        Of each image, if they were measured when it was read.
    counts : sequence of dict
        Labelled pixels of each class value in each pair; empty if they were not counted.
    cache : ArrayCache
        Keeps pixels and targets that are read or computed again otherwise.
    prints : dict
        Fingerprints of the image and of its labels, by the `id` of each image of `pairs` and
        `validation`, as far as they were taken when it was read.
    left_out : sequence of ndarray of bool or None
        Labelled pixels of each pair that are not trained on, because a model is scored on them or
        next to them; None: none.
    folds : sequence of ndarray of int
        Number of the fold of each labelled pixel of each pair, -1 in none; empty without folds.
    """

    pairs: Sequence[LabelledImage]
    classes: Sequence[LabelClass]
    class_of: NDArray[np.intp] | None = None
    validation: Sequence[LabelledImage] = ()
    groups: Sequence[str] = ()
    intensities: Sequence[Intensities] = ()
    counts: Sequence[Mapping[int, int]] = ()
    cache: ArrayCache = field(default_factory=ArrayCache)
    prints: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    left_out: Sequence[Mask | None] = ()
    folds: Sequence[NDArray[np.int16]] = ()

    def subset(self, numbers: Sequence[int]) -> "LabelledImages":
        """Some of the pairs, with what is known of them."""
        return replace(
            self,
            pairs=[self.pairs[n] for n in numbers],
            groups=[self.groups[n] for n in numbers if self.groups],
            intensities=[self.intensities[n] for n in numbers if self.intensities],
            counts=[self.counts[n] for n in numbers if self.counts],
        )

    def prints_of(self, image: AxesImage) -> tuple[str, str]:
        """Fingerprints of an image and of its labels, empty if they were not taken."""
        return self.prints.get(id(image), ("", ""))

    @property
    def shares_ids(self) -> bool:
        """Whether held-out images have the object ids of the training: they were chosen of it."""
        return not self.validation


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a training reads its patches from.

    Images and labels stay where they are (files, NumPy, dask, zarr) and are read patch by patch, or
    file by file, resized as they are read. What needs the whole of an image (`voxel_size`,
    distances to boundaries) is computed when it is read, and kept as far as there is room.

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
    held_out : sequence of Sample
        What is held out, with targets there only.
    folds : sequence of AxesImage
        Number of the fold of each labelled pixel of each sample, -1 in none; empty without folds.
    """

    samples: Sequence[Sample]
    labelled: LabelledImages
    inputs: Inputs
    nonzero: bool = False
    object_count: int = 0
    object_size: float = 0.0
    held_out: Sequence[Sample] = ()
    folds: Sequence[AxesImage] = ()

    @property
    def images(self) -> list[AxesImage]:
        return [sample.image for sample in self.samples]

    @property
    def statistics(self) -> Statistics:
        """Those of the first image."""
        return self.samples[0].statistics

    def normalised(self, statistics: Statistics) -> "TrainingData":
        """The same data with these statistics for all images."""
        samples, held_out = (
            [replace(sample, statistics=statistics) for sample in some]
            for some in (self.samples, self.held_out)
        )
        return replace(self, samples=samples, held_out=held_out)

    def fingerprints(self) -> list[Fingerprints]:
        """Of each image and its labels."""
        return [(image.name, *self.labelled.prints_of(image)) for image, _ in self.labelled.pairs]

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
    def target_values(self) -> int:
        """Number of classes or levels of the targets; one logit stands for two."""
        return max(2, self.inputs.classes)

    @property
    def held_out_class_of(self) -> NDArray[np.intp] | None:
        """Position in `classes` of each object id of what is held out."""
        if self.class_of is None or self.labelled.shares_ids:
            return self.class_of
        largest = max((np.asarray(s.indices.data).max() for s in self.held_out), default=0)
        return np.minimum(np.arange(int(largest) + 1), 1)

    @property
    def ndim(self) -> int:
        """Spatial dimensions of the network."""
        return len(self.inputs.spacing)


def prepare_data(
    spec: ModelSpec,
    config: TrainConfig,
    labelled: LabelledImages,
    held_out: Sequence[HeldOutImage] = (),
) -> TrainingData:
    """Measure, resample and encode labelled images as the model needs them."""
    _require_short_names(labelled.classes)
    classes = outputs(spec, len(labelled.classes), config)
    images = [image for image, _ in labelled.pairs]
    ndim = min(choose_ndim(spec, image.axes) for image in images)
    measured = labelled.intensities or [
        measure_intensities(image, ndim, sampled_pixels(config, len(images))) for image in images
    ]
    nonzero = config.normalise == "image" and mostly_zero(measured)
    statistics = _statistics(images, config, measured, nonzero)
    _require_moderate(config, images, measured, statistics)
    images, values = resample_pairs(
        images,
        [v for _, v in labelled.pairs],
        config.voxel_size,
        ndim,
        unlabelled=config.unlabelled if labelled.class_of is None else None,
        resize=config.resized_shape,
        cache=labelled.cache,
    )
    inputs = Inputs(images[0].channels, classes, images[0].spacing[-ndim:])
    _require_all(spec, config, labelled, values)
    count, size = 0, 0.0
    if labelled.class_of is not None:
        count, size = _object_sizes(values, images, inputs.spacing)
    targets = _targets(spec, labelled, images, values, inputs.spacing, size)
    complete = [
        target if known.has_missing is False else _without_missing(target, image, ndim)
        for target, image, known in zip(targets, images, measured, strict=True)
    ]
    if any(a is not b for a, b in zip(complete, targets, strict=True)):
        _require_some(labelled, complete)
    is_resampled = config.voxel_size is not None or config.resize is not None
    counted = [None] * len(images) if is_resampled else _index_counts(labelled, images, ndim)
    trained_on = _without(labelled.left_out, complete)
    samples = [
        replace(sample, counts=own if target is before else None)
        for sample, own, target, before in zip(
            _samples(images, trained_on, statistics), counted, trained_on, targets, strict=True
        )
    ]
    folds = [
        AxesImage(resize_marks(fold, i.label_shape, IGNORE), i.label_axes)
        for fold, i in zip(labelled.folds, images, strict=False)
    ]
    data = TrainingData(samples, labelled, inputs, nonzero, count, size, (), folds)
    return replace(data, held_out=_held_out_samples(spec, config, held_out, complete, data))


def _samples(
    images: Sequence[AxesImage], targets: Sequence[LazyArray], statistics: Sequence[Statistics]
) -> list[Sample]:
    return [
        Sample(image, AxesImage(target, image.label_axes), measured)
        for image, target, measured in zip(images, targets, statistics, strict=True)
    ]


def _without(left_out: Sequence[Mask | None], targets: Sequence[LazyArray]) -> list[LazyArray]:
    """Targets, unlabelled where they are left out."""
    masks = left_out or [None] * len(targets)
    return [
        target
        if mask is None
        else np.where(resize_marks(mask, target.shape), IGNORE, np.asarray(target))
        for target, mask in zip(targets, masks, strict=True)
    ]


def _held_out_samples(
    spec: ModelSpec,
    config: TrainConfig,
    held_out: Sequence[HeldOutImage],
    targets: Sequence[LazyArray],
    data: TrainingData,
) -> list[Sample]:
    """What is held out, encoded as what is trained on; `targets` are those of whole images."""
    places = {id(image): number for number, (image, _) in enumerate(data.labelled.pairs)}
    samples = []
    for each in held_out:
        if each.mask is not None:
            number = places[id(each.image)]
            mask = resize_marks(each.mask, targets[number].shape)
            marked = np.where(mask, np.asarray(targets[number]), IGNORE)
            target = AxesImage(marked, each.image.label_axes)
            samples.append(replace(data.samples[number], indices=target, counts=None))
        elif (labelled := _alone(each, data.labelled)) is not None:
            samples.append(_whole_sample(spec, config, labelled, data))
    return samples


def _alone(each: HeldOutImage, labelled: LabelledImages) -> LabelledImages | None:
    """A held-out image with its classes; None if those of its objects are not known."""
    class_of = labelled.class_of
    if class_of is not None and not labelled.shares_ids:
        if len(labelled.classes) > 2:
            return None
        class_of = np.minimum(np.arange(np.asarray(each.values).max() + 1), 1)
    return replace(labelled, pairs=[(each.image, each.values)], class_of=class_of)


def _whole_sample(
    spec: ModelSpec, config: TrainConfig, labelled: LabelledImages, data: TrainingData
) -> Sample:
    """An image that is held out, measured and resampled as those of the training."""
    (image, _), ndim = labelled.pairs[0], data.ndim
    if config.normalise == "image":
        statistics = measure_statistics([image], ndim, nonzero=data.nonzero)
    elif config.normalise == "dtype":
        statistics = dtype_statistics(image)
    else:
        statistics = data.samples[0].statistics
    unlabelled = config.unlabelled if labelled.class_of is None else None
    images, values = resample_pairs(
        [image],
        [labelled.pairs[0][1]],
        config.voxel_size,
        ndim,
        unlabelled=unlabelled,
        resize=config.resized_shape,
        cache=labelled.cache,
    )
    targets = _targets(spec, labelled, images, values, data.inputs.spacing, data.object_size)
    (sample,) = _samples(images, targets, [statistics])
    return sample


def sampled_pixels(config: TrainConfig, images: int) -> int:
    """Pixels of each image that are kept to measure all images together."""
    return max(1, MAX_SAMPLE // images) if config.normalise == "training" else 0


def _object_sizes(
    values: Sequence[LazyArray], images: Sequence[AxesImage], spacing: Sequence[float]
) -> tuple[int, float]:
    """Number of objects, and their median diameter in pixels of the finest axis."""
    count, sizes = 0, []
    for ids, image in zip(map(np.asarray, values), images, strict=True):
        count += len(occurrences(ids, image))
        sizes += [diameters(plane, spacing) for plane in each_frame(ids, image, len(spacing))]
    return count, float(np.median(np.concatenate(sizes)))


def _index_counts(
    labelled: LabelledImages, images: Sequence[AxesImage], ndim: int
) -> list[NDArray[np.int64] | None]:
    """Pixels of each class in images of one frame, if they were counted."""
    if labelled.class_of is not None or not labelled.counts:
        return [None] * len(images)
    values = [c.value for c in labelled.classes]
    return [
        np.array([counts.get(v, 0) for v in values]) if image.frame_count(ndim) == 1 else None
        for counts, image in zip(labelled.counts, images, strict=True)
    ]


def _statistics(
    images: Sequence[AxesImage],
    config: TrainConfig,
    measured: Sequence[Intensities],
    nonzero: bool,
) -> list[Statistics]:
    """Normalisation statistics of the images, measured before resampling."""
    if config.normalise == "none":
        return [identity_statistics(i.channels) for i in images]
    if config.normalise == "dtype":
        return [dtype_statistics(i) for i in images]
    if config.normalise == "image":
        statistics = [known.nonzero if nonzero else known.whole for known in measured]
    else:
        statistics = [pooled_statistics(measured)] * len(images)
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
    images: Sequence[AxesImage],
    measured: Sequence[Intensities],
    statistics: Sequence[Statistics],
) -> None:
    """Refuse intensities that overflow in a network."""
    for image, known, scaled in zip(images, measured, statistics, strict=True):
        if value := known.extreme(scaled):
            text = f"{image.name} has intensities such as {value}"
            raise ValueError(
                f"{text}, too large to be used unchanged: choose normalise='image' or "
                "normalise='training'."
                if config.normalise in ("dtype", "none")
                else f"{text}, far out of the range of the others: set such pixels to NaN, which "
                "leaves them out."
            )


def _without_missing(target: LazyArray, image: AxesImage, ndim: int) -> LazyArray:
    """The target, unlabelled where the image is NaN or infinite, which a warning tells."""
    if not np.issubdtype(image.data.dtype, np.floating):
        return target
    complete, count = _unlabelled_where_missing(target, image, ndim)
    if not count:
        return target
    warnings.warn(
        f"{image.name} is NaN or infinite in {count} labelled pixels: they are left out of the "
        "training.",
        UserWarning,
        stacklevel=3,
    )
    return complete


def _unlabelled_where_missing(
    target: LazyArray, image: AxesImage, ndim: int
) -> tuple[AnyArray, int]:
    """The target with `IGNORE` at missing pixels, and how many were labelled."""
    labels, count = AxesImage(np.array(target), image.label_axes), 0
    for frame, (indices,) in labels.read_frames(ndim):
        for slab in _labelled_slabs(indices):
            missing = missing_pixels(image.read(frame, slab))
            if missing is not None:
                count += int((missing & (indices[slab] >= 0)).sum())
                indices[slab][missing] = IGNORE  # a view of the copy
    return np.asarray(labels.data), count


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
        level_targets,
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


def _require_some(labelled: LabelledImages, targets: Sequence[LazyArray]) -> None:
    """Refuse images that are NaN or infinite wherever a class is labelled."""
    if labelled.class_of is not None:
        return
    present = set().union(*(np.unique(np.asarray(target)).tolist() for target in targets))
    lost = [c.name for index, c in enumerate(labelled.classes) if index not in present]
    if lost:
        raise ValueError(
            f"The images are NaN or infinite at every labelled pixel of {', '.join(lost)}: label "
            "it elsewhere, too."
        )


def _require_all(
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
