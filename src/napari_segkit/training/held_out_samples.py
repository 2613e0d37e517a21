"""What is held out of a training, prepared as what is trained on."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.array_cache import MaskedArray
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import dtype_statistics, measure_statistics
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.resample import resample_pairs
from napari_segkit.images.types import LazyArray

from .dataset import LabelledImages, TrainingData
from .held_out import HeldOutImage, Mask
from .sampler import Sample
from .targets import targets_of

Marks = Callable[[Mask, Sequence[int]], Mask]


def held_out_samples(
    spec: ModelSpec,
    config: TrainConfig,
    held_out: Sequence[HeldOutImage],
    targets: Sequence[LazyArray],
    data: TrainingData,
    marks: Marks,
) -> list[Sample]:
    """What is held out, encoded as what is trained on; `targets` are those of whole images.

    `marks` gives a mask in the shape of a target.
    """
    places = {id(image): number for number, (image, _) in enumerate(data.labelled.pairs)}
    samples = []
    for each in held_out:
        if each.mask is not None:
            number = places[id(each.image)]
            mask = marks(each.mask, targets[number].shape)
            marked = MaskedArray(targets[number], mask, IGNORE, hidden=False)
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
    targets = targets_of(spec, labelled, images, values, data.inputs.spacing, data.object_size)
    return Sample(images[0], AxesImage(targets[0], images[0].label_axes), statistics)
