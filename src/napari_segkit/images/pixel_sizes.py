"""The pixel sizes of an image and of a training, compared."""

from collections.abc import Sequence
from math import log
from typing import Protocol

import numpy as np

from .axes_image import AxesImage, in_unit
from .resample import format_spacing
from .units import UNKNOWN_SPACING, Spacing

SIZE_TOLERANCE = {2: 0.25, 3: 0.1}  # by dimensions; relative, above which a size is told


class Spaced(Protocol):
    """What has a pixel size: an image, or a model that was trained on such images."""

    @property
    def spacing(self) -> Spacing: ...
    @property
    def unit(self) -> str: ...
    @property
    def orientation(self) -> str: ...


def has_pixel_size(spaced: Spaced) -> bool:
    """Whether the pixel size is known: 1 is common in MRI, but then the orientation is, too."""
    return bool(spaced.orientation or spaced.unit) or spaced.spacing != UNKNOWN_SPACING


def is_alike(image: AxesImage, training: Spaced, ndim: int, tolerance: float) -> bool:
    """Whether an image has the pixel size of a training, if both are known."""
    size = in_unit(image, training.unit).spacing[-ndim:]
    return np.allclose(size, training.spacing[-ndim:], rtol=tolerance)


def size_text(spaced: Spaced, ndim: int) -> str:
    """Such as "0.5 x 0.5 um"."""
    return format_spacing(spaced.spacing[-ndim:], spaced.unit)


def difference_text(image: AxesImage, training: Spaced, ndim: int) -> str | None:
    """How the pixel size of an image differs from that of a training; None if it does not.

    What is unknown of one of them is not compared.
    """
    known = has_pixel_size(image) and has_pixel_size(training)
    if not known or is_alike(image, training, ndim, SIZE_TOLERANCE[ndim]):
        return None
    noun = "voxels" if ndim == 3 else "pixels"
    return (
        f"{image.name} has {noun} of {size_text(in_unit(image, training.unit), ndim)} "
        f"({' x '.join('ZYX'[-ndim:])}), but the model was trained on {size_text(training, ndim)}: "
        "set PredictConfig.resample to predict it at that size, or train with a "
        "TrainConfig.voxel_size."
    )


def unknown_text(image: AxesImage, training: Spaced, ndim: int) -> str | None:
    """Which of two pixel sizes is unknown, so that they cannot be compared; None if not one is."""
    known = has_pixel_size(image), has_pixel_size(training)
    if known == (False, True):
        return (
            f"The pixel size of {image.name} is unknown, so it is not compared with that of the "
            f"training, {size_text(training, ndim)}."
        )
    if known == (True, False):
        return (
            f"The model was trained on images of unknown pixel size, so that of {image.name}, "
            f"{size_text(image, ndim)}, is not compared with it."
        )
    return None


def require_pixel_sizes(image: AxesImage, training: Spaced, ndim: int) -> None:
    """ValueError unless both are known, so that the image can be resampled."""
    if not has_pixel_size(training):
        raise ValueError(
            "PredictConfig.resample is set, but the model was trained on images of unknown pixel "
            "size: leave it out."
        )
    if not has_pixel_size(image):
        raise ValueError(
            f"PredictConfig.resample is set, but the pixel size of {image.name} is unknown: give "
            f"its spacing; the model was trained on {size_text(training, ndim)}."
        )


def nearest_level(levels: Sequence[AxesImage], training: Spaced, ndim: int) -> int:
    """The level whose pixels are nearest in size to those of a training; 0 if one is unknown."""
    if not (has_pixel_size(training) and has_pixel_size(levels[0])):
        return 0
    return min(range(len(levels)), key=lambda n: _distance(levels[n], training, ndim))


def _distance(image: AxesImage, training: Spaced, ndim: int) -> float:
    """How far two pixel sizes are from each other; 0: alike."""
    sizes = in_unit(image, training.unit).spacing[-ndim:], training.spacing[-ndim:]
    return sum(abs(log(a / b)) for a, b in zip(*sizes, strict=True))
