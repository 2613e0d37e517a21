"""Superpixels: small regions of like intensity, in two dimensions and three."""

import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage import measure as components
from skimage import segmentation

from napari_segkit.config import SuperpixelConfig
from napari_segkit.data.images import Image, as_image, full_resolution
from napari_segkit.data.normalise import measure, require_finite
from napari_segkit.data.resample import fit_to
from napari_segkit.steps import Step, drain

from .blocks import Region, regions

TILE = 2**20  # pixels that are cut at a time
SMALL = 0.25  # of a typical superpixel: smaller pieces join a neighbour
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
    image : array-like or napari Image layer
        Grey, RGB or of any channels, which count alike.
    config : SuperpixelConfig, optional
        How. None: ``SuperpixelConfig()``.
    mask : array-like or napari Labels layer, optional
        Of the image's shape without its channel axis: only what is not 0 there is cut. None: all.
    axes : str, optional
        One letter of "TCZYX" for each dimension. Superpixels reach through Z; call it T to have
        every slice cut for itself. None: as in `Segmenter.fit`.
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
    for item in named.items(ndim):
        whole = np.zeros(named.spatial(ndim), np.int32)
        for place in places:
            pixels = named.read(item, place)
            require_finite(pixels, named.name)
            part = cut(statistics.apply(pixels), config, steps, allowed.read(item, place)[0] != 0)
            whole[place] = np.where(part, part + found, 0)
            found += int(part.max())
            done += 1
            yield Step(done, total)
        named.write(labels, item, whole)
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
    labels = np.zeros(pixels.shape[1:], np.int32)
    inside = np.ones(labels.shape, bool) if inside is None else inside
    box: tuple[slice, ...] | None = next(iter(ndimage.find_objects(inside.view(np.int8))), None)
    if box is None:
        return labels
    size = _size(config, spacing)
    stretch = _stretch(spacing, size)
    seen = pixels[(slice(None), *box)] / np.float32(len(pixels) ** 0.5)
    lengths = seen.shape[1:]
    square = [round(n * times) for n, times in zip(lengths, stretch, strict=True)]
    regular = METHODS[config.method](fit_to(seen, (len(seen), *square)), size, config.compactness)
    middles = [_middles(n, m) for n, m in zip(lengths, square, strict=True)]
    wide = [min(size / times, n) for n, times in zip(lengths, stretch, strict=True)]
    faces = np.prod(spacing) / np.asarray(spacing)
    found = regular[np.ix_(*middles)]
    labels[box] = _in_one_piece(found, inside[box], SMALL * float(np.prod(wide)), faces)
    return labels


def _size(config: SuperpixelConfig, spacing: Sequence[float]) -> float:
    """How wide a superpixel is, in pixels of the finest axis; a pixel at least."""
    return max(config.size / (min(spacing) if config.units == "world" else 1.0), 1.0)


def _stretch(spacing: Sequence[float], size: float) -> NDArray[np.float64]:
    """By how much each axis is stretched, so that pixels are square: what cuts knows no other.

    Slices that are farther apart than superpixels are wide need not be moved farther apart.
    """
    return np.minimum(np.divide(spacing, min(spacing)), size)


def _middles(count: int, length: int) -> NDArray[np.intp]:
    """The middles of so many even parts of a length, rounded."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)


def _mask(mask: Any, image: Image) -> Image:
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
    return Image(mask, image.label_axes, name="the mask")


def _slic(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    spread = float(np.ptp(pixels)) or 1.0  # slic divides by it, tile by tile: undone here
    return segmentation.slic(
        pixels,
        n_segments=max(1, round(np.prod([max(1, n / size) for n in pixels.shape[1:]]))),
        compactness=compactness / spread,
        convert2lab=False,
        enforce_connectivity=False,
        channel_axis=0,
    )


# The numbers below were chosen on photographs, stained tissue, fluorescence, phase contrast,
# brightfield and electron microscopy: superpixels are about as wide as asked, and the compactness
# that is best for slic is a good one for the others.
def _watershed(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    """Flood the steepness from a grid of seeds."""
    steepness = np.sqrt(sum(ndimage.gaussian_gradient_magnitude(c, 1.0) ** 2 for c in pixels))
    counts = [max(1, round(n / size)) for n in steepness.shape]
    seeds = np.zeros(steepness.shape, np.int32)
    places = [_middles(k, n) for k, n in zip(counts, seeds.shape, strict=True)]
    seeds[np.ix_(*places)] = np.arange(1, np.prod(counts) + 1).reshape(counts)
    return segmentation.watershed(  # type: ignore[no-untyped-call]
        steepness, seeds, compactness=0.3 * compactness / size
    )


def _felzenszwalb(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    least = max(1, round(SMALL * size**2))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got image with third dimension")  # many channels
        found: NDArray[Any] = segmentation.felzenszwalb(
            pixels, scale=13 * compactness * size, min_size=least, channel_axis=0
        )
    return found + 1


def _quickshift(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    found: NDArray[Any] = segmentation.quickshift(  # type: ignore[no-untyped-call]
        pixels,
        ratio=0.5 * size / compactness,
        kernel_size=max(1.0, 0.2 * size),
        max_dist=0.4 * size,
        convert2lab=False,
        channel_axis=0,
    )
    return found + 1


METHODS: dict[str, Callable[[Floats, float, float], NDArray[Any]]] = {
    "slic": _slic,
    "watershed": _watershed,
    "felzenszwalb": _felzenszwalb,
    "quickshift": _quickshift,
}


def _in_one_piece(
    labels: NDArray[Any], inside: NDArray[np.bool_], least: float, faces: NDArray[np.float64]
) -> Labels:
    """Every connected piece of a label for itself; those smaller than `least` join a neighbour.

    `faces` says how much of a border two pixels share that are neighbours along each axis.
    """
    pieces = _pieces(np.where(inside, labels, 0))
    while True:
        sizes = np.bincount(pieces.ravel())
        one, other = _longest_borders(pieces, sizes < least, faces)
        if not one.size:
            return _pieces(pieces)  # numbered anew
        count = len(sizes)
        graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
        number = connected_components(graph, directed=False)[1].astype(np.int32) + 1
        number[0] = 0
        pieces = number[pieces]


def _pieces(labels: NDArray[Any]) -> Labels:
    pieces: NDArray[Any] = components.label(labels, connectivity=1)  # type: ignore[no-untyped-call]
    return pieces.astype(np.int32)


def _longest_borders(
    pieces: Labels, small: NDArray[np.bool_], faces: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Small pieces that have neighbours, and with which of them each shares most of its border."""
    count, keys, shared = len(small), [], []
    for axis, face in enumerate(faces):
        near = np.moveaxis(pieces, axis, 0)
        one, other = near[:-1], near[1:]
        apart = (one != other) & (one > 0) & (other > 0)
        one, other = one[apart].astype(np.int64), other[apart].astype(np.int64)
        keys += [(a * count + b)[small[a]] for a, b in ((one, other), (other, one))]
        shared += [np.full(len(found), face) for found in keys[-2:]]
    pairs, which = np.unique(np.concatenate(keys), return_inverse=True)
    border = np.bincount(which, np.concatenate(shared))
    one, other = pairs // count, pairs % count
    order = np.lexsort((border, one))
    one, other = one[order], other[order]
    last = np.append(one[1:] != one[:-1], True)[: len(one)]
    return one[last], other[last]
