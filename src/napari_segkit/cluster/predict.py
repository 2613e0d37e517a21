"""Predict an image on the workers of a cluster, with the same pixels as here."""

from collections.abc import Generator
from dataclasses import replace

from napari_segkit.config import ClusterConfig
from napari_segkit.inference import predict_tiles_of
from napari_segkit.inference.progress import TileStep
from napari_segkit.inference.request import PredictRequest
from napari_segkit.label_result import LabelResult

from .connection import connected
from .runner import ClusterRunner


def predict_tiles(
    request: PredictRequest, config: ClusterConfig
) -> Generator[TileStep, object, LabelResult]:
    """Predict block by block, except what the sink already has.

    Parameters
    ----------
    request : PredictRequest
        As for a prediction on this machine; the workers choose their devices themselves.
    config : ClusterConfig
        The scheduler.

    Yields
    ------
    TileStep
        Progress after each block; also while none is ready, so that it can be stopped.

    Returns
    -------
    LabelResult
        The same labels as on this machine.
    """
    if request.config.three_axes:
        raise ValueError(
            "three_axes=True needs the whole volume in one place, which a cluster divides into "
            "blocks: leave one of them out."
        )
    with connected(config) as client, ClusterRunner(client, config) as runner:
        result = yield from predict_tiles_of(request.model)(request, runner)
    return replace(result, provenance={**result.provenance, "cluster": runner.record()})
