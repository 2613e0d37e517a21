"""What the two models of a merged one say of each pixel, put together."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import AnyArray
from napari_segkit.trained_model import TrainedModel

Maps: TypeAlias = NDArray[np.float32]  # (classes, *labels)


def share_statistics(model: TrainedModel, second: TrainedModel) -> bool:
    """Whether normalisation statistics measured for one model are valid for the other."""
    measured = model.config.normalise == second.config.normalise == "image"
    return measured and model.nonzero == second.nonzero


def most_likely_stuff(
    maps: Maps, second: TrainedModel, values: tuple[int, ...]
) -> tuple[AnyArray, NDArray[np.float16]]:
    """Index of the most likely stuff class, and its probability; 0 where a thing is more likely."""
    is_stuff = np.isin(second.values, values)
    numbers = np.where(is_stuff, np.cumsum(is_stuff) - 1, 0)
    best = maps.argmax(axis=0)
    probability = np.where(is_stuff[best], maps.max(axis=0), 0).astype(np.float16)
    return numbers.astype(np.min_scalar_type(len(numbers)))[best], probability


def combined_maps(
    things: Maps, semantic_maps: Maps, second: TrainedModel, values: tuple[int, ...]
) -> NDArray[np.float32]:
    """Probabilities of all classes; stuff classes share the background of the objects."""
    stuff = semantic_maps[np.isin(second.values, values)] * things[:1]
    void = things[:1] - stuff.sum(axis=0, keepdims=True)
    combined: NDArray[np.float32] = np.concatenate([void.clip(0), things[1:], stuff])
    return combined
