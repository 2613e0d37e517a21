"""Objects from one model, the classes between them from another."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.resample import resampled_shape
from napari_segkit.instances.candidates import without_pixels
from napari_segkit.instances.panoptic_candidates import PanopticCandidates
from napari_segkit.instances.results import Objects
from napari_segkit.models import kind_of
from napari_segkit.steps import map_steps
from napari_segkit.trained_model import TrainedModel

from . import instance, semantic
from . import watershed as parted
from .tiled import Prediction, TileStep, plan, steps_in

THINGS = {"instance": instance.predict_tiles, "objects": parted.predict_tiles}


def predict_tiles(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    *,
    probabilities: bool = False,
    statistics: Statistics | None = None,
    objects: ObjectConfig | None = None,
) -> Generator[TileStep, None, Prediction]:
    """Predict objects and the classes between them, tile by tile, each refined by its own recipe.

    Parameters
    ----------
    model, image, config, device, statistics
        As in `prediction.semantic.predict_tiles`; the model has a second one as its `stuff`.
    probabilities : bool
        Keep the probability of each class at every pixel.
    objects : ObjectConfig, optional
        Which objects are kept.

    Yields
    ------
    TileStep
        After each batch of tiles of either model.

    Returns
    -------
    Prediction
        Its labels are ids of segments.
    """
    second = model.stuff
    if second is None:
        raise ValueError("This model has no second one: merge two with merge_panoptic.")
    tiles = [_steps(m, image, config) for m in (model, second)]
    more: Any = {"probabilities": True, "statistics": statistics}
    steps = THINGS[kind_of(model.spec)](model, image, config, device, objects=objects, **more)
    things: Any = yield from map_steps(steps, lambda step: TileStep(step.done, sum(tiles)))
    occurring = things.objects.candidates.positions.tolist()
    compact = _compact(things.probabilities, occurring)
    if not probabilities:
        things = replace(things, probabilities=None)
    more["statistics"] = statistics if _alike(model, second) else None
    steps = semantic.predict_tiles(second, image, config, device, **more)
    around = yield from map_steps(steps, lambda step: TileStep(tiles[0] + step.done, sum(tiles)))
    where = without_pixels(image)
    stuff = tuple(range(len(model.classes), len(model.all_classes)))
    likeliest = _likeliest(around.probabilities, second, model.stuff_values)
    found = PanopticCandidates(things.objects.candidates, occurring, compact, stuff, *likeliest, where)
    chosen = Objects(found, objects or ObjectConfig(), model.all_classes, where)
    maps = None
    if probabilities:
        maps = _joined(things.probabilities, around.probabilities, second, model.stuff_values)
    provenance = things.provenance | {"stuff": around.provenance}
    return Prediction(chosen.labels, maps, provenance, chosen)


def _steps(model: TrainedModel, image: AxesImage, config: TileConfig) -> int:
    """How many steps a model will take; nothing of the image is read."""
    empty, size = without_pixels(image), model.config.voxel_size
    if size is not None:
        empty = resampled_shape(empty, size, model.ndim)
    return steps_in(model, plan(model, empty, config), image)


def _alike(model: TrainedModel, second: TrainedModel) -> bool:
    """Whether the numbers that normalise an image for one model are right for the other."""
    measured = model.config.normalise == second.config.normalise == "image"
    return measured and model.nonzero == second.nonzero


def _compact(maps: Any, positions: Sequence[int]) -> NDArray[np.float16]:
    """Probabilities of some classes in half the bytes."""
    compact = np.empty((len(positions), *maps.shape[1:]), np.float16)
    for place, position in enumerate(positions):
        compact[place] = maps[position]
    return compact


def _likeliest(
    maps: Any, second: TrainedModel, values: tuple[int, ...]
) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.float16]]:
    """Which stuff class is the likeliest, and how likely; 0 where another class is likelier."""
    is_stuff = np.isin(second.values, values)
    numbers = np.where(is_stuff, np.cumsum(is_stuff) - 1, 0)
    best = maps.argmax(axis=0)
    probability = np.where(is_stuff[best], maps.max(axis=0), 0).astype(np.float16)
    return numbers.astype(np.min_scalar_type(len(numbers)))[best], probability


def _joined(
    things: Any, around: Any, second: TrainedModel, values: tuple[int, ...]
) -> NDArray[np.float32]:
    """Probabilities of all classes: stuff shares what the objects leave."""
    stuff = around[np.isin(second.values, values)] * things[:1]
    void = things[:1] - stuff.sum(axis=0, keepdims=True)
    joined: NDArray[np.float32] = np.concatenate([void.clip(0), things[1:], stuff])
    return joined
