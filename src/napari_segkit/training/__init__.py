"""From labels to a trained network: patches, losses, the loop."""

from importlib import import_module
from typing import TYPE_CHECKING

from napari_segkit.models import model_info

if TYPE_CHECKING:
    from napari_segkit.config import ModelSpec

    from .base import BaseTraining


def training_of(spec: "ModelSpec") -> "type[BaseTraining]":
    """The class that teaches a method.

    Parameters
    ----------
    spec : ModelSpec
        Which method.
    """
    found: type[BaseTraining] = import_module(
        f".{model_info(spec.name).training}", __name__
    ).Training
    return found
