"""Class probabilities together with the image they were predicted from."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from napari_segkit.images.arrays import as_array
from napari_segkit.images.axes_image import SPATIAL, AxesImage, as_image
from napari_segkit.images.intensity import Statistics, measure_statistics
from napari_segkit.images.types import AnyArray, Floats, ImageSource, LazyArray

MAX_CHANNELS = 4  # of the lattice; an image of more is projected onto its principal components
MAX_SAMPLE = 512  # pixels along an axis from which these are computed
FARTHEST = 1000.0  # times the image's range: outliers, such as those for "no data", count as that
TOLERANCE = 0.01  # how far probabilities may be from summing to one, in float16 for instance


@dataclass(frozen=True)
class ProbabilityMaps:
    """Class probabilities and their image, read block by block."""

    probabilities: LazyArray  # (classes, *shape of the image without its channel axis)
    image: AxesImage
    statistics: Statistics | None  # scale the intensities; None where the image is not used
    components: Floats | None = None  # of a crop: those of the full image

    @property
    def ndim(self) -> int:
        """Spatial dimensions: 3 where there is a Z with more than one slice."""
        return 3 if self.image.length("Z") > 1 else 2

    @property
    def spatial(self) -> tuple[int, ...]:
        """Shape along ``[Z,] Y, X``."""
        return self.image.spatial_shape(self.ndim)

    @property
    def spacing(self) -> tuple[float, ...]:
        """World units between pixels along ``[Z,] Y, X``."""
        return self.image.spacing[-self.ndim :]

    def frames(self) -> Iterator[dict[str, int]]:
        return self.image.frames(self.ndim)

    def read(self, frame: dict[str, int], region: Sequence[slice]) -> Floats:
        """Read ``(classes, *region)`` of one frame, scaled to sum to one."""
        axes = self.image.label_axes
        index = self.image.array_index(frame, region, axes)
        block = np.asarray(self.probabilities[(slice(None), *index)], dtype=np.float32)
        block = _spatial_last(block, axes, frame, self.ndim)
        total = block.sum(axis=0)
        # NaN fails the comparison, too
        if not (block.min() >= -TOLERANCE and abs(total - 1).max() <= TOLERANCE):
            raise ValueError(
                "The probabilities must be numbers from 0 to 1 that add up to one over the "
                f"classes at every pixel; here they are between {block.min():.3g} and "
                f"{block.max():.3g}, their sums between {total.min():.3g} and {total.max():.3g}: "
                "give what predict_proba returns, or the softmax of other numbers."
            )
        block = block.clip(0)
        return block / block.sum(axis=0)

    def crop(self, frame: dict[str, int], region: Sequence[slice]) -> "ProbabilityMaps":
        """A region of one frame, with the intensity scale of the full image."""
        pixels = self.image.read(frame, region)
        image = replace(self.image, data=pixels, axes="C" + SPATIAL[-self.ndim :], alpha=False)
        maps, components = self.read(frame, region), self.principal_components(frame)
        return replace(self, probabilities=maps, image=image, components=components)

    def view(self, array: AnyArray, frame: dict[str, int]) -> AnyArray:
        """View one frame of an array shaped like the probabilities as ``(classes, [Z,] Y, X)``."""
        axes = self.image.label_axes
        part = array[(slice(None), *(frame.get(a, slice(None)) for a in axes))]
        return _spatial_last(part, axes, frame, self.ndim)

    def intensities(self, frame: dict[str, int], region: Sequence[slice]) -> Floats | None:
        """Read scaled ``(C, *region)`` intensities of one frame; None if the image is not used."""
        if self.statistics is None:
            return None
        return scaled_intensities(self.statistics, self.image.read(frame, region))

    def principal_components(self, frame: dict[str, int]) -> Floats | None:
        """Leading components ``(4, C)`` of a frame's channels; None for up to four channels."""
        few = self.image.channels <= MAX_CHANNELS
        if self.components is not None or few or self.statistics is None:
            return self.components
        sparse = [slice(0, n, -(-n // MAX_SAMPLE)) for n in self.spatial]
        pixels = scaled_intensities(self.statistics, self.image.read(frame, sparse))
        flat = pixels.reshape(len(pixels), -1).astype(np.float64)
        centred = flat - flat.mean(axis=1, keepdims=True)
        _, components = np.linalg.eigh(centred @ centred.T)
        return components[:, -MAX_CHANNELS:].T.astype(np.float32)


def scaled_intensities(statistics: Statistics, pixels: AnyArray) -> Floats:
    """Intensities in units of the image's range, so limited that the others keep their digits."""
    scaled = statistics.apply(pixels)
    return np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)


def as_probability_maps(
    probabilities: LazyArray | ArrayLike,
    image: ImageSource | AxesImage | None,
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
    uses_image: bool,
) -> ProbabilityMaps:
    """Check that probabilities and image (None if not used) match.

    Without an image, axes and spacing are those of the probabilities without their class axis.
    """
    maps = as_array(probabilities, "probabilities")
    _check_probabilities(maps)
    if image is None:
        if uses_image:
            raise ValueError(
                "This smoothing uses the image: give the image that the probabilities were "
                "predicted from, or choose settings that do not use it (CRF: appearance_weight 0; "
                "MRF: intensity_sigma None)."
            )
        image = np.broadcast_to(np.uint8(0), maps.shape[1:])
        axes = "TZYX"[1 - maps.ndim :] if axes is None else axes
    image = as_image(image, axes, spacing, labels_shape=maps.shape[1:])
    if image.label_shape != tuple(maps.shape[1:]):
        raise ValueError(
            f"The probabilities are of {tuple(maps.shape[1:])} pixels, {image.name} has "
            f"{image.label_shape} (axes {image.axes}, shape {image.shape}): give the image "
            "they were predicted from, or name its axes."
        )
    ndim = 3 if image.length("Z") > 1 else 2
    if not uses_image:
        return ProbabilityMaps(maps, image, None)
    statistics = measure_statistics([image], ndim)
    if statistics.is_blank:
        warnings.warn(
            f"Every pixel of {image.name} is the same: the smoothing finds no edges in it.",
            UserWarning,
            stacklevel=3,
        )
    return ProbabilityMaps(maps, image, statistics)


def _check_probabilities(maps: LazyArray) -> None:
    if maps.ndim < 3 or 0 in maps.shape:
        raise ValueError(
            f"The probabilities have the shape {tuple(maps.shape)}: give (classes, Y, X) or "
            "(classes, Z, Y, X), as predict_proba does."
        )
    if not np.issubdtype(maps.dtype, np.floating):
        raise TypeError(
            f"The probabilities have the type {maps.dtype}: give floats from 0 to 1; soft_labels "
            "turns plain labels into probabilities."
        )
    if maps.shape[0] < 2:
        raise ValueError(
            "The probabilities are of one class only: give those of two or more classes, "
            "background included."
        )


def _spatial_last(block: AnyArray, axes: str, frame: dict[str, int], ndim: int) -> AnyArray:
    """Reorder ``(classes, *axes not in frame)`` to ``(classes, [Z,] Y, X)``."""
    left = [a for a in axes if a not in frame]
    return block.transpose(0, *(1 + left.index(a) for a in SPATIAL[-ndim:]))
