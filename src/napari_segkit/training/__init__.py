"""Train networks and pixel classifiers on labels."""

from typing import TYPE_CHECKING

from napari_segkit.models import model_info

if TYPE_CHECKING:
    from napari_segkit.config import ModelSpec

    from .trainer import Trainer


def trainer_of(spec: "ModelSpec") -> "type[Trainer]":
    """Trainer class of a method."""
    from . import instance, pixels, semantic

    trainers: dict[str, type[Trainer]] = {
        "semantic": semantic.SemanticTrainer,
        "instance": instance.InstanceTrainer,
        "pixels": pixels.PixelTrainer,
    }
    return trainers[model_info(spec.name).training]
