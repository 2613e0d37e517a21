"""How the intensities of the images of a training are scaled."""

import warnings
from collections.abc import Sequence

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import (
    Intensities,
    Statistics,
    dtype_statistics,
    identity_statistics,
    mostly_zero,
    pooled_statistics,
    require_contrast,
)

MAX_SAMPLE = 2**26  # pixels that are measured together


def sampled_pixels(config: TrainConfig, images: int) -> int:
    """Pixels of each image that are kept to measure all images together."""
    return max(1, MAX_SAMPLE // images) if config.normalise == "training" else 0


def has_zero_background(config: TrainConfig, measured: Sequence[Intensities]) -> bool:
    """Whether intensities are measured over non-zero pixels only."""
    return config.normalise == "image" and mostly_zero(measured)


def statistics_of(
    images: Sequence[AxesImage],
    config: TrainConfig,
    measured: Sequence[Intensities],
    nonzero: bool,
) -> list[Statistics]:
    """Normalisation statistics of the images, measured before resampling."""
    if config.normalise == "none":
        return [identity_statistics(i.channels) for i in images]
    if config.normalise == "dtype":
        return [dtype_statistics(i) for i in images]
    if config.normalise == "image":
        statistics = [known.nonzero if nonzero else known.whole for known in measured]
    else:
        statistics = [pooled_statistics(measured)] * len(images)
    require_contrast(statistics, images)
    blank = [i.name for i, s in zip(images, statistics, strict=True) if s.is_blank]
    if blank:
        warnings.warn(
            f"{', '.join(blank)}: every pixel is the same. Blank images are learned from as they "
            "are, scaled to 0.",
            UserWarning,
            stacklevel=3,
        )
    return statistics


def require_moderate(
    config: TrainConfig,
    images: Sequence[AxesImage],
    measured: Sequence[Intensities],
    statistics: Sequence[Statistics],
) -> None:
    """Refuse intensities that overflow in a network."""
    for image, known, scaled in zip(images, measured, statistics, strict=True):
        if value := known.extreme(scaled):
            text = f"{image.name} has intensities such as {value}"
            raise ValueError(
                f"{text}, too large to be used unchanged: choose normalise='image' or "
                "normalise='training'."
                if config.normalise in ("dtype", "none")
                else f"{text}, far out of the range of the others: set such pixels to NaN, which "
                "leaves them out."
            )
