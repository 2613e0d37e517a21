"""Turn probabilities into labels with the model's refinement settings."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.labels import from_indices
from napari_segkit.refinement.pipeline import RefinedLabels, refine_frame
from napari_segkit.refinement.probability_maps import ProbabilityMaps
from napari_segkit.steps import map_steps

from .tiled import TiledInference, TileStep


def labels_from_probabilities(
    inference: TiledInference,
    frame: dict[str, int],
    probabilities: NDArray[np.float32],
    *,
    keep: bool,
) -> Generator[TileStep, None, RefinedLabels]:
    """Refine probabilities of a frame and convert them to labels, shape ``spatial``."""
    config, values = inference.model.refine, inference.model.values
    if not (config.smoother or config.clean):
        return RefinedLabels(from_indices(probabilities.argmax(axis=0), values), probabilities)
    maps = ProbabilityMaps(probabilities, _smoothing_image(inference, frame), inference.intensities)
    (index,) = maps.frames()
    steps = refine_frame(maps, index, config, values, device=str(inference.device), keep=keep)
    result = yield from map_steps(steps, lambda _: inference.step(1))
    smoothed = result.probabilities
    return RefinedLabels(
        result.labels.reshape(probabilities.shape[1:]),
        None if smoothed is None else smoothed.reshape(probabilities.shape),
    )


def _smoothing_image(inference: TiledInference, frame: dict[str, int]) -> AxesImage:
    """Pixels of the frame if the smoothing uses them; else an empty image of the same shape."""
    image, ndim = inference.original, inference.model.ndim
    lengths = image.spatial_shape(ndim)
    if inference.intensities is None:
        return AxesImage(np.broadcast_to(np.uint8(0), lengths), SPATIAL[-ndim:], image.spacing)
    pixels = image.read(frame, [slice(0, n) for n in lengths])
    return AxesImage(pixels, "C" + SPATIAL[-ndim:], image.spacing, image.name)
