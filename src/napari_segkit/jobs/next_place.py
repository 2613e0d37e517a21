"""Where a person should paint next, from the uncertainty of a prediction."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import PredictConfig, RefineConfig
from napari_segkit.images.regions import Box
from napari_segkit.images.types import AnyArray, ImageSource
from napari_segkit.images.where_next import next_place
from napari_segkit.steps import Step

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter


class Place(NamedTuple):
    """A window of labels, and how uncertain its unlabelled pixels are in the mean, from 0 to 1."""

    window: Box
    uncertainty: float


class Found(NamedTuple):
    """Where to paint next (None: nowhere), and the uncertainty of the image."""

    place: Place | None
    uncertainty: NDArray[np.float32]


def uncertainty_steps(
    segmenter: "Segmenter", image: ImageSource, axes: str | None, region: object, level: int
) -> Generator[Step, object, NDArray[np.float32]]:
    """Predict how uncertain a region of an image is (None: all), 0 elsewhere."""
    config = PredictConfig(uncertainty="entropy", level=level)
    result = yield from segmenter.predict_tiles(
        image, axes=axes, refine=RefineConfig(), config=config, region=region
    )
    assert result.uncertainty is not None
    return result.uncertainty


def place_steps(
    uncertainty: Generator[Step, Any, NDArray[np.float32]],
    labels: AnyArray,
    unlabelled: int,
    size: Sequence[int],
    seen: Sequence[Box],
) -> Generator[Step, object, Found]:
    """Find the most uncertain window without labels, apart from those that were `seen`."""
    values = yield from uncertainty
    return Found(find_place(values, labels, unlabelled, size, seen), values)


def find_place(
    uncertainty: NDArray[np.float32],
    labels: AnyArray,
    unlabelled: int,
    size: Sequence[int],
    seen: Sequence[Box] = (),
) -> Place | None:
    """The most uncertain window without labels, apart from those seen; None: there is none."""
    is_labelled = np.asarray(labels) != unlabelled
    for window in seen:
        is_labelled[window] = True
    if is_labelled.all():
        return None
    window = next_place(uncertainty, is_labelled, size)
    free = ~is_labelled[window]
    return Place(window, float(uncertainty[window].mean(where=free))) if free.any() else None
