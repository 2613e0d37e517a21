"""Divide what is held out into parts that are predicted one by one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.resample import resampled_template
from napari_segkit.tiling import Tiling

from .held_out import HeldOutImage, Mask

GOLDEN = (5**0.5 - 1) / 2
Frame = dict[str, int]
Shape = tuple[int, ...]
Places = dict[Shape, set[Shape]]  # by frame the first pixels of its cells; none: all of them


class Part(NamedTuple):
    """Held-out pixels that are predicted together, and the tiles that they need."""

    image: int
    frame: Frame
    region: tuple[slice, ...]
    tiles: frozenset[Shape]

    @property
    def start(self) -> Shape:
        return tuple([side.start for side in self.region])


def parts_of(
    images: Sequence[HeldOutImage],
    config: TrainConfig,
    tiling: Tiling,
    *,
    objects: bool,
) -> Iterator[Part]:
    """All that is held out, in cells of frames; in whole frames where they are predicted so."""
    ndim = len(tiling.size)
    for number, image in enumerate(images):
        full = image.image.spatial_shape(ndim)
        shape = _network_shape(image.image, config, ndim)
        cells = tiling.grid(shape).cells()
        for frame, mask in frames_of(image, ndim):
            place = (number, *frame.values())
            if objects or shape != full:
                lengths = _lengths(around(mask, tiling.overlap)) if shape == full else shape
                tiles = frozenset((*place, *t.start) for t in tiling.grid(lengths))
                yield Part(number, frame, tuple([slice(0, n) for n in full]), tiles)
                continue
            for cell in cells:
                if mask[cell.region].any():
                    tiles = frozenset((*place, *tile.start) for tile in cell.tiles)
                    yield Part(number, frame, cell.region, tiles)


def frames_of(image: HeldOutImage, ndim: int) -> Iterator[tuple[Frame, Mask]]:
    """Frames of an image that hold pixels to score, and these."""
    shape = image.values.shape
    mask = np.broadcast_to(True, shape) if image.mask is None else image.mask
    for frame, (inside,) in AxesImage(mask, image.image.label_axes).read_frames(ndim):
        if inside.any():
            yield frame, inside.astype(bool)


def spread(count: int, random: np.random.Generator) -> list[int]:
    """Numbers in an order whose first ones, however many, are spread evenly over all."""
    order: list[int] = np.argsort((random.random() + GOLDEN * np.arange(count)) % 1).tolist()
    return order


def around(mask: Mask, context: Sequence[int]) -> tuple[slice, ...]:
    """The part of a frame around the pixels of a mask."""
    (box,) = ndimage.find_objects(mask.view(np.int8))
    sides = zip(box, context, mask.shape, strict=True)
    return tuple([slice(max(0, s.start - n), min(s.stop + n, end)) for s, n, end in sides])


def _network_shape(image: AxesImage, config: TrainConfig, ndim: int) -> Shape:
    """Lengths of a frame as the network sees it."""
    if config.resized_shape is not None:
        return config.resized_shape
    if config.voxel_size is None:
        return image.spatial_shape(ndim)
    return resampled_template(image, config.voxel_size, ndim).spatial_shape(ndim)


def _lengths(region: Sequence[slice]) -> Shape:
    return tuple([side.stop - side.start for side in region])
