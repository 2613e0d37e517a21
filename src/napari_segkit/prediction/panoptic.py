"""Objects from one model, the classes between them from another."""

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.data.images import Image
from napari_segkit.data.normalise import Statistics
from napari_segkit.models import kind_of
from napari_segkit.objects.found import without_pixels
from napari_segkit.objects.panoptic import FoundPanoptic
from napari_segkit.objects.record import Objects
from napari_segkit.trained import TrainedModel

from . import instance, semantic
from . import objects as parted
from .tiles import Prediction, TileStep, plan

THINGS = {"instance": instance.predict_tiles, "objects": parted.predict_tiles}


def predict_tiles(
    model: TrainedModel,
    image: Image,
    config: TileConfig,
    device: torch.device,
    *,
    probabilities: bool = False,
    statistics: Statistics | None = None,
    objects: ObjectConfig | None = None,
) -> Generator[TileStep, None, Prediction]:
    """Predict objects and the classes between them, tile by tile.

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
    tiles = [
        len(plan(m, m.on_its_grid(image), config)) * image.count(m.ndim) for m in (model, second)
    ]
    alike = second.config.normalise == model.config.normalise
    more: Any = {"probabilities": True, "statistics": statistics}
    steps = THINGS[kind_of(model.spec)](model, image, config, device, objects=objects, **more)
    things = yield from _counted(steps, 0, sum(tiles))
    more["statistics"] = statistics if alike else None
    steps = semantic.predict_tiles(second, image, config, device, **more)
    around = yield from _counted(steps, tiles[0], sum(tiles))
    where = without_pixels(image)
    found = FoundPanoptic(
        things.objects.found,
        things.probabilities,
        _stuff(around.probabilities, second, model.stuff_values),
        tuple(range(len(model.classes), len(model.all_classes))),
        where,
    )
    chosen = Objects(found, objects or ObjectConfig(), model.all_classes, where)
    maps = _joined(things.probabilities, around.probabilities, second, model.stuff_values)
    provenance = things.provenance | {"stuff": around.provenance}
    return Prediction(chosen.labels, maps if probabilities else None, provenance, chosen)


def _counted(steps: Any, before: int, total: int) -> Generator[TileStep, None, Any]:
    """The same steps, counted as part of more work."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        yield TileStep(before + step.done, total)


def _stuff(maps: Any, second: TrainedModel, values: tuple[int, ...]) -> NDArray[np.float32]:
    """Probabilities of the stuff classes, 0 where another class is likelier."""
    is_stuff = np.isin(second.values, values)
    wins = is_stuff[maps.argmax(axis=0)]
    stuff: NDArray[np.float32] = np.where(wins, maps[is_stuff], 0)
    return stuff


def _joined(
    things: Any, around: Any, second: TrainedModel, values: tuple[int, ...]
) -> NDArray[np.float32]:
    """Probabilities of all classes: stuff shares what the objects leave."""
    stuff = around[np.isin(second.values, values)] * things[:1]
    void = things[:1] - stuff.sum(axis=0, keepdims=True)
    joined: NDArray[np.float32] = np.concatenate([void.clip(0), things[1:], stuff])
    return joined
