"""A class for every pixel: tiles blended into probabilities, the likeliest class as label."""

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.resample import fit_to
from napari_segkit.trained_model import TrainedModel

from .postprocess import refined
from .tiled import Prediction, Run, TileStep, run


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
) -> Generator[TileStep, None, Prediction]:
    """Predict an image tile by tile.

    Parameters
    ----------
    model : TrainedModel
        Its network is on `device`, in evaluation mode.
    image : AxesImage
        Read tile by tile; it need not fit in memory.
    config : TileConfig
        None in it means the model's own tiles.
    device : torch.device
        Where the network runs.
    probabilities : bool
        Keep the probabilities of all classes.
    statistics : Statistics, optional
        Normalisation numbers to use instead of this image's own, such as those of the stack
        that a slice comes from.
    objects : ObjectConfig, optional
        Which objects are kept; it does not count for classes of pixels.

    Yields
    ------
    TileStep
        After each batch of tiles, and each block that is refined.

    Returns
    -------
    Prediction
        Labels, and probabilities on request: the smoothed ones, where the model smooths.
    """
    work = run(model, image, config, device, statistics)
    labels = np.zeros(image.without_channels(), np.min_scalar_type(max(model.values)))
    kept = np.zeros((len(model.classes), *labels.shape), np.float32) if probabilities else None
    for frame in work.frames():
        blended = yield from blend(work, frame)
        found = yield from refined(work, frame, blended, keep=probabilities)
        image.write(labels, frame, found.labels)
        if kept is not None and found.probabilities is not None:
            image.write(kept, frame, found.probabilities)
    return Prediction(labels, kept, work.provenance())


def blend(work: Run, frame: dict[str, int]) -> Generator[TileStep, None, NDArray[np.float32]]:
    """Probabilities of the network's outputs in a frame, its tiles blended.

    Parameters
    ----------
    work : Run
        The prediction under way.
    frame : dict
        Place along the axes that the model walks.

    Yields
    ------
    TileStep
        After each batch of tiles.

    Returns
    -------
    ndarray
        float32 ``(outputs, *spatial)`` on the image's own grid.
    """
    blended = np.zeros((0, *work.grid.shape), np.float32)
    for tiles, logits in work.batches(frame):
        outputs = np.asarray(logits.float().softmax(dim=1).cpu())
        if not len(blended):
            blended = np.zeros((outputs.shape[1], *work.grid.shape), np.float32)
        for tile, output in zip(tiles, outputs, strict=True):
            inside = tuple(slice(0, r.stop - r.start) for r in tile.region)
            weighted = output[(slice(None), *inside)] * work.grid.weights(tile)
            blended[(slice(None), *tile.region)] += weighted
        yield work.step(len(tiles))
    return fit_to(blended, (len(blended), *work.whole.spatial(work.model.ndim)))
