"""What ``segkit train`` says about its images and labels before training."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import IGNORE, LabelsError
from napari_segkit.images.notes import without_notes
from napari_segkit.instances.diameters import (
    diameters,
    each_frame,
    occurrences,
    training_box_lengths,
)
from napari_segkit.instances.instance_stats import instance_stats
from napari_segkit.io.training_files import opened
from napari_segkit.models import choose_ndim
from napari_segkit.models.instance.object_scales import sizes_text
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training_set import TrainingRow, TrainingSet

from .terminal import error_line, say

MANY_CLASSES = 20  # that make one ask whether they are the greys of an image
MAX_CHECKED = 20  # images whose objects are checked one by one


def say_training_data(
    labelled: LabelledImages, training_set: TrainingSet, spec: ModelSpec, config: TrainConfig
) -> None:
    """Say how many pixels or objects of each class there are in the images that are trained on."""
    number = f"Images: {len(labelled.pairs)}"
    if labelled.validation:
        number += f", and {len(labelled.validation)} to validate with"
    if left_out := training_set.with_role("leave out"):
        number += f"; {len(left_out)} left out"
    if labelled.class_of is None:
        say(f"{number}. Labelled pixels of each class:")
        _say_pixels(labelled, config)
    else:
        say(f"{number}. Objects of each class:")
        rows = training_set.with_role("train")
        _say_objects(labelled, labelled.class_of, rows, spec, config)


def _say_pixels(labelled: LabelledImages, config: TrainConfig) -> None:
    counts: Counter[int] = Counter()
    for own in labelled.counts:
        counts.update(own)
    values = [c.value for c in labelled.classes]
    for value in values:
        say(f"  {value}: {counts.pop(value)}")
    unlabelled = None if config.unlabelled in values else config.unlabelled
    say(f"  not labelled: {counts.total()} (unlabelled={unlabelled})")
    _say_swapped(labelled.pairs[0][0], len(values))


def _say_swapped(image: AxesImage, classes: int) -> None:
    """Say if the labels have more values than the first image, as if one was given as the other."""
    if classes >= MANY_CLASSES:
        values = len(np.unique(np.asarray(image.data)))
        if values < classes:
            say(
                f"Note: the labels have {classes} classes, but {image.name} only {values} values: "
                "check that images and labels are not swapped."
            )


def _say_objects(
    labelled: LabelledImages,
    class_of: NDArray[np.intp],
    rows: Sequence[TrainingRow],
    spec: ModelSpec,
    config: TrainConfig,
) -> None:
    ndim = min(choose_ndim(spec, image.axes) for image, _ in labelled.pairs)
    counts, left_out = np.zeros(len(labelled.classes), np.int64), 0
    widths, lengths = [], []
    for image, ids in ((image, np.asarray(ids)) for image, ids in labelled.pairs):
        counts += np.bincount(class_of[occurrences(ids, image)], minlength=len(counts))
        left_out += int((ids == IGNORE).sum())
        widths += [diameters(f, image.spacing[-ndim:]) for f in each_frame(ids, image, ndim)]
        lengths.append(training_box_lengths(ids, image, ndim, config.voxel_size))
    for label_class, count in zip(labelled.classes[1:], counts[1:], strict=True):
        say(f"  {label_class.name}: {count}")
    say(f"  typical diameter: {np.median(np.concatenate(widths)):.1f} pixels")
    if settings := sizes_text(spec, np.concatenate(lengths)):
        say(f"  set from their sizes: {settings}")
    say(f"  not annotated: {left_out} pixels")
    _say_notes([image for image, _ in labelled.pairs], rows, spec, config, ndim)


def _say_notes(
    images: Sequence[AxesImage],
    rows: Sequence[TrainingRow],
    spec: ModelSpec,
    config: TrainConfig,
    ndim: int,
) -> None:
    """Say what looks wrong with the objects of the first images."""
    for image, row in islice(zip(images, rows, strict=True), MAX_CHECKED):
        with without_notes():
            stats = instance_stats(
                opened(row.labels),
                unlabelled=config.unlabelled,
                labels_are=config.labels_are,
                image=image,
                object_classes=opened(row.object_classes),
                regions=opened(row.regions),
                objects_by=spec.objects,
                ndim=ndim,
            )
        if stats.notes:
            note = LabelsError(" ".join(stats.notes), stats.remedies)
            say(f"Note: {image.name}: {error_line(note)}")
