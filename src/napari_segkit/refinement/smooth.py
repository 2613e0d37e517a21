"""Smooth class probabilities block by block."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import CRFConfig, MRFConfig, SuperpixelConfig
from napari_segkit.steps import Step, drain

from .blocks import BlockSmoother, Region, add_margin, split_into_blocks
from .probability_maps import ProbabilityMaps, as_probability_maps

SmoothingConfig = CRFConfig | MRFConfig | SuperpixelConfig
MAX_BLOCK = 2**22  # pixels


def _crf() -> Any:
    from .crf import mean_field

    return mean_field


def _mrf() -> Any:
    from . import mrf

    return mrf


def _superpixels() -> Any:
    from .superpixels import voting

    return voting


METHODS: dict[type, Callable[[], Any]] = {
    CRFConfig: _crf,
    MRFConfig: _mrf,
    SuperpixelConfig: _superpixels,
}


def smooth(
    probabilities: Any,
    image: Any = None,
    config: SmoothingConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    compatibility: Any = None,
    device: str = "auto",
) -> NDArray[np.float32]:
    """Smooth class probabilities so that boundaries follow the edges of the image.

    Parameters
    ----------
    probabilities : array-like
        ``(classes, *shape of the image without its channel axis)``, from 0 to 1, adding up to
        one at every pixel: what `Segmenter.predict_proba` gives.
    image : array-like or napari Image layer, optional
        The image they were predicted from: grey, RGB or any number of channels. Not needed where
        the configuration does not use the image.
    config : CRFConfig, MRFConfig or SuperpixelConfig, optional
        Method and parameters. None: ``CRFConfig()``.
    axes : str, optional
        One letter of "TCZYX" for each dimension of the image. With Z, smoothing is in 3D; call
        that axis T to smooth every slice separately.
    spacing : sequence of float, optional
        World units between pixels along Z Y X or Y X. None: the layer's scale, or 1.
    compatibility : array-like, optional
        ``(classes, classes)``, for a CRF: the cost of each pair of classes next to each other.
        None: 1 for different classes, 0 for the same (Potts).
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
    Images of more than four million pixels are smoothed block by block, with a margin of three
    sigmas around each block. A block needs about 200 bytes per pixel, and 30 more for each class
    after the second: large sigmas in large volumes need much memory. An image of more than four
    channels is reduced to its four principal components for a CRF. Superpixels are the same as
    those of `superpixels`, whatever the size of the image.
    """
    steps = smooth_blocks(
        probabilities,
        image,
        config,
        axes=axes,
        spacing=spacing,
        compatibility=compatibility,
        device=device,
    )
    return drain(steps)


def smooth_blocks(
    probabilities: Any,
    image: Any = None,
    config: SmoothingConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    compatibility: Any = None,
    device: str = "auto",
) -> Generator[Step, None, NDArray[np.float32]]:
    """Smooth block by block: the generator behind `smooth`, with the same arguments."""
    config = config or CRFConfig()
    maps = as_probability_maps(
        probabilities, image, axes=axes, spacing=spacing, uses_image=uses_image(config)
    )
    if compatibility is not None and not isinstance(config, CRFConfig):
        raise ValueError("compatibility is for a CRFConfig only: leave it out, or choose a CRF.")
    smoothed = np.empty(maps.probabilities.shape, np.float32)
    blocks = frame_blocks(maps.spatial, config, maps.spacing)
    total, done = len(blocks) * maps.image.frame_count(maps.ndim), 0
    for frame in maps.frames():
        for block, values in smooth_frame(maps, frame, config, device, compatibility, blocks):
            maps.view(smoothed, frame)[(slice(None), *block)] = values
            done += 1
            yield Step(done, total)
    return smoothed


def smooth_frame(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    config: SmoothingConfig,
    device: str,
    compatibility: Any = None,
    blocks: Sequence[Region] | None = None,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Yield each block of one frame and its smoothed ``(classes, *block)`` probabilities."""
    in_crf = isinstance(config, CRFConfig) and uses_image(config)
    smoother = make_smoother(
        config,
        maps.probabilities.shape[0],
        maps.spacing,
        device,
        compatibility=compatibility,
        components=maps.principal_components(frame) if in_crf else None,
    )
    for block in blocks or frame_blocks(maps.spatial, config, maps.spacing):
        outer, inside = add_margin(block, halo(config, maps.spacing), maps.spatial)
        start = [axis.start for axis in outer]
        values = smoother(maps.read(frame, outer), maps.intensities(frame, outer), start)
        yield block, values[(slice(None), *inside)]


def make_smoother(
    config: SmoothingConfig,
    classes: int,
    spacing: Sequence[float],
    device: str,
    *,
    compatibility: Any = None,
    components: NDArray[np.float32] | None = None,
) -> BlockSmoother:
    """Make a function that smooths one block; ValueError if the method cannot (2D only, say)."""
    method = METHODS[type(config)]()
    smoother: BlockSmoother
    if isinstance(config, CRFConfig):
        smoother = method.make_smoother(config, classes, spacing, device, compatibility, components)
    else:
        smoother = method.make_smoother(config, classes, spacing, device)
    return smoother


def halo(config: SmoothingConfig, spacing: Sequence[float]) -> list[int]:
    """Margin that a block needs, in pixels along each axis."""
    return list(METHODS[type(config)]().halo(config, spacing))


def frame_blocks(
    shape: Sequence[int], config: SmoothingConfig | None, spacing: Sequence[float]
) -> list[Region]:
    """Blocks in which a frame is smoothed, or only read (None)."""
    if isinstance(config, SuperpixelConfig):
        from .superpixels.generate import split_into_tiles

        return split_into_tiles(shape, config, spacing)
    return list(split_into_blocks(shape, MAX_BLOCK))


def uses_image(config: SmoothingConfig | None) -> bool:
    """Whether a method needs the image; None smooths nothing."""
    return config is not None and bool(METHODS[type(config)]().uses_image(config))
