"""What ``segkit train`` says about its images and labels before training."""

from itertools import islice

import numpy as np

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.label_stats import label_stats_of, read_training_labels
from napari_segkit.images.labels import IGNORE, LabelsError
from napari_segkit.instances.diameters import (
    diameters,
    each_frame,
    occurrences,
    training_box_lengths,
)
from napari_segkit.instances.instance_stats import instance_stats
from napari_segkit.instances.label_ids import ObjectLabels, read_objects
from napari_segkit.jobs.training_files import TrainingImages
from napari_segkit.models import choose_ndim, predicts_objects
from napari_segkit.models.instance.object_scales import sizes_text

from .terminal import error_line, say

MANY_CLASSES = 20  # that make one ask whether they are the greys of an image
MAX_CHECKED = 20  # images whose objects are checked one by one


def say_training_data(data: TrainingImages, spec: ModelSpec, config: TrainConfig) -> None:
    """Say how many pixels or objects of each class there are; LabelsError if unreadable."""
    if predicts_objects(spec):
        _say_objects(data, spec, config)
    else:
        _say_pixels(data, config)


def _say_pixels(data: TrainingImages, config: TrainConfig) -> None:
    read = read_training_labels(
        data.labels,
        unlabelled=config.unlabelled,
        labels_are=config.labels_are,
        images=data.images,
    )
    stats = label_stats_of(read)
    say(f"Images: {len(read.values)}. Labelled pixels of each class:")
    for value, count in stats.counts.items():
        say(f"  {value}: {count}")
    say(f"  not labelled: {stats.unlabelled} (unlabelled={read.unlabelled})")
    _say_swapped(data, len(stats.counts))


def _say_swapped(data: TrainingImages, classes: int) -> None:
    """Say if the labels have more values than the first image, as if one was given as the other."""
    if classes >= MANY_CLASSES:
        image = data.images[0]
        values = len(np.unique(np.asarray(image.data)))
        if values < classes:
            say(
                f"Note: the labels have {classes} classes, but {image.name} only {values} values: "
                "check that images and labels are not swapped."
            )


def _say_objects(data: TrainingImages, spec: ModelSpec, config: TrainConfig) -> None:
    ndim = min(choose_ndim(spec, image.axes) for image in data.images)
    objects = read_objects(
        data.labels,
        unlabelled=config.unlabelled,
        labels_are=config.labels_are,
        images=data.images,
        ndim=ndim,
        object_classes=data.object_classes,
        regions=data.regions,
    )
    pairs = list(zip(objects.ids, data.images, strict=True))
    present = np.concatenate([occurrences(ids, image) for ids, image in pairs])
    counts = np.bincount(objects.class_of[present], minlength=len(objects.classes))
    say(f"Images: {len(data.images)}. Objects of each class:")
    for label_class, count in zip(objects.classes[1:], counts[1:], strict=True):
        say(f"  {label_class.name}: {count}")
    _say_sizes(data, objects, spec, config, ndim)
    left_out = sum(int((ids == IGNORE).sum()) for ids in objects.ids)
    say(f"  not annotated: {left_out} pixels")
    _say_notes(data, spec, config, ndim)


def _say_sizes(
    data: TrainingImages, objects: ObjectLabels, spec: ModelSpec, config: TrainConfig, ndim: int
) -> None:
    pairs = list(zip(objects.ids, data.images, strict=True))
    widths = [
        diameters(frame, image.spacing[-ndim:])
        for ids, image in pairs
        for frame in each_frame(ids, image, ndim)
    ]
    say(f"  typical diameter: {np.median(np.concatenate(widths)):.1f} pixels")
    lengths = [training_box_lengths(ids, image, ndim, config.voxel_size) for ids, image in pairs]
    if settings := sizes_text(spec, np.concatenate(lengths)):
        say(f"  set from their sizes: {settings}")


def _say_notes(data: TrainingImages, spec: ModelSpec, config: TrainConfig, ndim: int) -> None:
    """Say what looks wrong with the objects of the first images."""
    nothing = [None] * len(data.images)
    files = zip(
        data.images,
        data.labels,
        data.object_classes or nothing,
        data.regions or nothing,
        strict=True,
    )
    for image, labels, object_classes, regions in islice(files, MAX_CHECKED):
        stats = instance_stats(
            labels,
            unlabelled=config.unlabelled,
            labels_are=config.labels_are,
            image=image,
            object_classes=object_classes,
            regions=regions,
            objects_by=spec.objects,
            ndim=ndim,
        )
        if stats.notes:
            note = LabelsError(" ".join(stats.notes), stats.remedies)
            say(f"Note: {image.name}: {error_line(note)}")
