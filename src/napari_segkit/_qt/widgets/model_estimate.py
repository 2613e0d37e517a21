"""Memory estimate of a model; imports torch, so call it in the background."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.models import (
    Inputs,
    build,
    check_resize,
    choose_ndim,
    model_info,
    outputs,
    stride,
)

if TYPE_CHECKING:
    from napari_segkit.models.memory_estimate import MemoryEstimate

AXES = {2: "YX", 3: "ZYX"}
MAX_TILE = 8192  # pixels, the largest tile size


@dataclass(frozen=True)
class ModelEstimate:
    """Size of a model and the memory that it needs."""

    size: "MemoryEstimate | None"  # None for pixel classifiers
    tile: tuple[int, ...]  # edges of a training tile in pixels
    free: int | None  # bytes free on the device, None if the device is not available
    weights: tuple[str, ...]  # pretrained weights available for the encoder


def estimate_model(
    spec: ModelSpec, image: AxesImage | None, classes: int, config: TrainConfig, device: str
) -> ModelEstimate:
    """Estimate training on an image, None: a large grey one; ValueError if it cannot be built."""
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.models.weights.pretrained import available
    from napari_segkit.training import trainer_of
    from napari_segkit.training.tile_sizes import tiles

    ndim = choose_ndim(spec, image.axes if image else "ZYX")
    check_resize(spec, config, ndim)
    image = image or large_image(ndim)
    inputs = Inputs(image.channels, outputs(spec, classes, config), image.spacing[-ndim:])
    strides, tile_ratio = stride(spec, inputs.spacing), trainer_of(spec).tile_ratio
    patch, tile, _ = tiles([image], config, strides, tile_ratio)
    size = _estimate_memory(spec, inputs, patch, config.batch_size, tile)
    return ModelEstimate(size, patch, _free_memory(device), available(spec))


def _estimate_memory(
    spec: ModelSpec, inputs: Inputs, patch: tuple[int, ...], batch: int, tile: tuple[int, ...]
) -> "MemoryEstimate | None":
    from napari_segkit.models.memory_estimate import estimate_memory
    from napari_segkit.models.meta_device import meta_device

    if not model_info(spec.name).features:
        return estimate_memory(spec, inputs, patch, batch, tile)
    with meta_device():
        build(spec, inputs)  # raises ValueError if the features do not fit
    return None


def large_image(ndim: int) -> AxesImage:
    """Grey image as large as the largest tile; broadcast, so it needs no memory."""
    return AxesImage(np.broadcast_to(np.uint8(0), (MAX_TILE,) * ndim), AXES[ndim])


def _free_memory(device: str) -> int | None:
    from napari_segkit.devices import free_memory

    try:
        return free_memory(device)
    except ValueError:
        return None
