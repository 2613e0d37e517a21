"""Refine only a region, for a preview or a parameter search."""

from collections.abc import Sequence

from napari_segkit.config import RefineConfig, SuperpixelConfig
from napari_segkit.images.types import AnyArray
from napari_segkit.steps import drain

from .blocks import Region, add_margin, relative_to
from .pipeline import refine_frame
from .probability_maps import ProbabilityMaps
from .smooth import smoothing_method


def refine_region(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    region: Region,
    config: RefineConfig,
    values: Sequence[int],
    *,
    device: str,
    margin: Sequence[int] | None = None,
) -> AnyArray:
    """Labels of a ``[Z,] Y, X`` region, as refining the full frame would give them.

    Clean-up by size may differ, as components end at the margin (None: as wide as the smoothing
    needs). Superpixels are those of the full image: all tiles that the region touches are computed,
    each of about a million pixels; see `limit_to_tiles`.
    """
    tiles = tiles_touching(maps, region, config)
    if tiles:
        outer = tuple(slice(a.start, b.stop) for a, b in zip(tiles[0], tiles[-1], strict=True))
    else:
        halo = smoothing_method(config.smoother, maps.spacing).halo()
        outer, _ = add_margin(region, halo if margin is None else margin, maps.spatial)
    crop = maps.crop(frame, outer)
    (only,) = crop.frames()  # a volume of one slice is a 2D frame
    blocks = [relative_to(tile, outer)[-crop.ndim :] for tile in tiles]
    steps = refine_frame(crop, only, config, values, device=device, keep=False, blocks=blocks)
    labels = drain(steps).labels.reshape([axis.stop - axis.start for axis in outer])
    return labels[relative_to(region, outer)]


def tiles_touching(maps: ProbabilityMaps, region: Region, config: RefineConfig) -> list[Region]:
    """Superpixel tiles that a region touches, in order; none for other methods."""
    if not isinstance(config.smoother, SuperpixelConfig):
        return []
    return [
        tile
        for tile in smoothing_method(config.smoother, maps.spacing).blocks(maps.spatial)
        if all(t.start < r.stop and r.start < t.stop for t, r in zip(tile, region, strict=True))
    ]


def limit_to_tiles(
    maps: ProbabilityMaps, region: Region, config: RefineConfig, max_tiles: int
) -> Region:
    """Shrink a region around its centre until it touches at most `max_tiles` superpixel tiles.

    From four tiles on, some of any region is left: four meet at a corner of a plane.
    """
    while len(tiles_touching(maps, region, config)) > max_tiles:
        sides = [axis.stop - axis.start for axis in region]
        longest = sides.index(max(sides))
        trim = max(1, sides[longest] // 40)
        side = region[longest]
        shorter = slice(side.start + trim, max(side.start + trim + 1, side.stop - trim))
        region = (*region[:longest], shorter, *region[longest + 1 :])
    return region
