"""A picture of what augmentation makes of a patch."""

from dataclasses import replace

import numpy as np

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import measure_statistics
from napari_segkit.images.pictures import Overlay, Picture, in_columns, pictures_of
from napari_segkit.images.types import AnyArray
from napari_segkit.models import choose_ndim, predicts_objects
from napari_segkit.tiling import TILE
from napari_segkit.training.augment import augment_of, augmented_patches
from napari_segkit.training_set import TrainingSet

from .pair_pictures import random_pairs, read_row

COUNT = 9  # changed patches
COLUMNS = 5


def picture_of_augmentation(
    training_set: TrainingSet, config: TrainConfig, spec: ModelSpec, axes: str | None
) -> Picture:
    """A patch with its labels as it is, and as training changes it."""
    (row,) = random_pairs(training_set.with_role("train"), config.seed, 1)
    image, overlay = read_row(row, config, axes, objects=predicts_objects(spec))
    ndim = choose_ndim(spec, image.axes)
    pixels, values = _labelled_patch(image, overlay.values, config, ndim)
    changes = augment_of(config.augment, image)
    pairs = augmented_patches(
        pixels, values, changes, spacing=image.spacing[-ndim:], count=COUNT, seed=config.seed
    )
    patches = [(pixels, values), *zip(*pairs, strict=True)]
    return in_columns(
        [
            (str(number or "as it is"), _drawn(*patch, overlay, is_rgb=image.is_rgb))
            for number, patch in enumerate(patches)
        ],
        COLUMNS,
    )


def _labelled_patch(
    image: AxesImage, values: AnyArray, config: TrainConfig, ndim: int
) -> tuple[AnyArray, AnyArray]:
    """A patch around a labelled pixel, (C, *spatial) with intensities from about 0 to 1."""
    labels = AxesImage(values, image.label_axes)
    frames = [f for f, (v,) in labels.read_frames(ndim) if (v > 0).any()]
    frame = (frames or list(image.frames(ndim)))[len(frames) // 2]
    whole = [slice(0, n) for n in image.spatial_shape(ndim)]
    places = np.argwhere(labels.read(frame, whole)[0] > 0)
    random = np.random.default_rng(config.seed)
    centre = places[random.integers(len(places))] if len(places) else [s.stop // 2 for s in whole]
    size = config.tile.tile_size or TILE[ndim]
    region = [
        slice(start := int(min(max(0, c - size // 2), max(0, s.stop - size))), start + size)
        for c, s in zip(centre, whole, strict=True)
    ]
    pixels = measure_statistics([image], ndim).apply(image.read(frame, region))
    return pixels, labels.read(frame, region)[0]


def _drawn(pixels: AnyArray, values: AnyArray, overlay: Overlay, *, is_rgb: bool) -> Picture:
    """The patch with its labels; of a volume, one slice."""
    axes = "CZYX" if values.ndim == 3 else "CYX"
    image = AxesImage(pixels, axes)
    if is_rgb:
        image = AxesImage(np.moveaxis(pixels, 0, -1), f"{axes[1:]}C")
    (picture,) = pictures_of(image, [replace(overlay, values=values)], alone=False, stretch=False)
    return picture
