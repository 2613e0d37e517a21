"""Apply trained models to images, tile by tile."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

    from .request import PredictTiles


def predict_tiles_of(model: "TrainedModel") -> "PredictTiles":
    """The `predict_tiles` generator for this kind of model."""
    from . import instance, panoptic, semantic, watershed

    generators: dict[str, PredictTiles] = {
        "semantic": semantic.predict_tiles,
        "objects": watershed.predict_tiles,
        "instance": instance.predict_tiles,
        "panoptic": panoptic.predict_tiles,
    }
    return generators[model.kind]
