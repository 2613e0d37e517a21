"""Probabilities smoothed, whole or block by block."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import CRFConfig, MRFConfig, SuperpixelConfig
from napari_segkit.steps import Step, drain

from . import mrf
from .blocks import Region, regions, widened
from .crf import mean_field
from .probability_maps import ProbabilityMaps, probability_maps
from .superpixels import voting
from .superpixels.generate import tiles

Smoothing = CRFConfig | MRFConfig | SuperpixelConfig
SMOOTHERS: dict[type, Any] = {CRFConfig: mean_field, MRFConfig: mrf, SuperpixelConfig: voting}
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
    three sigmas around it. A block takes some 200 bytes for each of its pixels, 30 more for each
    class after the second: mind large sigmas in large volumes. Of more than four channels a CRF
    sees the four directions in which the image varies most. Superpixels are those of `superpixels`,
    whatever the size of the image.
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
    maps = probability_maps(
        probabilities, image, axes=axes, spacing=spacing, sees_image=sees_image(config)
    )
    if compatibility is not None and not isinstance(config, CRFConfig):
        raise ValueError("A compatibility of classes goes with a CRFConfig only: leave it out.")
    smoothed = np.empty(maps.probabilities.shape, np.float32)
    places = blocks(maps.spatial, config, maps.spacing)
    total, done = len(places) * maps.image.count(maps.ndim), 0
    for frame in maps.frames():
        for block, values in smooth_frame(maps, frame, config, device, compatibility, places):
            maps.view(smoothed, frame)[(slice(None), *block)] = values
            done += 1
            yield Step(done, total)
    return smoothed


def smooth_frame(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    config: Smoothing,
    device: str,
    compatibility: Any = None,
    places: Sequence[Region] | None = None,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Smooth one frame block by block.

    Parameters
    ----------
    maps : ProbabilityMaps
        Probabilities and image.
    frame : dict
        Place along the axes that are walked, as ``maps.frames()`` gives it.
    config, device, compatibility
        As in `smooth`.
    places : sequence of tuple of slice, optional
        The blocks. None: those of the whole frame.

    Yields
    ------
    tuple
        A block, and its probabilities ``(classes, *block)``.
    """
    given: Any = {"compatibility": compatibility}
    if isinstance(config, CRFConfig) and sees_image(config):
        given["directions"] = maps.directions_of(frame)
    run = smoother(config, maps.probabilities.shape[0], maps.spacing, device, **given)
    for block in places or blocks(maps.spatial, config, maps.spacing):
        wide, inside = widened(block, halo(config, maps.spacing), maps.spatial)
        start = [along.start for along in wide]
        values = run(maps.read(frame, wide), maps.pixels(frame, wide), start)
        yield block, values[(slice(None), *inside)]


def smoother(
    config: Smoothing,
    classes: int,
    spacing: Sequence[float],
    device: str,
    **crf_only: Any,
) -> Any:
    """What smooths one block; ValueError where that cannot be in these dimensions."""
    given = {name: value for name, value in crf_only.items() if value is not None}
    return SMOOTHERS[type(config)].smoother(config, classes, spacing, device, **given)


def halo(config: Smoothing, spacing: Sequence[float]) -> list[int]:
    """The margin that a block needs for a way of smoothing, in pixels along each axis."""
    return list(SMOOTHERS[type(config)].halo(config, spacing))


def blocks(
    lengths: Sequence[int], config: Smoothing | None, spacing: Sequence[float]
) -> list[Region]:
    """The blocks in which a frame of these lengths is smoothed, or only read (None)."""
    if isinstance(config, SuperpixelConfig):
        return tiles(lengths, config, spacing)
    return list(regions(lengths, LARGEST))


def sees_image(config: Smoothing | None) -> bool:
    """Whether a way of smoothing looks at the image; None smooths nothing."""
    return config is not None and bool(SMOOTHERS[type(config)].sees_image(config))
