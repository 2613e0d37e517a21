"""Train networks and pixel classifiers on labels."""

from typing import TYPE_CHECKING

from napari_segkit.models import model_info

if TYPE_CHECKING:
    from napari_segkit.config import ModelSpec

    from .trainer import Trainer


def trainer_of(spec: "ModelSpec") -> "type[Trainer]":
    """Trainer class of a method."""
    from .instance import InstanceTrainer
    from .pixels import PixelTrainer
    from .semantic import SemanticTrainer

    trainers: dict[str, type[Trainer]] = {
        "semantic": SemanticTrainer,
        "instance": InstanceTrainer,
        "pixels": PixelTrainer,
    }
    return trainers[model_info(spec.name).training]
