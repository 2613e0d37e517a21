"""What a model weighs on an image; everything here imports torch, so ask in the background."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.data.images import Image
from napari_segkit.models import Inputs, build, choose_ndim, model_info, outputs, stride

if TYPE_CHECKING:
    from napari_segkit.models.details import Details

AXES = {2: "YX", 3: "ZYX"}
LONGEST = 8192  # as the longest tile


@dataclass(frozen=True)
class Facts:
    """A model, weighed.

    Parameters
    ----------
    size : Details or None
        Its parameters and the memory for a batch of tiles; None where it is no network that is
        trained in steps.
    tile : tuple of int
        Edges of a tile that it learns, in pixels.
    free : int or None
        Bytes free on the device; None where that is not here.
    weights : tuple of str
        Words that ``ModelSpec.weights`` takes for this encoder.
    """

    size: "Details | None"
    tile: tuple[int, ...]
    free: int | None
    weights: tuple[str, ...]


def look(
    spec: ModelSpec, image: Image | None, classes: int, config: TrainConfig, device: str
) -> Facts:
    """Weigh a model as a training on an image would build it.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder named.
    image : Image or None
        None: any grey image that is large enough.
    classes : int
        How many it tells apart.
    config : TrainConfig
        Tile and batch size.
    device : str
        Where it is to run.

    Returns
    -------
    Facts
        An estimate.

    Raises
    ------
    ValueError
        If it cannot be built, or does not go with the image.
    """
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.models.weights import available
    from napari_segkit.training import training_of
    from napari_segkit.training.base import tiles

    ndim = choose_ndim(spec, image.axes if image else "ZYX")
    image = image or _any_image(ndim)
    inputs = Inputs(image.channels, outputs(spec, classes), image.spacing[-ndim:])
    strides, room = stride(spec, inputs.spacing), training_of(spec).room
    patch, tile, _ = tiles([image], config, strides, room)
    size = _weigh(spec, inputs, patch, config.batch_size, tile)
    return Facts(size, patch, _free_memory(device), available(spec))


def _weigh(
    spec: ModelSpec, inputs: Inputs, patch: tuple[int, ...], batch: int, tile: tuple[int, ...]
) -> "Details | None":
    from napari_segkit.models.details import details
    from napari_segkit.models.skeleton import skeleton

    if not model_info(spec.name).features:
        return details(spec, inputs, patch, batch, tile)
    with skeleton():
        build(spec, inputs)  # for its ValueError
    return None


def _any_image(ndim: int) -> Image:
    """One that no tile is larger than; it takes no memory."""
    return Image(np.broadcast_to(np.uint8(0), (LONGEST,) * ndim), AXES[ndim])


def _free_memory(device: str) -> int | None:
    from napari_segkit.devices import free_memory

    try:
        return free_memory(device)
    except ValueError:
        return None
