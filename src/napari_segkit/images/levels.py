"""Levels of multiscale images: layers of napari, or lists of arrays, finest first."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from .types import AnyArray, LazyArray


def levels_of(source: Any) -> Sequence[LazyArray] | None:
    """The levels of a multiscale layer or of a list of arrays; None for what has only one."""
    if getattr(source, "multiscale", False):
        levels: Sequence[LazyArray] = source.data
        return levels
    return source if _is_pyramid(source) else None


def require_level(source: Any, level: int, name: str) -> None:
    """ValueError if an image has no such level, and is not a copy of it."""
    if level != getattr(source, "level", 0):
        require_level_of(len(levels_of(source) or (0,)), level, name)


def require_level_of(count: int, level: int, name: str) -> None:
    """ValueError if an image of so many levels has no such level."""
    if level >= count:
        has = "only one level" if count == 1 else f"the levels 0 to {count - 1}"
        raise ValueError(f"{name} has {has}, but PredictConfig.level is {level}: choose another.")


def level_like(source: Any, labels_shape: Sequence[int]) -> int:
    """The level that labels of this shape were painted on; 0 if they have the shape of none."""
    for level, array in enumerate(levels_of(source) or ()):
        shape = tuple(array.shape)
        shapes = [shape, *(shape[:i] + shape[i + 1 :] for i in range(len(shape)))]
        if tuple(labels_shape) in shapes:
            return level
    return 0


def factors_of(source: Any, level: int) -> AnyArray:
    """How many pixels of the finest level a pixel of this one is long, along each dimension."""
    levels = levels_of(source)
    if levels is None:
        return np.ones(1)
    return np.divide(levels[0].shape, levels[level].shape)


def finest_to_level(points: AnyArray, layer: Any, level: int) -> AnyArray:
    """Coordinates ``(..., dimensions)`` in pixels of a level, of those in pixels of the finest."""
    if not level or levels_of(layer) is None:
        return points
    factors = factors_of(layer, level)[: layer.ndim][-points.shape[-1] :]
    return np.asarray((points - (factors - 1) / 2) / factors)


def _is_pyramid(source: object) -> TypeGuard[Sequence[LazyArray]]:
    """Whether these are arrays of one image in ever fewer pixels, and not slices of a stack."""
    if not isinstance(source, Sequence) or len(source) < 2:
        return False
    if not all(
        hasattr(a, "dtype") and isinstance(getattr(a, "shape", None), tuple) for a in source
    ):
        return False
    finer, coarser = [a.shape for a in source[:-1]], [a.shape for a in source[1:]]
    return all(
        len(fine) == len(coarse) and fine != coarse and all(np.greater_equal(fine, coarse))
        for fine, coarse in zip(finer, coarser, strict=True)
    )
