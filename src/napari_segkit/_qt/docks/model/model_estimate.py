"""What a model weighs on an image; everything here imports torch, so ask in the background."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.models import Inputs, build, choose_ndim, model_info, outputs, stride

if TYPE_CHECKING:
    from napari_segkit.models.memory_estimate import MemoryEstimate

AXES = {2: "YX", 3: "ZYX"}
LONGEST = 8192  # as the longest tile


@dataclass(frozen=True)
class ModelEstimate:
    """A model, weighed.

    Parameters
    ----------
    size : MemoryEstimate or None
        Its parameters and the memory for a batch of tiles; None where it is no network that is
        trained in steps.
    tile : tuple of int
        Edges of a tile that it learns, in pixels.
    free : int or None
        Bytes free on the device; None where that is not here.
    weights : tuple of str
        Words that ``ModelSpec.weights`` takes for this encoder.
    """

    size: "MemoryEstimate | None"
    tile: tuple[int, ...]
    free: int | None
    weights: tuple[str, ...]


def look(
    spec: ModelSpec, image: AxesImage | None, classes: int, config: TrainConfig, device: str
) -> ModelEstimate:
    """Weigh a model as a training on an image would build it.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder named.
    image : AxesImage or None
        None: any grey image that is large enough.
    classes : int
        How many it tells apart.
    config : TrainConfig
        Tile and batch size.
    device : str
        Where it is to run.

    Returns
    -------
    ModelEstimate
        An estimate.

    Raises
    ------
    ValueError
        If it cannot be built, or does not go with the image.
    """
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.models.weights.pretrained import available
    from napari_segkit.training import trainer_of
    from napari_segkit.training.trainer import tiles

    ndim = choose_ndim(spec, image.axes if image else "ZYX")
    image = image or _any_image(ndim)
    inputs = Inputs(image.channels, outputs(spec, classes), image.spacing[-ndim:])
    strides, room = stride(spec, inputs.spacing), trainer_of(spec).room
    patch, tile, _ = tiles([image], config, strides, room)
    size = _weigh(spec, inputs, patch, config.batch_size, tile)
    return ModelEstimate(size, patch, _free_memory(device), available(spec))


def _weigh(
    spec: ModelSpec, inputs: Inputs, patch: tuple[int, ...], batch: int, tile: tuple[int, ...]
) -> "MemoryEstimate | None":
    from napari_segkit.models.memory_estimate import details
    from napari_segkit.models.meta_device import meta_device

    if not model_info(spec.name).features:
        return details(spec, inputs, patch, batch, tile)
    with meta_device():
        build(spec, inputs)  # for its ValueError
    return None


def _any_image(ndim: int) -> AxesImage:
    """One that no tile is larger than; it takes no memory."""
    return AxesImage(np.broadcast_to(np.uint8(0), (LONGEST,) * ndim), AXES[ndim])


def _free_memory(device: str) -> int | None:
    from napari_segkit.devices import free_memory

    try:
        return free_memory(device)
    except ValueError:
        return None
