"""What methods that find objects one by one choose by the objects' sizes. Without torch."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import inf, log2

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec
from napari_segkit.models.registry import model_info

Sizes = NDArray[np.float64]

LEVELS = 5  # of a pyramid of features: every 4, 8, 16, 32 and 64 pixels; of grids at most
USUAL = np.array([[16.0, 16.0]])  # objects, until some are known
SMALLEST = (8.0, 32.0)  # pixels, limits of the smallest anchor
SCALES = 2  # anchors an octave apart miss objects between them
OF_TORCHVISION = ("resnet50", "resnet50_v2")  # its Mask R-CNN, with one anchor an octave
SMALLEST_CELL = 4.0  # pixels
REGULAR = 32.0  # pixels: the steps of tiles are multiples of it, and cells divide it
TAILS = 5.0  # per cent of the objects, at either end, that no octave is spent on
OVERLAP = 1.25  # how far a grid's range of scales reaches into the next one's


def scales_of(encoder: str | None) -> int:
    """How many sizes of anchors Mask R-CNN has at each level of its pyramid.

    Parameters
    ----------
    encoder : str or None
        Its encoder.
    """
    return 1 if encoder in OF_TORCHVISION else SCALES


def choose_anchors(sizes: Sizes, scales: int) -> Sizes:
    """Choose edges of anchors for objects of these sizes, doubling from level to level.

    Parameters
    ----------
    sizes : ndarray
        Height and width of every object in pixels, of shape (objects, 2).
    scales : int
        Anchors' sizes at each level of the pyramid.

    Returns
    -------
    ndarray
        Of shape (levels, scales). The first serves the smallest objects.
    """
    edges = np.sqrt(np.prod(sizes if len(sizes) else USUAL, axis=1))
    first = float(np.clip(np.quantile(edges, 0.05), *SMALLEST))
    steps = np.arange(LEVELS)[:, None] + np.arange(scales) / scales
    return np.asarray(first * 2.0**steps)


def choose_levels(sizes: Sizes) -> list[tuple[float, float, float]]:
    """Choose SOLO's grids for objects of these sizes: one for each octave of scales.

    Parameters
    ----------
    sizes : ndarray
        Height and width of each object in pixels, ``(objects, 2)``, at least one object.

    Returns
    -------
    list of tuple of float
        Edge of a cell, about half the scale in the middle of its octave; smallest and largest
        scale. The first grid's range begins at 0, the last one's has no end.
    """
    scales = np.sqrt(np.prod(np.asarray(sizes, float), axis=1))
    low, high = np.percentile(scales, [TAILS, 100 - TAILS])
    count = min(max(round(log2(high / low)), 1), LEVELS)
    borders = np.geomspace(low, high, count + 1).tolist()
    return [
        (
            _regular(max((start * end) ** 0.5 / 2, SMALLEST_CELL)),
            start / OVERLAP if start > borders[0] else 0.0,
            end * OVERLAP if end < borders[-1] else inf,
        )
        for start, end in pairwise(borders)
    ]


def _regular(cell: float) -> float:
    """The nearest edge that divides `REGULAR`, so that tiles cut an object into the same cells.

    Edges longer than that are multiples of half of it.
    """
    if cell < REGULAR:
        return REGULAR / round(REGULAR / cell)
    return REGULAR / 2 * round(2 * cell / REGULAR)


def anchors_text(edges: Iterable[float]) -> str:
    """Anchors in words, such as "anchors of 8, 16 pixels".

    Parameters
    ----------
    edges : iterable of float
        In pixels.
    """
    return f"anchors of {', '.join(map(str, sorted({round(e) for e in edges})))} pixels"


def grids_text(cells: Iterable[float]) -> str:
    """Grids in words, such as "grids with cells of 5, 11 pixels".

    Parameters
    ----------
    cells : iterable of float
        Edge of a cell of each, in pixels.
    """
    return f"grids with cells of {', '.join(f'{cell:.0f}' for cell in cells)} pixels"


def sizes_text(spec: ModelSpec, sizes: Sizes) -> str:
    """What a method would choose for objects of these sizes, in words.

    Parameters
    ----------
    spec : ModelSpec
        Which method and encoder.
    sizes : ndarray
        Height and width of each object in pixels, ``(objects, 2)``.

    Returns
    -------
    str
        Such as "anchors of 8, 16 pixels"; empty where it chooses nothing by them.
    """
    words = WORDS.get(model_info(spec.name).family)
    return words(spec, sizes) if words and len(sizes) else ""


def _of_maskrcnn(spec: ModelSpec, sizes: Sizes) -> str:
    return anchors_text(choose_anchors(sizes, scales_of(spec.encoder)).ravel())


def _of_solo(_: ModelSpec, sizes: Sizes) -> str:
    return grids_text(cell for cell, *_ in choose_levels(sizes))


WORDS: dict[str, Callable[[ModelSpec, Sizes], str]] = {
    "maskrcnn": _of_maskrcnn,
    "solo": _of_solo,
}
