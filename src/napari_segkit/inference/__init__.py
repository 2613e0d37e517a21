"""Apply trained models to images, tile by tile."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segkit.trained_model import TrainedModel

    from .request import PredictTiles


def predict_tiles_of(model: "TrainedModel") -> "PredictTiles":
    """The `predict_tiles` generator for this kind of model."""
    return PREDICT_TILES[model.kind]()


def _semantic() -> "PredictTiles":
    from .semantic import predict_tiles

    return predict_tiles


def _objects() -> "PredictTiles":
    from .watershed import predict_tiles

    return predict_tiles


def _instance() -> "PredictTiles":
    from .instance import predict_tiles

    return predict_tiles


def _panoptic() -> "PredictTiles":
    from .panoptic import predict_tiles

    return predict_tiles


PREDICT_TILES: dict[str, "Callable[[], PredictTiles]"] = {
    "semantic": _semantic,
    "objects": _objects,
    "instance": _instance,
    "panoptic": _panoptic,
}
