"""Slices of volumes: with those next to them as further channels, or along another axis."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

from napari_segkit.tiling import read_mirrored

from .axes_image import SPATIAL, AxesImage
from .types import AnyArray

MAX_RATIO = 1.5  # of the edges of voxels that look about alike along all axes


def read_window(
    image: AxesImage,
    frame: dict[str, int],
    start: Sequence[int],
    size: Sequence[int],
    neighbours: int = 0,
) -> AnyArray:
    """Pixels of a window of a frame, ``(C, *size)``, mirrored past the ends of the image.

    With `neighbours`, the frame is a slice, and so many slices on both sides are read with it:
    ``(C, slices, *size)``.
    """
    if neighbours:
        start, size = (frame["Z"] - neighbours, *start), (2 * neighbours + 1, *size)
        frame = _without_z(frame)
    shape = image.spatial_shape(len(size))
    return read_mirrored(lambda region: image.read(frame, region), start, size, shape)


def slices_to_channels(pixels: AnyArray, ndim: int) -> AnyArray:
    """Channels of each slice one after the other, ``(slices * C, *spatial)``, from `read_window`.

    Pixels without neighbouring slices are returned as they are.
    """
    if pixels.ndim == ndim + 1:
        return pixels
    return pixels.swapaxes(0, 1).reshape(-1, *pixels.shape[2:])


def slab_around(
    image: AxesImage, frame: dict[str, int], region: Sequence[slice], neighbours: int
) -> tuple[dict[str, int], tuple[slice, ...]]:
    """The part of an image that is read for a region of a frame, as a frame and region."""
    if not neighbours:
        return frame, tuple(region)
    z = frame["Z"]
    slab = slice(max(0, z - neighbours), min(z + neighbours + 1, image.length("Z")))
    return _without_z(frame), (slab, *region)


def along(image: AxesImage, axis: str) -> AxesImage:
    """The same array with `axis` named Z, and Z named `axis`: its slices lie across `axis`."""
    swapped = {"Z": axis, axis: "Z"}
    sizes = dict(zip(SPATIAL, image.spacing, strict=True))
    z, y, x = (sizes[swapped.get(a, a)] for a in SPATIAL)
    axes = "".join(swapped.get(a, a) for a in image.axes)
    return replace(image, axes=axes, spacing=(z, y, x), orientation="")


def note_unlike_axes(image: AxesImage) -> None:
    """Warn where slices along the axes of a volume do not look alike."""
    if max(image.spacing) > MAX_RATIO * min(image.spacing):
        size = " x ".join(f"{length:g}" for length in image.spacing)
        warnings.warn(
            f"The voxels of {image.name} measure {size}, so slices along Z, Y and X do not look "
            "alike: three_axes may do worse than slices along Z alone, with neighbour_slices.",
            UserWarning,
            stacklevel=3,
        )


def _without_z(frame: dict[str, int]) -> dict[str, int]:
    return {axis: n for axis, n in frame.items() if axis != "Z"}
