"""Probabilities with the image they belong to, checked once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage, as_image
from napari_segkit.images.intensity import Statistics, measure

MOST = 4  # channels that a lattice takes; of more, the directions in which the image varies most
SAMPLE = 512  # pixels along an axis from which these are measured, at most
TOLERANCE = 0.01  # how far probabilities may be from adding up to one, in float16 for instance


@dataclass(frozen=True)
class ProbabilityMaps:
    """Probabilities of classes, and the image they were predicted from.

    Parameters
    ----------
    probabilities : array-like
        ``(classes, *shape of the image without its channel axis)``; read block by block.
    image : AxesImage
        Names the axes and their spacing.
    statistics : Statistics or None
        What scales the image's intensities; None where the image does not count.
    directions : ndarray or None
        Of a part of an image of many channels: those of the whole, as `directions_of` gives them.
    """

    probabilities: Any
    image: AxesImage
    statistics: Statistics | None
    directions: NDArray[np.float32] | None = None

    @property
    def ndim(self) -> int:
        """Spatial dimensions: 3 where there is a Z with more than one slice."""
        return 3 if self.image.length("Z") > 1 else 2

    @property
    def spatial(self) -> tuple[int, ...]:
        """Lengths along Y X, or Z Y X."""
        return self.image.spatial(self.ndim)

    @property
    def spacing(self) -> tuple[float, ...]:
        """World units between pixels along Y X, or Z Y X."""
        return self.image.spacing[-self.ndim :]

    def frames(self) -> Iterator[dict[str, int]]:
        """Every time point."""
        return self.image.frames(self.ndim)

    def read(self, frame: dict[str, int], region: Sequence[slice]) -> NDArray[np.float32]:
        """Probabilities ``(classes, *region)`` of one frame, which add up to one."""
        axes = self.image.label_axes
        where = self.image.selection(frame, region, axes)
        block = np.asarray(self.probabilities[(slice(None), *where)], dtype=np.float32)
        left = [a for a in axes if a not in frame]
        block = block.transpose(0, *(1 + left.index(a) for a in SPATIAL[-self.ndim :]))
        total = block.sum(axis=0)
        # NaN fails the comparison, too
        if not (block.min() >= -TOLERANCE and abs(total - 1).max() <= TOLERANCE):
            raise ValueError(
                "The probabilities must be numbers from 0 to 1 that add up to one over the "
                f"classes at every pixel; here they lie between {block.min():.3g} and "
                f"{block.max():.3g}, their sums between {total.min():.3g} and {total.max():.3g}: "
                "give what predict_proba returns, or the softmax of other numbers."
            )
        block = block.clip(0)
        return block / block.sum(axis=0)

    def part(self, frame: dict[str, int], region: Sequence[slice]) -> "ProbabilityMaps":
        """A region of one frame alone, scaled as the whole is."""
        pixels = self.image.read(frame, region)
        image = replace(self.image, data=pixels, axes="C" + SPATIAL[-self.ndim :], alpha=False)
        maps, directions = self.read(frame, region), self.directions_of(frame)
        return replace(self, probabilities=maps, image=image, directions=directions)

    def view(self, target: NDArray[Any], frame: dict[str, int]) -> NDArray[Any]:
        """One frame of an array shaped like the probabilities, as ``(classes, [Z,] Y, X)``."""
        axes = self.image.label_axes
        left = [a for a in axes if a not in frame]
        part = target[(slice(None), *(frame.get(a, slice(None)) for a in axes))]
        order = [left.index(a) for a in SPATIAL[-self.ndim :]]
        return part.transpose(0, *(1 + i for i in order))

    def pixels(self, frame: dict[str, int], region: Sequence[slice]) -> NDArray[np.float32] | None:
        """Scaled intensities ``(C, *region)`` of one frame; None where the image does not count."""
        if self.statistics is None:
            return None
        pixels = self.statistics.apply(self.image.read(frame, region))
        if not np.isfinite(pixels).all():
            raise ValueError(f"{self.image.name} holds NaN or infinity: replace them.")
        return pixels

    def directions_of(self, frame: dict[str, int]) -> NDArray[np.float32] | None:
        """The leading principal components of a frame's channels, where these are many.

        Parameters
        ----------
        frame : dict
            Place along the axes that are walked.

        Returns
        -------
        ndarray or None
            float32 ``(4, C)``, the same for all blocks of the frame; None for up to four channels.
        """
        if self.directions is not None or self.image.channels <= MOST or self.statistics is None:
            return self.directions
        sparse = [slice(0, n, -(-n // SAMPLE)) for n in self.spatial]
        pixels = self.statistics.apply(self.image.read(frame, sparse))
        flat = pixels.reshape(len(pixels), -1).astype(np.float64)
        centred = flat - flat.mean(axis=1, keepdims=True)
        _, directions = np.linalg.eigh(centred @ centred.T)
        return directions[:, -MOST:].T.astype(np.float32)


def probability_maps(
    probabilities: Any,
    image: Any,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
    sees_image: bool,
) -> ProbabilityMaps:
    """Join probabilities and their image; ValueError where they do not belong together.

    Parameters
    ----------
    probabilities : array-like
        ``(classes, *shape of the image without its channel axis)``.
    image : array-like, layer, AxesImage or None
        None where the image does not count.
    axes, spacing
        Of the image, as in `as_image`; without an image, of the probabilities but for classes.
    sees_image : bool
        Whether what is to be done needs the image.
    """
    maps = probabilities if hasattr(probabilities, "ndim") else np.asarray(probabilities)
    if maps.ndim < 3 or 0 in maps.shape:
        raise ValueError(
            f"The probabilities have the shape {tuple(maps.shape)}: give (classes, Y, X) or "
            "(classes, Z, Y, X), as predict_proba does."
        )
    if not np.issubdtype(maps.dtype, np.floating):
        raise TypeError(
            f"The probabilities have the type {maps.dtype}: give floats from 0 to 1; plain labels "
            "become probabilities by soft_labels."
        )
    if maps.shape[0] < 2:
        raise ValueError(
            "The probabilities are of one class only, which every pixel then has: give those of "
            "two or more, background among them."
        )
    if image is None:
        if sees_image:
            raise ValueError(
                "This smoothing looks at the image: give the image that the probabilities were "
                "predicted from, or take the weight of the image's part to 0."
            )
        image = np.broadcast_to(np.uint8(0), maps.shape[1:])
        axes = axes or "TZYX"[-image.ndim :]
    named = as_image(image, axes, spacing, labels_shape=maps.shape[1:])
    if named.without_channels() != tuple(maps.shape[1:]):
        raise ValueError(
            f"The probabilities are of {tuple(maps.shape[1:])} pixels, {named.name} has "
            f"{named.without_channels()} (axes {named.axes}, shape {named.shape}): give the image "
            "they were predicted from, or name its axes."
        )
    ndim = 3 if named.length("Z") > 1 else 2
    return ProbabilityMaps(maps, named, measure([named], ndim) if sees_image else None)
