"""Train networks and pixel classifiers on labels."""

from typing import TYPE_CHECKING

from napari_segkit.models import model_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segkit.config import ModelSpec

    from .trainer import Trainer


def trainer_of(spec: "ModelSpec") -> "type[Trainer]":
    """Trainer class of a method, imported here: some import libraries that take seconds."""
    return TRAINERS[model_info(spec.name).training]()


def _semantic() -> "type[Trainer]":
    from .semantic import SemanticTrainer

    return SemanticTrainer


def _instance() -> "type[Trainer]":
    from .instance import InstanceTrainer

    return InstanceTrainer


def _pixels() -> "type[Trainer]":
    from .pixels import PixelTrainer

    return PixelTrainer


TRAINERS: "dict[str, Callable[[], type[Trainer]]]" = {
    "semantic": _semantic,
    "instance": _instance,
    "pixels": _pixels,
}
