"""Turn probabilities into labels with the model's refinement settings."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.labels import from_indices, likeliest
from napari_segkit.images.regions import Box
from napari_segkit.label_result import LabelResult
from napari_segkit.refinement.pipeline import refine_frame
from napari_segkit.refinement.probability_maps import ProbabilityMaps

from .context import Context
from .plan import TilePlan
from .progress import Progress, TileStep


def labels_from_probabilities(
    plan: TilePlan,
    frame: dict[str, int],
    context: Context,
    probabilities: NDArray[np.float32],
    progress: Progress,
    *,
    keep: bool,
) -> Generator[TileStep, object, LabelResult]:
    """Refine probabilities of the box of a context and convert them to labels of its shape."""
    config, values = plan.model.refine, plan.model.values
    axes = SPATIAL[-plan.model.ndim :]
    if not (config.smoother or config.clean):
        labels = from_indices(likeliest(probabilities), values)
        return LabelResult(labels, axes, probabilities=probabilities)
    image, device = _smoothing_image(plan, frame, context.box), str(plan.device)
    maps = ProbabilityMaps(probabilities, image, plan.intensities)
    (index,) = maps.frames()
    steps = refine_frame(
        maps, index, config, values, device=device, keep=keep, blocks=context.blocks
    )
    result = yield from progress.follow(steps, 1)
    smoothed = result.probabilities
    return LabelResult(
        result.labels.reshape(probabilities.shape[1:]),
        axes,
        probabilities=None if smoothed is None else smoothed.reshape(probabilities.shape),
    )


def _smoothing_image(plan: TilePlan, frame: dict[str, int], box: Box) -> AxesImage:
    """Pixels of a box if the smoothing uses them; else an empty image of the same shape."""
    image, ndim = plan.original, plan.model.ndim
    lengths = [side.stop - side.start for side in box]
    if plan.intensities is None:
        return AxesImage(np.broadcast_to(np.uint8(0), lengths), SPATIAL[-ndim:], image.spacing)
    pixels = image.read(frame, box)
    return AxesImage(pixels, "C" + SPATIAL[-ndim:], image.spacing, image.name)
