"""Read the images and labels that `Segmenter.fit` is given."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from napari_segkit.arguments import given
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
from napari_segkit.images.training_pairs import (
    Given,
    pair_up,
    reorient_to,
    training_labels,
)
from napari_segkit.images.types import AnyArray, ImageSource
from napari_segkit.instances.label_ids import ObjectLabels, read_objects
from napari_segkit.io.opened_files import with_file_notes
from napari_segkit.models import check_resize, choose_ndim, predicts_objects

from .dataset import LabelledImage, LabelledImages

MAX_NAMED = 5  # classes in a message
ANY_CLASS = "object"  # name of the class of objects without one


def read_training_data(
    spec: ModelSpec,
    config: TrainConfig,
    images: Given,
    labels: Given,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
    object_classes: object,
    regions: object,
    validation: tuple[Given, Given] | None,
) -> tuple[LabelledImages, TrainConfig]:
    """Read and check images and labels; the settings with what turned out to be unlabelled.

    Arguments as in `Segmenter.fit`.
    """
    _require_pair(validation)
    pairs = pair_up(images, labels)
    pairs, validation = _colours_as_classes(pairs, validation, axes)
    is_list = isinstance(labels, list | tuple)
    class_labels = _class_labels(object_classes, len(pairs), is_list)
    region_list = _as_list("regions", regions, len(pairs), is_list)
    sources = [source for _, source in pairs]
    own = _as_images(pairs, axes, spacing)
    for masks in (sources, class_labels or (), region_list or ()):
        _say_apart(pairs, own, masks)
    axes_images = _alike(own)
    ndim = min(choose_ndim(spec, image.axes) for image in axes_images)
    check_resize(spec, config, ndim)
    class_of = None
    if not predicts_objects(spec):
        _refuse_object_options(spec, class_labels, region_list)
        values, classes, config = training_labels(axes_images, sources, config)
    else:
        objects = read_objects(
            sources,
            unlabelled=config.unlabelled,
            labels_are=config.labels_are,
            images=axes_images,
            ndim=ndim,
            object_classes=class_labels,
            regions=region_list,
        )
        values, classes, class_of = list(objects.ids), objects.classes, objects.class_of
    target = axes_images[0].orientation
    read = LabelledImages(reorient_to(target, axes_images, values), classes, class_of)
    if validation is None:
        return read, config
    held_out = _read_validation(spec, config, read, ndim, validation, axes, spacing)
    return replace(read, validation=held_out), config


def _require_pair(validation: object) -> None:
    if validation is not None and not (isinstance(validation, tuple) and len(validation) == 2):
        raise ValueError(
            f"validation is {given(validation)} and not a pair: give (images, labels), or lists of "
            "both."
        )


def _colours_as_classes(
    pairs: Sequence[tuple[ImageSource, ImageSource]],
    validation: tuple[Given, Given] | None,
    axes: str | None,
) -> tuple[list[tuple[ImageSource, ImageSource]], tuple[Given, Given] | None]:
    """Pairs whose colour masks became class labels, the same in training and validation."""
    held_out = pair_up(*validation) if validation is not None else ()
    both: list[tuple[Any, Any]] = [*pairs, *held_out]
    narrow = [_is_volume(image, source, axes) for image, source in both]
    (labels,) = classes_by_colour([s for (_, s), n in zip(both, narrow, strict=True) if not n])
    classes = iter(labels)
    read = [(i, s if n else next(classes)) for (i, s), n in zip(both, narrow, strict=True)]
    if held_out:
        images, sources = zip(*read[len(pairs) :], strict=True)
        validation = (list(images), list(sources))
    return read[: len(pairs)], validation


def _is_volume(image: ImageSource, labels: ImageSource, axes: str | None) -> bool:
    """Whether labels with a last axis of 3 or 4 have the shape of their image, X being narrow."""
    array = full_resolution(labels)
    if not has_channels(array):
        return False
    return as_image(image, axes, labels_shape=array.shape).label_shape == tuple(array.shape)


def _as_images(
    pairs: Sequence[tuple[ImageSource, ImageSource]],
    axes: str | None,
    spacing: Sequence[float] | None,
) -> list[AxesImage]:
    named = (
        as_image(image, axes, spacing, labels_shape=full_resolution(array).shape)
        for image, array in pairs
    )
    return [
        say_notes(with_file_notes(image, layer))
        for image, (layer, _) in zip(named, pairs, strict=True)
    ]


def _alike(images: Sequence[AxesImage]) -> list[AxesImage]:
    """Images with equal numbers of channels, and spacings in one unit."""
    same = with_same_channels(images)
    return [in_unit(image, same[0].unit) for image in same]


def _say_apart(
    pairs: Sequence[tuple[ImageSource, ImageSource]],
    images: Sequence[AxesImage],
    masks: Sequence[object],
) -> None:
    """Say which layers do not lie on the layers of their images."""
    known = zip(pairs, images, masks, strict=False)
    warn_if_apart(
        summary(
            (layer_name(mask), apart(layer, mask, image.axes)) for (layer, _), image, mask in known
        )
    )


def _as_list(name: str, values: Any, count: int, is_list: bool) -> list[Any] | None:
    """An option with one entry per image; None if it was not given."""
    if values is None or not is_list:
        return None if values is None else [values]
    if not isinstance(values, list | tuple):
        raise ValueError(
            f"{name} is not a list, but there are {count} labels: give a list with one entry "
            "for each of them; an entry may be None."
        )
    if len(values) != count:
        raise ValueError(
            f"{name} holds {len(values)} entries for {count} labels: give one for each of "
            "them; an entry may be None."
        )
    return list(values)


def _class_labels(object_classes: object, count: int, is_list: bool) -> list[Any] | None:
    """Labels with the class of each object, colours as values."""
    classes = _as_list("object_classes", object_classes, count, is_list)
    if classes is None:
        return None
    for source in classes:
        full_resolution(source, "object_classes")
    return list(*classes_by_colour(classes))


def _refuse_object_options(spec: ModelSpec, object_classes: object, regions: object) -> None:
    options = {"object_classes": object_classes, "regions": regions}
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(
            f"{' and '.join(given)} can be used only with objects, but {spec.name} is trained "
            "on classes: leave them out, or set objects in the ModelSpec."
        )


def _read_validation(
    spec: ModelSpec,
    config: TrainConfig,
    train: LabelledImages,
    ndim: int,
    validation: tuple[Given, Given],
    axes: str | None,
    spacing: Sequence[float] | None,
) -> list[LabelledImage]:
    """Read images and labels that are not trained on, and refuse what cannot be compared."""
    pairs = pair_up(*validation)
    first, labels = train.pairs[0][0], [source for _, source in pairs]
    own = _as_images(pairs, axes, spacing)
    _say_apart(pairs, own, labels)
    given = (in_unit(image, first.unit) for image in own)
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
