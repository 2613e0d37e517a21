"""Probabilities on the way to labels, as the model's recipe says."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.labels import from_indices
from napari_segkit.refinement.pipeline import RefinedLabels, refine_frame
from napari_segkit.refinement.probability_maps import ProbabilityMaps
from napari_segkit.steps import map_steps

from .tiled import Run, TileStep


def refined(
    work: Run, frame: dict[str, int], probabilities: NDArray[np.float32], *, keep: bool
) -> Generator[TileStep, None, RefinedLabels]:
    """Make labels of a frame's probabilities.

    Parameters
    ----------
    work : Run
        The prediction under way; its model has the recipe.
    frame : dict
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
    RefinedLabels
        Labels ``spatial``, and the probabilities where they are kept.
    """
    recipe, values = work.model.refine, work.model.values
    if not (recipe.smoother or recipe.clean):
        return RefinedLabels(from_indices(probabilities.argmax(axis=0), values), probabilities)
    maps = ProbabilityMaps(probabilities, _seen(work, frame), work.intensities)
    (only,) = maps.frames()
    steps = refine_frame(maps, only, recipe, values, device=str(work.device), keep=keep)
    found = yield from map_steps(steps, lambda _: work.step(1))
    smoothed = found.probabilities
    return RefinedLabels(
        found.labels.reshape(probabilities.shape[1:]),
        None if smoothed is None else smoothed.reshape(probabilities.shape),
    )


def _seen(work: Run, frame: dict[str, int]) -> AxesImage:
    """The frame's pixels, where the smoothing looks at them; else their places alone."""
    whole, ndim = work.whole, work.model.ndim
    lengths = whole.spatial(ndim)
    if work.intensities is None:
        return AxesImage(np.broadcast_to(np.uint8(0), lengths), SPATIAL[-ndim:], whole.spacing)
    pixels = whole.read(frame, [slice(0, n) for n in lengths])
    return AxesImage(pixels, "C" + SPATIAL[-ndim:], whole.spacing, whole.name)
