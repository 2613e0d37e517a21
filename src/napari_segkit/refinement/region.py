"""A region refined for itself: what a preview and a search look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import RefineConfig
from napari_segkit.steps import drain

from .blocks import Region, widened
from .maps import Maps
from .recipe import refine_item
from .smooth import halo


def refine_region(
    maps: Maps,
    item: dict[str, int],
    region: Region,
    config: RefineConfig,
    values: Sequence[int],
    *,
    device: str,
    margin: Sequence[int] | None = None,
) -> NDArray[np.unsignedinteger]:
    """Labels of a region, as refining the whole would give them.

    What is tidied by size may differ: pieces are cut where the margin ends.

    Parameters
    ----------
    maps : Maps
        Probabilities and image of the whole, with what scales the intensities of all of it.
    item : dict
        Place along the axes that are walked, as ``maps.items()`` gives it.
    region : tuple of slice
        Along Y X, or Z Y X.
    config : RefineConfig
        What is done.
    values : sequence of int
        The label value of each class.
    device : str
        Where it is smoothed.
    margin : sequence of int, optional
        How many pixels around the region are looked at, along each axis. None: as many as count.

    Returns
    -------
    ndarray
        Class values, of the region's shape.
    """
    reach = reach_of(config, maps.spacing) if margin is None else margin
    wide, inside = widened(region, reach, maps.spatial)
    part = maps.part(item, wide)
    (only,) = part.items()  # of a volume of one slice, that slice
    steps = refine_item(part, only, config, values, device=device, keep=False)
    labels = drain(steps).labels
    return labels.reshape([along.stop - along.start for along in wide])[inside]


def reach_of(config: RefineConfig, spacing: Sequence[float]) -> list[int]:
    """From how many pixels away something counts, along each axis."""
    return halo(config.smoother, spacing) if config.smoother else [0] * len(spacing)
