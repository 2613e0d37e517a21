"""Probabilities on the way to labels, as the model's recipe says."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.data.images import SPATIAL, Image
from napari_segkit.data.labels import from_indices
from napari_segkit.refinement.maps import Maps
from napari_segkit.refinement.recipe import Refined, refine_item
from napari_segkit.steps import mapped

from .tiles import Run, TileStep


def refined(
    work: Run, item: dict[str, int], probabilities: NDArray[np.float32], *, keep: bool
) -> Generator[TileStep, None, Refined]:
    """Make labels of an item's probabilities.

    Parameters
    ----------
    work : Run
        The prediction under way; its model has the recipe.
    item : dict
        Place along the axes that the model walks.
    probabilities : ndarray
        float32 ``(classes, *spatial)`` on the image's own grid.
    keep : bool
        Keep the smoothed probabilities.

    Yields
    ------
    TileStep
        After each block.

    Returns
    -------
    Refined
        Labels ``spatial``, and the probabilities where they are kept.
    """
    recipe, values = work.model.refine, work.model.values
    if not (recipe.smoother or recipe.clean):
        return Refined(from_indices(probabilities.argmax(axis=0), values), probabilities)
    maps = Maps(probabilities, _seen(work, item), work.intensities)
    (only,) = maps.items()
    steps = refine_item(maps, only, recipe, values, device=str(work.device), keep=keep)
    found = yield from mapped(steps, lambda _: work.step(1))
    smoothed = found.probabilities
    return Refined(
        found.labels.reshape(probabilities.shape[1:]),
        None if smoothed is None else smoothed.reshape(probabilities.shape),
    )


def _seen(work: Run, item: dict[str, int]) -> Image:
    """The item's pixels, where the smoothing looks at them; else their places alone."""
    whole, ndim = work.whole, work.model.ndim
    lengths = whole.spatial(ndim)
    if work.intensities is None:
        return Image(np.broadcast_to(np.uint8(0), lengths), SPATIAL[-ndim:], whole.spacing)
    pixels = whole.read(item, [slice(0, n) for n in lengths])
    return Image(pixels, "C" + SPATIAL[-ndim:], whole.spacing, whole.name)
