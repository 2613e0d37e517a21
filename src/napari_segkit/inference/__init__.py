"""Apply trained models to images, tile by tile."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


def predict_tiles_of(model: "TrainedModel") -> Callable[..., Any]:
    """The `predict_tiles` generator for this kind of model."""
    from . import instance, panoptic, semantic, watershed

    by_kind: dict[str, Callable[..., Any]] = {
        "semantic": semantic.predict_tiles,
        "objects": watershed.predict_tiles,
        "instance": instance.predict_tiles,
        "panoptic": panoptic.predict_tiles,
    }
    return by_kind[model.kind]
