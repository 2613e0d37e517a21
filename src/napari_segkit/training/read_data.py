"""Read the training set that `Segmenter.fit` is given."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution, in_unit
from napari_segkit.images.channels import (
    require_same_channels,
    say_notes,
    with_channels,
    with_same_channels,
)
from napari_segkit.images.colour_masks import classes_by_colour, has_channels
from napari_segkit.images.geometry import apart, layer_name, summary, warn_if_apart
from napari_segkit.images.label_stats import (
    TrainingLabels,
    label_stats_of,
    read_training_labels,
)
from napari_segkit.images.labels import LabelsError
from napari_segkit.images.training_pairs import reorient_to, training_labels
from napari_segkit.images.types import AnyArray, ImageSource
from napari_segkit.instances.label_ids import ObjectLabels, read_objects
from napari_segkit.io.opened_files import with_file_notes
from napari_segkit.models import check_resize, choose_ndim, predicts_objects
from napari_segkit.training_set import TrainingRow, TrainingSet

from .dataset import LabelledImage, LabelledImages

MAX_NAMED = 5  # classes in a message
ANY_CLASS = "object"  # name of the class of objects without one


def read_training_data(
    spec: ModelSpec,
    config: TrainConfig,
    training_set: TrainingSet,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
) -> tuple[LabelledImages, TrainConfig]:
    """Read and check images and labels; the settings with what turned out to be unlabelled.

    Rows that are left out are not read. Arguments as in `Segmenter.fit`.
    """
    used = [*training_set.with_role("train"), *training_set.with_role("validate")]
    rows = _colours_as_classes(used, axes)
    held_out = [row for row in rows if row.role == "validate"]
    rows = [row for row in rows if row.role == "train"]
    sources, class_labels, regions = _columns(spec, rows)
    own = _as_images(rows, axes, spacing)
    axes_images = _alike(own)
    ndim = min(choose_ndim(spec, image.axes) for image in axes_images)
    check_resize(spec, config, ndim)
    class_of = None
    if not predicts_objects(spec):
        values, classes, config = training_labels(axes_images, sources, config)
    else:
        objects = read_objects(
            sources,
            unlabelled=config.unlabelled,
            labels_are=config.labels_are,
            images=axes_images,
            ndim=ndim,
            object_classes=class_labels,
            regions=regions,
        )
        values, classes, class_of = list(objects.ids), objects.classes, objects.class_of
    target = axes_images[0].orientation
    pairs = reorient_to(target, axes_images, values)
    read = LabelledImages(pairs, classes, class_of, groups=[row.group for row in rows])
    if not held_out:
        return read, config
    validation = _read_validation(spec, config, read, ndim, held_out, axes, spacing)
    return replace(read, validation=validation), config


def _columns(
    spec: ModelSpec, rows: Sequence[TrainingRow]
) -> tuple[list[ImageSource], list[Any] | None, list[Any] | None]:
    """Labels, classes of objects and regions of rows; None where no row has them."""
    classes = [row.object_classes for row in rows]
    regions = [row.regions for row in rows]
    given = {"object_classes": _any(classes), "regions": _any(regions)}
    if any(given.values()) and not predicts_objects(spec):
        names = " and ".join(name for name, is_given in given.items() if is_given)
        raise ValueError(
            f"{names} can be used only with objects, but {spec.name} is trained "
            "on classes: leave them out, or set objects in the ModelSpec."
        )
    class_labels = _class_labels(classes) if given["object_classes"] else None
    return [row.labels for row in rows], class_labels, regions if given["regions"] else None


def _class_labels(classes: Sequence[Any]) -> list[ImageSource]:
    """Labels with the class of each object, colours as values."""
    for source in classes:
        full_resolution(source, "object_classes")
    return list(*classes_by_colour(classes))


def _any(values: Sequence[object]) -> bool:
    return any(value is not None for value in values)


def _colours_as_classes(rows: Sequence[TrainingRow], axes: str | None) -> list[TrainingRow]:
    """Rows whose colour masks became class labels, the same in training and validation."""
    narrow = [_is_volume(row.image, row.labels, axes) for row in rows]
    pairs = list(zip(rows, narrow, strict=True))
    (labels,) = classes_by_colour([row.labels for row, is_narrow in pairs if not is_narrow])
    classes = iter(labels)
    return [row if is_narrow else replace(row, labels=next(classes)) for row, is_narrow in pairs]


def _is_volume(image: ImageSource, labels: ImageSource, axes: str | None) -> bool:
    """Whether labels with a last axis of 3 or 4 have the shape of their image, X being narrow."""
    array = full_resolution(labels)
    if not has_channels(array):
        return False
    return as_image(image, axes, labels_shape=array.shape).label_shape == tuple(array.shape)


def _as_images(
    rows: Sequence[TrainingRow], axes: str | None, spacing: Sequence[float] | None
) -> list[AxesImage]:
    """Images with what was guessed of them, and of layers that do not lie on theirs, told."""
    images = [say_notes(_as_image(row, axes, spacing)) for row in rows]
    for masks in zip(*((row.labels, row.object_classes, row.regions) for row in rows), strict=True):
        _say_apart(rows, images, masks)
    return images


def _as_image(row: TrainingRow, axes: str | None, spacing: Sequence[float] | None) -> AxesImage:
    shape = full_resolution(row.labels).shape
    image = with_file_notes(as_image(row.image, axes, spacing, labels_shape=shape), row.image)
    return replace(image, name=row.name) if row.name else image


def _alike(images: Sequence[AxesImage]) -> list[AxesImage]:
    """Images with equal numbers of channels, and spacings in one unit."""
    same = with_same_channels(images)
    return [in_unit(image, same[0].unit) for image in same]


def _say_apart(
    rows: Sequence[TrainingRow], images: Sequence[AxesImage], masks: Sequence[object]
) -> None:
    """Say which layers do not lie on the layers of their images."""
    known = zip(rows, images, masks, strict=True)
    warn_if_apart(
        summary(
            (layer_name(mask), apart(row.image, mask, image.axes)) for row, image, mask in known
        )
    )


def _read_validation(
    spec: ModelSpec,
    config: TrainConfig,
    train: LabelledImages,
    ndim: int,
    rows: Sequence[TrainingRow],
    axes: str | None,
    spacing: Sequence[float] | None,
) -> list[LabelledImage]:
    """Read images and labels that are not trained on, and refuse what cannot be compared."""
    first = train.pairs[0][0]
    labels, class_labels, regions = _columns(spec, rows)
    given = (in_unit(image, first.unit) for image in _as_images(rows, axes, spacing))
    images = [with_channels(image, first.channels, first.axes) for image in given]
    _require_like_training(spec, images, first, ndim)
    values: list[AnyArray]
    if train.class_of is None:
        read = read_training_labels(
            labels, unlabelled=config.unlabelled, labels_are=config.labels_are, images=images
        )
        values = list(read.values)
        unknown = _unknown_values(read._replace(unlabelled=config.unlabelled), train)
    else:
        try:
            objects = read_objects(
                labels,
                unlabelled=config.unlabelled,
                labels_are=config.labels_are,
                images=images,
                ndim=ndim,
                object_classes=class_labels,
                regions=regions,
            )
        except LabelsError as error:
            raise LabelsError(f"Validation: {error}", error.remedies) from None
        values, unknown = list(objects.ids), list(_unknown_classes(objects, config, train))
    if unknown:
        raise LabelsError(
            f"The validation labels hold {_some(unknown)}, which the training labels do not: "
            "add it to the training labels, or leave it out of the validation."
        )
    return reorient_to(train.pairs[0][0].orientation, images, values)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


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
    objects: ObjectLabels, config: TrainConfig, train: LabelledImages
) -> Iterator[str]:
    """Compare values where they are classes; else names, as far as the objects have any."""
    values, names = {c.value for c in train.classes}, {c.name for c in train.classes}
    for c in objects.classes[1:]:
        is_value = config.labels_are == "classes"
        if c.value not in values if is_value else c.name not in {*names, ANY_CLASS}:
            yield c.name
