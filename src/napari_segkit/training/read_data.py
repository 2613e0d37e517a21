"""Read the training set that `Segmenter.fit` is given: one pass, image by image."""

import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.devices import free_memory
from napari_segkit.images.array_cache import CACHE_BYTES, ArrayCache, CachedArray, MappedArray
from napari_segkit.images.axes_image import AxesImage, in_unit
from napari_segkit.images.blocks import MAX_BLOCK, blocks_of
from napari_segkit.images.channels import (
    require_same_channels,
    with_channels,
    with_same_channels,
)
from napari_segkit.images.classes import LabelClass, naming_conflict
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.geometry import summary, warn_if_apart
from napari_segkit.images.intensity import Intensities, measure_intensities
from napari_segkit.images.label_stats import (
    LabelCounts,
    TrainingLabels,
    count_blocks,
    count_labels,
    label_stats_of,
    training_labels,
)
from napari_segkit.images.labels import LabelsError, labels_name
from napari_segkit.images.orientation import orientation_of
from napari_segkit.images.slices import note_unlike_axes
from napari_segkit.images.training_pairs import reorient_to, training_classes
from napari_segkit.images.types import LazyArray
from napari_segkit.instances.label_ids import ImageObjects, join_objects
from napari_segkit.io.training_files import ImageFile, LabelFile, MaskSizeError
from napari_segkit.models import check_resize, check_three_axes, choose_ndim, predicts_objects
from napari_segkit.steps import Step
from napari_segkit.training_set import TrainingRow, TrainingSet

from .dataset import GivenLabels, LabelledImage, LabelledImages
from .events import ReadStep
from .normalisation import sampled_pixels
from .open_row import OpenRow, colours_as_classes, open_row

MAX_NAMED = 5  # classes or files in a message
ANY_CLASS = "object"  # name of the class of objects without one


@dataclass(frozen=True, eq=False)
class _Read:
    """One image with what its labels hold."""

    row: OpenRow
    ndim: int
    intensities: Intensities
    prints: tuple[str, str]  # fingerprints of the image and of its labels
    counts: LabelCounts | None = None  # of classes
    objects: ImageObjects | None = None


def read_training_data(
    spec: ModelSpec,
    config: TrainConfig,
    training_set: TrainingSet,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
) -> Generator[Step, None, tuple[LabelledImages, TrainConfig]]:
    """Read and check images and labels; the settings with what turned out to be unlabelled.

    Rows that are left out are not read. Pixels stay in their files and arrays, as far as they are
    not kept for a while. Arguments as in `Segmenter.fit`.
    """
    rows = [*training_set.with_role("train"), *training_set.with_role("validate")]
    _require_columns(spec, rows)
    check_resize(spec, config, ndim=2)  # whatever the images are
    found = yield from _read_rows(spec, config, colours_as_classes(rows, axes), axes, spacing)
    _say_of_all(found)
    train = [each for each in found if each.row.role == "train"]
    held_out = [each for each in found if each.row.role == "validate"]
    check_resize(spec, config, min(each.ndim for each in train))
    for each in train if config.three_axes else ():
        check_three_axes(spec, each.row.image.axes)
        note_unlike_axes(each.row.image)
    images = _alike([each.row.image for each in train])
    if predicts_objects(spec):
        values, classes, class_of = _objects(config, train)
        pairs = _pairs(images, values)
        labelled = LabelledImages(pairs, classes, class_of, value_of=_value_of(train))
    else:
        labels = [each.row.labels for each in train]
        read, classes, config = training_classes(labels, _counts(train), config)
        pairs = _pairs(images, _changed(train, read))
        labelled = LabelledImages(pairs, classes, counts=read.of_image, change=read.change)
    labelled = replace(
        labelled,
        groups=[each.row.group for each in train],
        intensities=[_of_channels(*each) for each in zip(train, images, strict=True)],
        cache=train[0].row.cache,
        given=_given(training_set, [*train, *held_out]),
    )
    if held_out:
        labelled = replace(labelled, validation=_validation(spec, config, labelled, held_out))
    final = [image for image, _ in [*labelled.pairs, *labelled.validation]]
    labelled = replace(labelled, prints=_prints([*train, *held_out], final))
    if any(isinstance(row.image, ImageFile) for row in rows):
        yield ReadStep(len(rows), len(rows), labelled)
    return labelled, config


def _given(training_set: TrainingSet, found: Sequence[_Read]) -> list[GivenLabels]:
    """Where the labels came from, in the order in which they were read."""
    numbers = [
        number
        for role in ("train", "validate")
        for number, row in enumerate(training_set.rows)
        if row.role == role
    ]
    return [
        GivenLabels(
            number,
            orientation_of(each.row.labels) or each.row.image.orientation,
            isinstance(training_set.rows[number].labels, LabelFile),
        )
        for number, each in zip(numbers, found, strict=True)
    ]


def cache_bytes() -> int:
    """What is kept of the pixels of files: large compressed images take long to be read again."""
    return max(CACHE_BYTES, free_memory("cpu") // 8)


def _read_rows(
    spec: ModelSpec,
    config: TrainConfig,
    rows: Sequence[TrainingRow],
    axes: str | None,
    spacing: Sequence[float] | None,
) -> Generator[Step, None, list[_Read]]:
    """Open the images one by one, with a step after each file."""
    cache, sampled = ArrayCache(cache_bytes()), sampled_pixels(config, len(rows))
    found: list[_Read] = []
    misfits: list[str] = []
    unreadable: list[ValueError] = []
    for done, row in enumerate(rows, 1):
        is_file = isinstance(row.image, ImageFile)
        try:
            channels = found[0].row.image.channel_names if found else ()
            opened = open_row(row, axes, spacing, cache, channels)
        except MaskSizeError as error:
            misfits.append(str(error))
        except ValueError as error:
            if isinstance(error, LabelsError) or not is_file:
                raise
            unreadable.append(error)
        else:
            found.append(_read_row(spec, config, opened, sampled))
        if is_file:
            yield ReadStep(done, len(rows))
    _require_readable(unreadable, len(rows))
    _require_sizes(misfits, len(rows))
    lowest = {role: min(e.ndim for e in found if e.row.role == role) for role in _roles(found)}
    return [
        each
        if each.ndim == lowest[each.row.role]
        else _read_row(
            spec, config, each.row, each.intensities.sample.shape[1], lowest[each.row.role]
        )
        for each in found
    ]


def _require_readable(errors: Sequence[ValueError], count: int) -> None:
    """Refuse files that cannot be read, all at once."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        said = [str(error).removesuffix(".") for error in errors]
        raise ValueError(
            f"{len(errors)} of {count} images or their labels cannot be read: {_some(said, '; ')}. "
            "Correct these files, or leave them out."
        )


def _require_sizes(misfits: Sequence[str], count: int) -> None:
    """Refuse masks of other sizes than their images, all at once."""
    if misfits:
        verb = "differs" if len(misfits) == 1 else "differ"
        raise LabelsError(
            f"{len(misfits)} of {count} masks {verb} in size from their images, such as "
            f"{', '.join(misfits[:3])}: set fit_masks=True to resample them (nearest neighbour), "
            "or give masks of the images' sizes.",
            ("fit_masks=True",),
        )


def _roles(found: Sequence[_Read]) -> set[str]:
    return {each.row.role for each in found}


def _read_row(
    spec: ModelSpec, config: TrainConfig, row: OpenRow, sampled: int, ndim: int | None = None
) -> _Read:
    """Measure an image and count its labels, as a method of `ndim` dimensions reads them."""
    ndim = ndim or choose_ndim(spec, row.image.axes)
    measured, own = measure_intensities(row.image, ndim, sampled), fingerprint(row.image)
    if not predicts_objects(spec):
        name = labels_name(row.labels, row.image)
        look = config.unlabelled, config.labels_are, name
        is_kept = isinstance(row.values, np.ndarray | CachedArray)
        counts = (
            count_labels(np.asarray(row.values), *look)
            if is_kept or prod(row.values.shape) <= MAX_BLOCK
            else count_blocks((np.asarray(row.values[b]) for b in blocks_of(row.values)), *look)
        )
        prints = own, _labels_print(row, row.values)
        return _Read(row, ndim, measured, prints, counts)
    try:
        ids, objects = row.objects(config, ndim)
    except LabelsError as error:
        if row.role == "train":
            raise
        raise _of_validation(error) from None
    return _Read(row, ndim, measured, (own, _labels_print(row, ids)), objects=objects)


def _labels_print(row: OpenRow, values: LazyArray) -> str:
    """Fingerprint of labels: of all pixels, except where chunks are read when they are needed."""
    whole = isinstance(values, np.ndarray | CachedArray)
    return fingerprint(AxesImage(values, row.image.label_axes), whole=whole)


def _of_validation(error: LabelsError) -> LabelsError:
    return LabelsError(f"Validation: {error}", error.remedies)


def _require_columns(spec: ModelSpec, rows: Sequence[TrainingRow]) -> None:
    """Refuse classes of objects and regions of models without objects, and classes of some rows."""
    classes = [row for row in rows if row.object_classes is not None]
    regions = [row for row in rows if row.regions is not None]
    given = {"object_classes": classes, "regions": regions}
    names = " and ".join(name for name, own in given.items() if own)
    if names and not predicts_objects(spec):
        raise ValueError(
            f"{names} can be used only with objects, but {spec.name} is trained "
            "on classes: leave them out, or set objects in the ModelSpec."
        )
    train = [row for row in rows if row.role == "train"]
    own = [row for row in classes if row.role == "train"]
    if 0 < len(own) < len(train):
        raise ValueError(
            f"object_classes of {len(own)} of {len(train)} images are given: give them of all "
            "images that are trained on, or of none."
        )


def _say_of_all(found: Sequence[_Read]) -> None:
    """Say which labels do not lie on their images, and classes with two names."""
    apart = [each.row.apart for each in found]
    for places in zip(*apart, strict=True):
        warn_if_apart(summary(places))
    named = ((each.row.labels_file, each.row.classes) for each in found)
    if conflict := naming_conflict((name, own) for name, own in named if name):
        warnings.warn(conflict, UserWarning, stacklevel=3)


def _alike(images: Sequence[AxesImage]) -> list[AxesImage]:
    """Images with equal numbers of channels, and spacings in one unit."""
    same = with_same_channels(images)
    return [in_unit(image, same[0].unit) for image in same]


def _pairs(images: Sequence[AxesImage], values: Sequence[LazyArray]) -> list[LabelledImage]:
    return reorient_to(images[0].orientation, images, values)


def _prints(found: Sequence[_Read], images: Sequence[AxesImage]) -> dict[int, tuple[str, str]]:
    """Fingerprints by the `id` of each image, as it is now: turned, or grey as colour."""
    return {
        id(image): each.prints
        if image.data is each.row.image.data
        else (fingerprint(image), each.prints[1])
        for each, image in zip(found, images, strict=True)
    }


def _of_channels(each: _Read, image: AxesImage) -> Intensities:
    grey = image.channels > each.row.image.channels
    return each.intensities.of_colours() if grey else each.intensities


def _counts(found: Sequence[_Read]) -> list[LabelCounts]:
    return [each.counts for each in found if each.counts is not None]


def _changed(found: Sequence[_Read], read: TrainingLabels) -> list[LazyArray]:
    """Class values of each image; masks with grey edges cleaned, ids merged into one class."""
    if read.change is None:
        return [each.row.values for each in found]
    dtype = read.change(np.zeros(1, np.uint8)).dtype
    return [MappedArray(each.row.values, read.change, dtype) for each in found]


def _objects(
    config: TrainConfig, found: Sequence[_Read]
) -> tuple[list[LazyArray], tuple[LabelClass, ...], NDArray[np.intp]]:
    """Ids of each image, unique over all of them, the classes, and the class of each id."""
    rows = [each.row for each in found]
    object_classes = [row.object_classes for row in rows if row.object_classes is not None]
    of_images = [each.objects for each in found if each.objects is not None]
    starts, classes, class_of = join_objects(
        of_images,
        [row.labels for row in rows],
        object_classes or None,
        config.labels_are,
    )
    ids = [
        each.row.cached_ids(config, each.ndim, len(objects.of_value), start)
        for each, objects, start in zip(found, of_images, starts, strict=True)
    ]
    return ids, classes, class_of


def _value_of(found: Sequence[_Read]) -> NDArray[np.int64]:
    """Label value of each object id."""
    own = [each.objects.of_value for each in found if each.objects is not None]
    return np.concatenate([[0], *own]).astype(np.int64)


def _validation(
    spec: ModelSpec, config: TrainConfig, train: LabelledImages, found: Sequence[_Read]
) -> list[LabelledImage]:
    """Images and labels that are not trained on; what cannot be compared is refused."""
    first = train.pairs[0][0]
    own = (in_unit(each.row.image, first.unit) for each in found)
    images = [with_channels(image, first.channels, first.axes) for image in own]
    ndim = min(choose_ndim(spec, image.axes) for image, _ in train.pairs)
    _require_like_training(spec, images, first, ndim)
    values: list[LazyArray]
    if train.class_of is None:
        read = training_labels(
            _counts(found), unlabelled=config.unlabelled, labels_are=config.labels_are
        )
        values = _changed(found, read)
        unknown = _unknown_values(read._replace(unlabelled=config.unlabelled), train)
    else:
        try:
            values, classes, _ = _objects(config, found)
        except LabelsError as error:
            raise _of_validation(error) from None
        unknown = list(_unknown_classes(classes, config, train))
    if unknown:
        raise LabelsError(
            f"The validation labels hold {_some(unknown)}, which the training labels do not: "
            "add it to the training labels, or leave it out of the validation."
        )
    return reorient_to(first.orientation, images, values)


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return separator.join(names[:MAX_NAMED]) + more


def _require_like_training(
    spec: ModelSpec, images: Sequence[AxesImage], train: AxesImage, ndim: int
) -> None:
    """Refuse validation images that the trained model could not be applied to."""
    require_same_channels([train, *images])
    for image in images:
        if choose_ndim(spec, image.axes) < ndim:
            raise ValueError(
                f"{image.name} has axes {image.axes} and the training images {train.axes}: give "
                "volumes for validation, too."
            )


def _unknown_values(labels: TrainingLabels, train: LabelledImages) -> list[str]:
    stats = label_stats_of(labels)
    if not stats.counts:
        raise LabelsError(
            "Nothing is labelled in the validation labels: every pixel is "
            f"{labels.unlabelled}, which means unlabelled.",
            ("paint",),
        )
    known = {c.value for c in train.classes}
    return [f"class {value}" for value in stats.counts if value not in known]


def _unknown_classes(
    classes: Sequence[LabelClass], config: TrainConfig, train: LabelledImages
) -> Iterator[str]:
    """Compare values where they are classes; else names, as far as the objects have any."""
    values, names = {c.value for c in train.classes}, {c.name for c in train.classes}
    for c in classes[1:]:
        is_value = config.labels_are == "classes"
        if c.value not in values if is_value else c.name not in {*names, ANY_CLASS}:
            yield c.name
