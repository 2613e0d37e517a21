"""Smooth class probabilities block by block."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from napari_segkit.arguments import as_device, require_type
from napari_segkit.config import CRFConfig, MRFConfig, SuperpixelConfig
from napari_segkit.images.arrays import as_array
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray, Floats, ImageSource, LazyArray

from .blocks import Region, add_margin
from .probability_maps import ProbabilityMaps, as_probability_maps
from .smoothing_method import SmoothingConfig, SmoothingMethod


def smooth(
    probabilities: LazyArray | ArrayLike,
    image: ImageSource | AxesImage | None = None,
    config: SmoothingConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    compatibility: ArrayLike | None = None,
    device: str = "auto",
) -> Floats:
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
    sigmas around each block. A block of a grey image needs about 140 bytes per pixel, one of an
    RGB image up to 400, and 40 to 70 more for each class after the second: large sigmas in large
    volumes need much memory. Intensities a thousand times the image's range away, such as those
    for "no data", count as just that far. An image of more than four
    channels is reduced to its four principal components for a CRF. Superpixels are the same as
    those of `superpixels`, whatever the size of the image.
    """
    config = CRFConfig() if config is None else config
    require_type("config", config, CRFConfig, MRFConfig, SuperpixelConfig, hint=", or leave it out")
    device = as_device(device)
    maps = as_probability_maps(
        probabilities, image, axes=axes, spacing=spacing, uses_image=config.uses_image
    )
    costs = None if compatibility is None else np.asarray(as_array(compatibility, "compatibility"))
    method = smoothing_method(config, maps.spacing, costs)
    smoothed = np.empty(maps.probabilities.shape, np.float32)
    for frame in maps.frames():
        for block, values in smooth_frame(maps, frame, method, device):
            maps.view(smoothed, frame)[(slice(None), *block)] = values
    return smoothed


def smoothing_method(
    config: SmoothingConfig | None,
    spacing: Sequence[float],
    compatibility: AnyArray | None = None,
) -> SmoothingMethod:
    """The method of a configuration; ValueError if it cannot smooth such images (2D only, say).

    `compatibility` is that of `smooth`.
    """
    if isinstance(config, CRFConfig):
        from .crf.mean_field import CRF

        return CRF(config, spacing, compatibility)
    if compatibility is not None:
        raise ValueError("compatibility is for a CRFConfig only: leave it out, or choose a CRF.")
    if isinstance(config, MRFConfig):
        from .mrf import MRF

        return MRF(config, spacing)
    if isinstance(config, SuperpixelConfig):
        from .superpixels.voting import SuperpixelVoting

        return SuperpixelVoting(config, spacing)
    return SmoothingMethod(spacing)


def smooth_frame(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    method: SmoothingMethod,
    device: str,
    blocks: Sequence[Region] | None = None,
) -> Iterator[tuple[Region, Floats]]:
    """Yield each block of one frame and its smoothed ``(classes, *block)`` probabilities."""
    reduced = method.uses_image and method.few_channels
    components = maps.principal_components(frame) if reduced else None
    smoother = method.block_smoother(maps.probabilities.shape[0], device, components)
    for block in blocks or method.blocks(maps.spatial):
        outer, inside = add_margin(block, method.halo(), maps.spatial)
        start = [axis.start for axis in outer]
        intensities = maps.intensities(frame, outer) if method.uses_image else None
        values = smoother(maps.read(frame, outer), intensities, start)
        yield block, values[(slice(None), *inside)]
