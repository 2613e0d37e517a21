"""Measure, resample and encode images and labels as a model needs them."""

from collections.abc import Sequence
from dataclasses import replace

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.array_cache import MaskedArray
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import MAX_NAME, LabelClass
from napari_segkit.images.intensity import measure_intensities
from napari_segkit.images.intensity_range import IntensityRange
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.resample import resample_pairs, resize_marks
from napari_segkit.images.types import LazyArray
from napari_segkit.models import Inputs, choose_ndim, outputs

from .dataset import LabelledImages, TrainingData
from .held_out import HeldOutImage, Mask
from .held_out_samples import Marks, held_out_samples
from .live_labels import LiveLabels
from .missing_pixels import complete_targets
from .normalisation import (
    has_zero_background,
    require_moderate,
    sampled_pixels,
    statistics_of,
)
from .sampler import Sample
from .targets import index_counts, object_sizes, require_all, targets_of


def prepare_data(
    spec: ModelSpec,
    config: TrainConfig,
    labelled: LabelledImages,
    held_out: Sequence[HeldOutImage] = (),
    live: LiveLabels | None = None,
    *,
    nonzero: bool | None = None,
) -> TrainingData:
    """Measure, resample and encode labelled images as the model needs them.

    `nonzero` says whether intensities are measured over non-zero pixels only; None: where most
    pixels are zero.
    """
    _require_short_names(labelled.classes)
    classes = outputs(spec, len(labelled.classes), config)
    images = [image for image, _ in labelled.pairs]
    ndim = min(choose_ndim(spec, image.axes) for image in images)
    measured = labelled.intensities or [
        measure_intensities(image, ndim, sampled_pixels(config, len(images))) for image in images
    ]
    if nonzero is None:
        nonzero = has_zero_background(config, measured)
    statistics = statistics_of(images, config, measured, nonzero)
    require_moderate(config, images, measured, statistics)
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
    require_all(spec, config, labelled, values)
    count, size = 0, 0.0
    if labelled.class_of is not None:
        count, size = object_sizes(values, images, inputs.spacing)
    targets = targets_of(spec, labelled, images, values, inputs.spacing, size)
    if live is not None:
        targets = live.targets(spec, targets, inputs.spacing, size)
    complete = complete_targets(labelled, images, targets, measured, ndim, is_live=live is not None)
    marks = resize_marks if live is None else live.marks
    trained_on = _without(labelled.left_out, complete, marks)
    counts = index_counts(config, labelled, images, ndim)
    samples = [
        Sample(image, AxesImage(used, image.label_axes), scaled, own if used is target else None)
        for image, used, target, scaled, own in zip(
            images, trained_on, targets, statistics, counts, strict=True
        )
    ]
    folds = [
        AxesImage(resize_marks(fold, i.label_shape, IGNORE), i.label_axes)
        for fold, i in zip(labelled.folds, images, strict=False)
    ]
    seen = IntensityRange.of([m.nonzero if nonzero else m.whole for m in measured])
    data = TrainingData(samples, labelled, inputs, nonzero, count, size, (), folds, seen)
    held = held_out_samples(spec, config, held_out, complete, data, marks)
    return replace(data, held_out=held)


def _without(
    left_out: Sequence[Mask | None], targets: Sequence[LazyArray], marks: Marks
) -> list[LazyArray]:
    """Targets, unlabelled where they are left out."""
    masks = left_out or [None] * len(targets)
    return [
        target if mask is None else MaskedArray(target, marks(mask, target.shape), IGNORE)
        for target, mask in zip(targets, masks, strict=True)
    ]


def _require_short_names(classes: Sequence[LabelClass]) -> None:
    for each in classes:
        if len(each.name) > MAX_NAME:
            raise ValueError(
                f"The name of class {each.value} has {len(each.name)} letters: give it at most "
                f"{MAX_NAME}."
            )
