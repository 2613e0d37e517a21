"""Anchors and grids of instance methods, chosen by the sizes of objects. Without torch."""

from collections.abc import Iterable
from itertools import pairwise
from math import inf, log2

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec

Sizes = NDArray[np.float64]

LEVELS = 5  # of a feature pyramid, strides 4 to 64; also the largest number of grids
DEFAULT_SIZES = np.array([[16.0, 16.0]])  # object size before training
SMALLEST = (8.0, 32.0)  # limits of the smallest anchor in pixels
SCALES = 2  # anchors an octave apart miss objects between them
TORCHVISION_ENCODERS = ("resnet50", "resnet50_v2")  # Mask R-CNN as in torchvision
SMALLEST_CELL = 4.0  # pixels
CELL_MULTIPLE = 32.0  # pixels: tile steps are multiples of it, and cells divide it
TAIL_PERCENT = 5.0  # per cent of the objects ignored at either end
OVERLAP = 1.25  # factor by which the ranges of neighbouring grids overlap


def anchor_scales(encoder: str | None) -> int:
    """Number of anchor sizes at each level of Mask R-CNN's pyramid."""
    return 1 if encoder in TORCHVISION_ENCODERS else SCALES


def choose_anchors(sizes: Sizes, scales: int) -> Sizes:
    """Edges of anchors ``(levels, scales)`` for object sizes ``(objects, 2)`` in pixels.

    They double from level to level; the first is for the smallest objects.
    """
    edges = np.sqrt(np.prod(sizes if len(sizes) else DEFAULT_SIZES, axis=1))
    first = float(np.clip(np.quantile(edges, 0.05), *SMALLEST))
    steps = np.arange(LEVELS)[:, None] + np.arange(scales) / scales
    return np.asarray(first * 2.0**steps)


def choose_levels(sizes: Sizes) -> list[tuple[float, float, float]]:
    """Choose SOLO's grids for object sizes ``(objects, 2)`` in pixels: one per octave of scale.

    Returns cell edge, smallest and largest scale of each grid. A cell is about half the mean
    scale; the first range starts at 0 and the last has no end.
    """
    scales = np.sqrt(np.prod(np.asarray(sizes, float), axis=1))
    low, high = np.percentile(scales, [TAIL_PERCENT, 100 - TAIL_PERCENT])
    count = min(max(round(log2(high / low)), 1), LEVELS)
    borders = np.geomspace(low, high, count + 1).tolist()
    return [
        (
            _round_cell(max((start * end) ** 0.5 / 2, SMALLEST_CELL)),
            start / OVERLAP if start > borders[0] else 0.0,
            end * OVERLAP if end < borders[-1] else inf,
        )
        for start, end in pairwise(borders)
    ]


def _round_cell(cell: float) -> float:
    """Round to a divisor of `CELL_MULTIPLE`, or above it to multiples of half of it.

    Grids of neighbouring tiles then agree.
    """
    if cell < CELL_MULTIPLE:
        return CELL_MULTIPLE / round(CELL_MULTIPLE / cell)
    return CELL_MULTIPLE / 2 * round(2 * cell / CELL_MULTIPLE)


def anchors_text(edges: Iterable[float]) -> str:
    """Describe anchors, such as "anchors of 8, 16 pixels"."""
    return f"anchors of {', '.join(map(str, sorted({round(e) for e in edges})))} pixels"


def grids_text(cells: Iterable[float]) -> str:
    """Describe grids, such as "grids with cells of 5, 11 pixels"."""
    return f"grids with cells of {', '.join(f'{cell:.0f}' for cell in cells)} pixels"


def sizes_text(spec: ModelSpec, sizes: Sizes) -> str:
    """Describe what a method chooses for these object sizes; empty if nothing."""
    if len(sizes) and spec.name == "maskrcnn":
        return anchors_text(choose_anchors(sizes, anchor_scales(spec.encoder)).ravel())
    if len(sizes) and spec.name == "solo":
        return grids_text(cell for cell, *_ in choose_levels(sizes))
    return ""
