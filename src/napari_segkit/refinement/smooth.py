"""Probabilities smoothed, whole or block by block."""

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import CRFConfig, MRFConfig, SuperpixelConfig
from napari_segkit.steps import Step, drain

from . import crf
from .maps import Maps, maps_of

Smoothing = CRFConfig | MRFConfig | SuperpixelConfig
Region = tuple[slice, ...]
SMOOTHERS: dict[type, Any] = {CRFConfig: crf}
LARGEST = 2**22  # pixels that are smoothed as one block


def smooth(
    probabilities: Any,
    image: Any = None,
    config: Smoothing | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    compatibility: Any = None,
    device: str = "auto",
) -> NDArray[np.float32]:
    """Smooth the probabilities of classes, so that edges lie where the image has them.

    Parameters
    ----------
    probabilities : array-like
        ``(classes, *shape of the image without its channel axis)``, from 0 to 1, adding up to
        one at every pixel: what `Segmenter.predict_proba` gives.
    image : array-like or napari Image layer, optional
        The image they were predicted from: grey, RGB or of any channels. It can be left out where
        the configuration does not look at it.
    config : CRFConfig, MRFConfig or SuperpixelConfig, optional
        How. None: ``CRFConfig()``.
    axes : str, optional
        One letter of "TCZYX" for each dimension of the image. Z is smoothed along with Y and X;
        call it T to have every slice smoothed for itself.
    spacing : sequence of float, optional
        World units between pixels along Z Y X or Y X. None: the layer's scale, or 1.
    compatibility : array-like, optional
        ``(classes, classes)``, for a CRF: the cost of two classes side by side. None: 1 for
        different ones, 0 for the same (Potts).
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Returns
    -------
    ndarray
        float32 of the probabilities' shape, adding up to one at every pixel.

    Raises
    ------
    ValueError
        If the probabilities do not add up to one, hold NaN, are of one class, or have another
        shape than the image.

    Notes
    -----
    Images of more than four million pixels are smoothed block by block, each with a margin of
    three sigmas around it.
    """
    options: Any = {"axes": axes, "spacing": spacing, "compatibility": compatibility}
    return drain(smooth_blocks(probabilities, image, config, device=device, **options))


def smooth_blocks(
    probabilities: Any,
    image: Any = None,
    config: Smoothing | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    compatibility: Any = None,
    device: str = "auto",
) -> Generator[Step, None, NDArray[np.float32]]:
    """Smooth block by block: the generator behind `smooth`.

    Parameters
    ----------
    probabilities, image, config, axes, spacing, compatibility, device
        As in `smooth`.

    Yields
    ------
    Step
        After each block.

    Returns
    -------
    ndarray
        As `smooth` returns it.
    """
    config = config or CRFConfig()
    maps = maps_of(probabilities, image, axes=axes, spacing=spacing, sees_image=sees_image(config))
    if compatibility is not None and not isinstance(config, CRFConfig):
        raise ValueError("A compatibility of classes goes with a CRFConfig only: leave it out.")
    smoothed = np.empty(maps.probabilities.shape, np.float32)
    total, done = len(list(regions(maps.spatial))) * maps.image.count(maps.ndim), 0
    for item in maps.items():
        for block, values in smooth_item(maps, item, config, device, compatibility):
            maps.view(smoothed, item)[(slice(None), *block)] = values
            done += 1
            yield Step(done, total)
    return smoothed


def smooth_item(
    maps: Maps,
    item: dict[str, int],
    config: Smoothing,
    device: str,
    compatibility: Any = None,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Smooth one item block by block.

    Parameters
    ----------
    maps : Maps
        Probabilities and image.
    item : dict
        Place along the axes that are walked, as ``maps.items()`` gives it.
    config, device, compatibility
        As in `smooth`.

    Yields
    ------
    tuple
        A block, and its probabilities ``(classes, *block)``.
    """
    method = SMOOTHERS[type(config)]
    given = {} if compatibility is None else {"compatibility": compatibility}
    run = method.smoother(config, len(maps.probabilities), maps.spacing, device, **given)
    for block in regions(maps.spatial):
        wide, inside = widened(block, method.halo(config, maps.spacing), maps.spatial)
        values = run(maps.read(item, wide), maps.pixels(item, wide))
        yield block, values[(slice(None), *inside)]


def sees_image(config: Smoothing | None) -> bool:
    """Whether a way of smoothing looks at the image; None smooths nothing."""
    return config is not None and bool(SMOOTHERS[type(config)].sees_image(config))


def regions(lengths: Sequence[int]) -> Iterator[Region]:
    """The blocks that cover an image, in order: of even size, none larger than `LARGEST`."""
    parts = [1] * len(lengths)
    while np.prod([-(-n // p) for n, p in zip(lengths, parts, strict=True)]) > LARGEST:
        longest = max(range(len(lengths)), key=lambda i: lengths[i] / parts[i])
        parts[longest] += 1
    edges = [[n * i // p for i in range(p + 1)] for n, p in zip(lengths, parts, strict=True)]
    return product(*([slice(*ends) for ends in pairwise(along)] for along in edges))


def widened(block: Region, halo: Sequence[int], lengths: Sequence[int]) -> tuple[Region, Region]:
    """A block with a margin around it, and where the block lies inside that."""
    along = list(zip(block, halo, lengths, strict=True))
    wide = [slice(max(0, b.start - h), min(n, b.stop + h)) for b, h, n in along]
    inside = [slice(b.start - w.start, b.stop - w.start) for b, w in zip(block, wide, strict=True)]
    return tuple(wide), tuple(inside)
