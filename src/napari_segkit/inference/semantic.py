"""Predict a class for every pixel: blend tile probabilities, take the most likely class."""

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.resample import resize_linear
from napari_segkit.label_result import LabelResult
from napari_segkit.trained_model import TrainedModel

from .postprocess import labels_from_probabilities
from .tiled import TiledInference, TileStep, start_inference


@torch.inference_mode()
def predict_tiles(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    *,
    probabilities: bool = False,
    statistics: Statistics | None = None,
    objects: ObjectConfig | None = None,
) -> Generator[TileStep, None, LabelResult]:
    """Predict class labels tile by tile; the network is on `device`, in evaluation mode.

    `statistics` replaces the normalisation statistics of the image, such as those of the stack that
    a slice comes from. `objects` is not used.
    """
    inference = start_inference(model, image, config, device, statistics)
    labels = np.zeros(image.label_shape, np.min_scalar_type(max(model.values)))
    maps = np.zeros((len(model.classes), *labels.shape), np.float32) if probabilities else None
    for frame in inference.frames():
        blended = yield from blend(inference, frame)
        result = yield from labels_from_probabilities(inference, frame, blended, keep=probabilities)
        image.write(labels, frame, result.labels)
        if maps is not None and result.probabilities is not None:
            image.write(maps, frame, result.probabilities)
    return LabelResult(labels, image.label_axes, model.all_classes, inference.provenance(), maps)


def blend(
    inference: TiledInference, frame: dict[str, int]
) -> Generator[TileStep, None, NDArray[np.float32]]:
    """Blend tile probabilities into float32 ``(outputs, *spatial)`` on the original grid."""
    blended = np.zeros((0, *inference.grid.shape), np.float32)
    for tiles, logits in inference.batches(frame):
        outputs = np.asarray(logits.float().softmax(dim=1).cpu())
        if not len(blended):
            blended = np.zeros((outputs.shape[1], *inference.grid.shape), np.float32)
        for tile, output in zip(tiles, outputs, strict=True):
            inside = tuple(slice(0, r.stop - r.start) for r in tile.region)
            weighted = output[(slice(None), *inside)] * inference.grid.weights(tile)
            blended[(slice(None), *tile.region)] += weighted
        yield inference.step(len(tiles))
    return resize_linear(
        blended, (len(blended), *inference.original.spatial_shape(inference.model.ndim))
    )
