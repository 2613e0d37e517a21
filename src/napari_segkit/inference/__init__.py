"""Apply trained models to images, tile by tile."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


def predict_tiles_of(model: "TrainedModel") -> Callable[..., Any]:
    """The `predict_tiles` generator for this kind of model."""
    return PREDICT_TILES[model.kind]()


def _semantic() -> Callable[..., Any]:
    from .semantic import predict_tiles

    return predict_tiles


def _objects() -> Callable[..., Any]:
    from .watershed import predict_tiles

    return predict_tiles


def _instance() -> Callable[..., Any]:
    from .instance import predict_tiles

    return predict_tiles


def _panoptic() -> Callable[..., Any]:
    from .panoptic import predict_tiles

    return predict_tiles


PREDICT_TILES: dict[str, Callable[[], Callable[..., Any]]] = {
    "semantic": _semantic,
    "objects": _objects,
    "instance": _instance,
    "panoptic": _panoptic,
}
