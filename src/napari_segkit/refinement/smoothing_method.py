"""The contract of a smoothing method: how blocks of an image are smoothed."""

from collections.abc import Callable, Sequence

from napari_segkit.config import CRFConfig, MRFConfig, SuperpixelConfig
from napari_segkit.images.types import Floats

from .blocks import Region, add_margin, split_into_blocks

SmoothingConfig = CRFConfig | MRFConfig | SuperpixelConfig
MAX_BLOCK = 2**22  # pixels

# Smooths a block: (classes, *block) probabilities, (C, *block) scaled intensities or None,
# and the position of the block's first pixel in the image -> (classes, *block) probabilities.
BlockSmoother = Callable[[Floats, Floats | None, Sequence[int]], Floats]


class SmoothingMethod:
    """A method with its settings, for one pixel size; this one leaves probabilities as they are.

    To add a method, write a subclass, its configuration, and a line in `smooth.smoothing_method`.

    Parameters
    ----------
    spacing : sequence of float
        World units between pixels along ``[Z,] Y, X``.
    """

    uses_image = False
    few_channels = False  # whether images of many channels are reduced to principal components

    def __init__(self, spacing: Sequence[float]) -> None:
        self.spacing = spacing

    def halo(self) -> list[int]:
        """Margin of a block in pixels along each axis."""
        return [0] * len(self.spacing)

    def context(self, box: Region, shape: Sequence[int]) -> tuple[Region, list[Region]]:
        """What to smooth of a frame for a box of it, and the blocks of that, counted from there.

        The box and its halo; from an even pixel, so that the MRF updates in the same order.
        """
        wide, _ = add_margin(box, self.halo(), shape)
        outer = tuple([slice(side.start // 2 * 2, side.stop) for side in wide])
        return outer, self.blocks([side.stop - side.start for side in outer])

    def blocks(self, shape: Sequence[int]) -> list[Region]:
        """Blocks of a frame that are smoothed one by one."""
        return list(split_into_blocks(shape, MAX_BLOCK))

    def block_smoother(
        self, classes: int, device: str, components: Floats | None = None
    ) -> BlockSmoother:
        """Make a function that smooths one block, on a device.

        `components` ``(features, C)`` project an image of many channels onto a few.
        """
        return lambda probabilities, intensities, start: probabilities
