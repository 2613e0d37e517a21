"""Turn probabilities into labels with the model's refinement settings."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.labels import from_indices
from napari_segkit.label_result import LabelResult
from napari_segkit.refinement.pipeline import refine_frame
from napari_segkit.refinement.probability_maps import ProbabilityMaps

from .plan import TilePlan
from .progress import Progress, TileStep


def labels_from_probabilities(
    plan: TilePlan,
    frame: dict[str, int],
    probabilities: NDArray[np.float32],
    progress: Progress,
    *,
    keep: bool,
) -> Generator[TileStep, object, LabelResult]:
    """Refine probabilities of a frame and convert them to labels, shape ``spatial``."""
    config, values = plan.model.refine, plan.model.values
    axes = SPATIAL[-plan.model.ndim :]
    if not (config.smoother or config.clean):
        labels = from_indices(probabilities.argmax(axis=0), values)
        return LabelResult(labels, axes, probabilities=probabilities)
    maps = ProbabilityMaps(probabilities, _smoothing_image(plan, frame), plan.intensities)
    (index,) = maps.frames()
    steps = refine_frame(maps, index, config, values, device=str(plan.device), keep=keep)
    result = yield from progress.follow(steps, 1)
    smoothed = result.probabilities
    return LabelResult(
        result.labels.reshape(probabilities.shape[1:]),
        axes,
        probabilities=None if smoothed is None else smoothed.reshape(probabilities.shape),
    )


def _smoothing_image(plan: TilePlan, frame: dict[str, int]) -> AxesImage:
    """Pixels of the frame if the smoothing uses them; else an empty image of the same shape."""
    image, ndim, lengths = plan.original, plan.model.ndim, plan.frame_shape
    if plan.intensities is None:
        return AxesImage(np.broadcast_to(np.uint8(0), lengths), SPATIAL[-ndim:], image.spacing)
    pixels = image.read(frame, [slice(0, n) for n in lengths])
    return AxesImage(pixels, "C" + SPATIAL[-ndim:], image.spacing, image.name)
