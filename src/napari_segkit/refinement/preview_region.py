"""A region refined for itself: what a preview and a search look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import RefineConfig, SuperpixelConfig
from napari_segkit.steps import drain

from .blocks import Region, moved, widened
from .pipeline import refine_frame
from .probability_maps import ProbabilityMaps
from .smooth import blocks, halo


def refine_region(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    region: Region,
    config: RefineConfig,
    values: Sequence[int],
    *,
    device: str,
    margin: Sequence[int] | None = None,
) -> NDArray[np.unsignedinteger]:
    """Labels of a region, as refining the whole would give them.

    What is tidied by size may differ: pieces are cut where the margin ends. Superpixels are cut in
    all of the tiles that the region touches, each of about a million pixels: they are those of the
    whole image, however small the region is; where those are too many, see `in_few_tiles`.

    Parameters
    ----------
    maps : ProbabilityMaps
        Probabilities and image of the whole, with what scales the intensities of all of it.
    frame : dict
        Place along the axes that are walked, as ``maps.frames()`` gives it.
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
        To superpixels it is of no account.

    Returns
    -------
    ndarray
        Class values, of the region's shape.
    """
    tiles = tiles_of(maps, region, config)
    if tiles:
        wide = tuple(slice(a.start, b.stop) for a, b in zip(tiles[0], tiles[-1], strict=True))
    else:
        reach = reach_of(config, maps.spacing) if margin is None else margin
        wide, _ = widened(region, reach, maps.spatial)
    part = maps.part(frame, wide)
    (only,) = part.frames()  # of a volume of one slice, that slice
    places = [moved(tile, wide)[-part.ndim :] for tile in tiles]
    steps = refine_frame(part, only, config, values, device=device, keep=False, places=places)
    labels = drain(steps).labels
    return labels.reshape([along.stop - along.start for along in wide])[moved(region, wide)]


def tiles_of(maps: ProbabilityMaps, region: Region, config: RefineConfig) -> list[Region]:
    """The tiles that a region touches, in order, where superpixels are cut in them; else none."""
    if not isinstance(config.smoother, SuperpixelConfig):
        return []
    return [
        tile
        for tile in blocks(maps.spatial, config.smoother, maps.spacing)
        if all(t.start < r.stop and r.start < t.stop for t, r in zip(tile, region, strict=True))
    ]


def in_few_tiles(maps: ProbabilityMaps, region: Region, config: RefineConfig, most: int) -> Region:
    """The middle of a region, so much of it that no more tiles of superpixels are cut than these.

    Parameters
    ----------
    maps, region, config
        As in `refine_region`.
    most : int
        Tiles; four meet in a corner of a plane, so that of four some of any region is left.

    Returns
    -------
    tuple of slice
        The region itself where it touches no more, or nothing is cut.
    """
    while len(tiles_of(maps, region, config)) > most:
        sides = [along.stop - along.start for along in region]
        longest = sides.index(max(sides))
        trim = max(1, sides[longest] // 40)
        a = region[longest]
        shorter = slice(a.start + trim, max(a.start + trim + 1, a.stop - trim))
        region = (*region[:longest], shorter, *region[longest + 1 :])
    return region


def reach_of(config: RefineConfig, spacing: Sequence[float]) -> list[int]:
    """From how many pixels away something counts, along each axis."""
    return halo(config.smoother, spacing) if config.smoother else [0] * len(spacing)
