"""From a trained model and an image to labels, tile by tile."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_segkit.trained import TrainedModel


def prediction_of(model: "TrainedModel") -> Callable[..., Any]:
    """The generator that predicts with a model: what it gives decides.

    Parameters
    ----------
    model : TrainedModel
        The model.
    """
    found: Callable[..., Any] = import_module(f".{model.kind}", __name__).predict_tiles
    return found
