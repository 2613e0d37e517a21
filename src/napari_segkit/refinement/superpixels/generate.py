"""Superpixels: small regions of like intensity, in two dimensions and three."""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import SuperpixelConfig
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.intensity import measure, require_finite
from napari_segkit.images.resample import fit_to
from napari_segkit.refinement.blocks import Region, regions
from napari_segkit.steps import Step, drain

from .connected_regions import SMALL, in_one_piece
from .methods import CUTTERS, middles

TILE = 2**20  # pixels that are cut at a time
WIDEST = 50  # pixels; the time that quickshift takes grows with the square
FLAT_ONLY = ("felzenszwalb", "quickshift")

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]


def superpixels(
    image: Any,
    config: SuperpixelConfig | None = None,
    *,
    mask: Any = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Labels:
    """Cut an image into superpixels.

    Parameters
    ----------
    image : array-like or napari AxesImage layer
        Grey, RGB or of any channels, which count alike.
    config : SuperpixelConfig, optional
        How. None: ``SuperpixelConfig()``.
    mask : array-like or napari Labels layer, optional
        Of the image's shape without its channel axis: only what is not 0 there is cut. None: all.
    axes : str, optional
        One letter of "TCZYX" for each dimension. Superpixels reach through Z, unless slices are
        farther apart than superpixels are wide; call it T to have every slice cut for itself.
        None: as in `Segmenter.fit`.
    spacing : sequence of float, optional
        World units between pixels along Z Y X or Y X: a superpixel is as wide along all of them.
        None: the layer's scale, or 1.

    Returns
    -------
    ndarray
        int32 of the image's shape without its channel axis: 1 to n, each superpixel in one piece
        (pixels that share an edge, or a face in 3D), 0 outside the mask.

    Raises
    ------
    ValueError
        If the image is constant or holds NaN, the mask has another shape, the method is for
        images of two dimensions and this is a volume, or quickshift is to make superpixels of more
        than 50 pixels.

    Notes
    -----
    Intensities are scaled by the 1st and 99th percentile of each channel over the whole image, so
    that one compactness serves any type. An image of more than a million pixels is cut tile by
    tile: superpixels end where their tile ends, along straight lines. Pieces smaller than a
    quarter of the typical superpixel join the neighbour with which they share most of their border.

    References
    ----------
    .. [1] R. Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods",
       TPAMI 2012.
    .. [2] P. Neubert, P. Protzel, "Compact Watershed and Preemptive SLIC", ICPR 2014.
    .. [3] P. Felzenszwalb, D. Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004.
    .. [4] A. Vedaldi, S. Soatto, "Quick Shift and Kernel Methods for Mode Seeking", ECCV 2008.
    """
    return drain(superpixel_tiles(image, config, mask=mask, axes=axes, spacing=spacing))


def superpixel_tiles(
    image: Any,
    config: SuperpixelConfig | None = None,
    *,
    mask: Any = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, Labels]:
    """Cut an image into superpixels tile by tile: the generator behind `superpixels`.

    Parameters
    ----------
    image, config, mask, axes, spacing
        As in `superpixels`.

    Yields
    ------
    Step
        After each tile.

    Returns
    -------
    ndarray
        As `superpixels` returns it.
    """
    config = config or SuperpixelConfig()
    inside = None if mask is None else full_resolution(mask)
    shape = None if inside is None else inside.shape
    named = as_image(image, axes, spacing, labels_shape=shape)
    allowed = _mask(inside, named)
    ndim = 3 if named.length("Z") > 1 else 2
    steps = named.spacing[-ndim:]
    require_possible(config, steps)
    statistics = measure([named], ndim)
    labels = np.zeros(named.without_channels(), np.int32)
    places = tiles(named.spatial(ndim), config, steps)
    done, total, found = 0, len(places) * named.count(ndim), 0
    for frame in named.frames(ndim):
        whole = np.zeros(named.spatial(ndim), np.int32)
        for place in places:
            pixels = named.read(frame, place)
            require_finite(pixels, named.name)
            part = cut(statistics.apply(pixels), config, steps, allowed.read(frame, place)[0] != 0)
            whole[place] = np.where(part, part + found, 0)
            found += int(part.max())
            done += 1
            yield Step(done, total)
        named.write(labels, frame, whole)
    return labels


def require_possible(config: SuperpixelConfig, spacing: Sequence[float]) -> None:
    """Refuse what a method cannot do.

    Parameters
    ----------
    config : SuperpixelConfig
        With the method.
    spacing : sequence of float
        World units between pixels along each spatial axis.

    Raises
    ------
    ValueError
        If the method is for images of two dimensions and this is a volume, or it would take
        hours.
    """
    if len(spacing) == 3 and config.method in FLAT_ONLY:
        raise ValueError(
            f"{config.method} cuts images of two dimensions, and this is a volume: choose slic or "
            "watershed, or have each slice cut for itself by calling Z T, such as axes='TYX'."
        )
    size = _size(config, spacing)
    if config.method == "quickshift" and size > WIDEST:
        raise ValueError(
            f"The size is {size:g} pixels, and quickshift would take hours for that: give one of "
            f"at most {WIDEST} pixels, or choose another method."
        )


def tiles(
    lengths: Sequence[int], config: SuperpixelConfig, spacing: Sequence[float]
) -> list[Region]:
    """The tiles that are cut one by one, none too large once its pixels are square.

    Parameters
    ----------
    lengths : sequence of int
        Of the spatial axes, in pixels.
    config : SuperpixelConfig
        How they are cut.
    spacing : sequence of float
        World units between pixels along each axis.
    """
    stretch = _stretch(spacing, _size(config, spacing))
    return list(regions(lengths, TILE / float(np.prod(stretch))))


def cut(
    pixels: Floats,
    config: SuperpixelConfig,
    spacing: Sequence[float],
    inside: NDArray[np.bool_] | None = None,
) -> Labels:
    """Cut one tile.

    Parameters
    ----------
    pixels : ndarray
        ``(C, *spatial)``, scaled from 0 to 1.
    config : SuperpixelConfig
        How.
    spacing : sequence of float
        World units between pixels along each axis.
    inside : ndarray of bool, optional
        What is cut; None: all.

    Returns
    -------
    ndarray
        int32: 1 to n, 0 outside.
    """
    inside = np.ones(pixels.shape[1:], bool) if inside is None else inside
    size = _size(config, spacing)
    if len(spacing) == 3 and max(spacing) > size * min(spacing):
        return _slice_by_slice(pixels, config, spacing, inside)
    labels = np.zeros(inside.shape, np.int32)
    box: tuple[slice, ...] | None = next(iter(ndimage.find_objects(inside.view(np.int8))), None)
    if box is None:
        return labels
    stretch = _stretch(spacing, size)
    seen = pixels[(slice(None), *box)] / np.float32(len(pixels) ** 0.5)
    lengths = seen.shape[1:]
    square = [round(n * times) for n, times in zip(lengths, stretch, strict=True)]
    regular = CUTTERS[config.method](fit_to(seen, (len(seen), *square)), size, config.compactness)
    back = [middles(n, m) for n, m in zip(lengths, square, strict=True)]
    wide = [min(size / times, n) for n, times in zip(lengths, stretch, strict=True)]
    faces = np.prod(spacing) / np.asarray(spacing)
    found = regular[np.ix_(*back)]
    labels[box] = in_one_piece(found, inside[box], SMALL * float(np.prod(wide)), faces)
    return labels


def _slice_by_slice(
    pixels: Floats,
    config: SuperpixelConfig,
    spacing: Sequence[float],
    inside: NDArray[np.bool_],
) -> Labels:
    """Cut slices that are farther apart than superpixels are wide, each for itself."""
    axis = int(np.argmax(spacing))
    flat = [s for i, s in enumerate(spacing) if i != axis]
    labels = np.zeros(inside.shape, np.int32)
    for seen, allowed, part in zip(
        np.moveaxis(pixels, axis + 1, 0),
        np.moveaxis(inside, axis, 0),
        np.moveaxis(labels, axis, 0),
        strict=True,
    ):
        found = cut(seen, config, flat, np.ascontiguousarray(allowed))
        part[...] = np.where(found, found + labels.max(), 0)
    return labels


def _size(config: SuperpixelConfig, spacing: Sequence[float]) -> float:
    """How wide a superpixel is, in pixels of the finest axis; a pixel at least."""
    return max(config.size / (min(spacing) if config.units == "world" else 1.0), 1.0)


def _stretch(spacing: Sequence[float], size: float) -> NDArray[np.float64]:
    """By how much each axis is stretched, so that pixels are square: what cuts knows no other.

    Pixels that are longer than superpixels are wide need not become longer.
    """
    return np.minimum(np.divide(spacing, min(spacing)), size)


def _mask(mask: Any, image: AxesImage) -> AxesImage:
    """The mask with the axes of the image; everything where there is none."""
    wanted = image.without_channels()
    if mask is None:
        mask = np.broadcast_to(np.bool_(True), wanted)
    if tuple(mask.shape) != wanted:
        raise ValueError(
            f"The mask has the shape {tuple(mask.shape)}, but {image.name} of shape {image.shape} "
            f"with axes {image.axes} needs one of shape {wanted}: give a mask of this image, or "
            "name its axes."
        )
    return AxesImage(mask, image.label_axes, name="the mask")
