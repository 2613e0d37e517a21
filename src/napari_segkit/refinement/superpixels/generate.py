"""Superpixels in 2D and 3D: small regions of similar intensity."""

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import as_config
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.geometry import apart, warn_if_apart
from napari_segkit.images.intensity import (
    measure_statistics,
    missing_pixels,
    note_missing,
    require_contrast,
)
from napari_segkit.images.resample import resize_linear
from napari_segkit.images.types import Floats, ImageSource, LazyArray
from napari_segkit.refinement.blocks import Region, split_into_blocks
from napari_segkit.refinement.probability_maps import scaled_intensities
from napari_segkit.steps import Step, drain

from .connected_regions import MIN_SIZE, enforce_connectivity
from .methods import METHODS, interval_centres

MAX_TILE = 2**20  # pixels
MAX_QUICKSHIFT = 50  # pixels of width; the time quickshift takes grows with the square
ONLY_2D = ("felzenszwalb", "quickshift")

Labels = NDArray[np.int32]


def superpixels(
    image: ImageSource | AxesImage,
    config: SuperpixelConfig | None = None,
    *,
    mask: ImageSource | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Labels:
    """Segment an image into superpixels.

    Parameters
    ----------
    image : array-like or napari Image layer
        Grey, RGB or any number of channels, which all count the same.
    config : SuperpixelConfig, optional
        Method and size. None: ``SuperpixelConfig()``.
    mask : array-like or napari Labels layer, optional
        Of the image's shape without its channel axis: superpixels are made only where it is not 0.
        None: everywhere.
    axes : str, optional
        One letter of "TCZYX" for each dimension. With Z, superpixels are in 3D, unless slices are
        farther apart than superpixels are wide; call that axis T to segment every slice
        separately. None: as in `Segmenter.fit`.
    spacing : sequence of float, optional
        World units between pixels along Z Y X or Y X: a superpixel is as wide along all of them.
        None: the layer's scale, or 1.

    Returns
    -------
    ndarray
        int32 of the image's shape without its channel axis: 1 to n, each superpixel connected
        (pixels that share an edge, or a face in 3D), 0 outside the mask.

    Raises
    ------
    ValueError
        If the image is constant, the mask has another shape, the method is 2D only
        and this is a volume, or quickshift is to make superpixels of more than 50 pixels.

    Notes
    -----
    Intensities are scaled by the 1st and 99th percentile of each channel over the full image, so
    that one compactness suits any data type. An image of more than a million pixels is segmented
    tile by tile: superpixels end at the straight borders of their tile. Components smaller than a
    quarter of the typical superpixel are merged with the neighbour with which they share the
    longest boundary.

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
    image: ImageSource | AxesImage,
    config: SuperpixelConfig | None = None,
    *,
    mask: ImageSource | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, Labels]:
    """Segment tile by tile: the generator behind `superpixels`, with the same arguments."""
    config = as_config("config", config, SuperpixelConfig)
    mask_array = None if mask is None else full_resolution(mask, "mask")
    shape = None if mask_array is None else mask_array.shape
    layer, image = image, as_image(image, axes, spacing, labels_shape=shape)
    warn_if_apart(apart(layer, mask, image.axes))
    mask_image = _mask_image(mask_array, image)
    ndim = 3 if image.length("Z") > 1 else 2
    spacing = image.spacing[-ndim:]
    check_method(config, spacing)
    statistics = measure_statistics([image], ndim)
    require_contrast([statistics], [image])
    note_missing(image, "no superpixel is made of them")
    labels = np.zeros(image.label_shape, np.int32)
    tiles = split_into_tiles(image.spatial_shape(ndim), config, spacing)
    done, total, count = 0, len(tiles) * image.frame_count(ndim), 0
    for frame in image.frames(ndim):
        frame_labels = np.zeros(image.spatial_shape(ndim), np.int32)
        for tile in tiles:
            pixels = image.read(frame, tile)
            inside = mask_image.read(frame, tile)[0] != 0
            if (missing := missing_pixels(pixels)) is not None:
                inside &= ~missing
            tile_labels = segment_tile(
                scaled_intensities(statistics, pixels), config, spacing, inside
            )
            frame_labels[tile] = np.where(tile_labels, tile_labels + count, 0)
            count += int(tile_labels.max())
            done += 1
            yield Step(done, total)
        image.write(labels, frame, frame_labels)
    return labels


def check_method(config: SuperpixelConfig, spacing: Sequence[float]) -> None:
    """Raise ValueError for a volume and a 2D method, or where quickshift would take hours."""
    if len(spacing) == 3 and config.method in ONLY_2D:
        raise ValueError(
            f"{config.method} is for 2D images, and this is a volume: choose slic or watershed, "
            "or name the axis T instead of Z (axes='TYX') to segment each slice separately."
        )
    size = _size(config, spacing)
    if config.method == "quickshift" and size > MAX_QUICKSHIFT:
        raise ValueError(
            f"The size is {size:g} pixels, and quickshift would take hours for that: give a size "
            f"of at most {MAX_QUICKSHIFT} pixels, or choose another method."
        )


def split_into_tiles(
    shape: Sequence[int], config: SuperpixelConfig, spacing: Sequence[float]
) -> list[Region]:
    """Tiles that are segmented one by one, limited in size after resampling to square pixels."""
    factors = _scale_factors(spacing, _size(config, spacing))
    return list(split_into_blocks(shape, MAX_TILE / float(np.prod(factors))))


def segment_tile(
    pixels: Floats,
    config: SuperpixelConfig,
    spacing: Sequence[float],
    mask: NDArray[np.bool_] | None = None,
) -> Labels:
    """Label superpixels 1 to n in scaled ``(C, *spatial)`` intensities; 0 outside the mask."""
    mask = np.ones(pixels.shape[1:], bool) if mask is None else mask
    size = _size(config, spacing)
    if len(spacing) == 3 and max(spacing) > size * min(spacing):
        return _segment_slices(pixels, config, spacing, mask)
    labels = np.zeros(mask.shape, np.int32)
    box: tuple[slice, ...] | None = next(iter(ndimage.find_objects(mask.view(np.int8))), None)
    if box is None:
        return labels
    factors = _scale_factors(spacing, size)
    crop = pixels[(slice(None), *box)] / np.float32(len(pixels) ** 0.5)
    shape = crop.shape[1:]
    square = [round(n * factor) for n, factor in zip(shape, factors, strict=True)]
    resized = resize_linear(crop, (len(crop), *square))
    segmented = METHODS[config.method](resized, size, config.compactness)
    if segmented.shape != shape:
        nearest = [interval_centres(n, m) for n, m in zip(shape, square, strict=True)]
        segmented = segmented[np.ix_(*nearest)]
    widths = [min(size / factor, n) for n, factor in zip(shape, factors, strict=True)]
    faces = np.prod(spacing) / np.asarray(spacing)
    labels[box] = enforce_connectivity(
        segmented, mask[box], MIN_SIZE * float(np.prod(widths)), faces
    )
    return labels


def _segment_slices(
    pixels: Floats,
    config: SuperpixelConfig,
    spacing: Sequence[float],
    mask: NDArray[np.bool_],
) -> Labels:
    """Segment each slice separately where slices are farther apart than superpixels are wide."""
    axis = int(np.argmax(spacing))
    plane_spacing = [s for i, s in enumerate(spacing) if i != axis]
    labels = np.zeros(mask.shape, np.int32)
    for plane, inside, target in zip(
        np.moveaxis(pixels, axis + 1, 0),
        np.moveaxis(mask, axis, 0),
        np.moveaxis(labels, axis, 0),
        strict=True,
    ):
        plane_labels = segment_tile(plane, config, plane_spacing, np.ascontiguousarray(inside))
        target[...] = np.where(plane_labels, plane_labels + labels.max(), 0)
    return labels


def _size(config: SuperpixelConfig, spacing: Sequence[float]) -> float:
    """Width of a superpixel in pixels of the finest axis, at least 1."""
    return max(config.size / (min(spacing) if config.units == "world" else 1.0), 1.0)


def _scale_factors(spacing: Sequence[float], size: float) -> NDArray[np.float64]:
    """Upsampling of each axis to square pixels, as the methods expect, by `size` at most."""
    return np.minimum(np.divide(spacing, min(spacing)), size)


def _mask_image(mask: LazyArray | None, image: AxesImage) -> AxesImage:
    """The mask with the image's axes; True everywhere if there is none."""
    shape = image.label_shape
    if mask is None:
        mask = np.broadcast_to(np.bool_(True), shape)
    if tuple(mask.shape) != shape:
        raise ValueError(
            f"The mask has the shape {tuple(mask.shape)}, but {image.name} of shape {image.shape} "
            f"with axes {image.axes} needs one of shape {shape}: give a mask of this image, or "
            "name its axes."
        )
    return AxesImage(mask, image.label_axes, name="the mask")
