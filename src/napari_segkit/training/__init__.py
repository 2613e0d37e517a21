"""Train networks and pixel classifiers on labels."""

from typing import TYPE_CHECKING

from napari_segkit.models import model_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segkit.config import ModelSpec

    from .trainer import Trainer


def trainer_of(spec: "ModelSpec", *, is_endless: bool = False) -> "type[Trainer]":
    """Trainer class of a method, imported here: some import libraries that take seconds."""
    trainers = LIVE_TRAINERS if is_endless else TRAINERS
    return trainers[model_info(spec.name).training]()


def _semantic() -> "type[Trainer]":
    from .semantic import SemanticTrainer

    return SemanticTrainer


def _instance() -> "type[Trainer]":
    from .instance import InstanceTrainer

    return InstanceTrainer


def _pixels() -> "type[Trainer]":
    from .pixels import PixelTrainer

    return PixelTrainer


def _live_pixels() -> "type[Trainer]":
    from .live_pixels import LivePixelTrainer

    return LivePixelTrainer


TRAINERS: "dict[str, Callable[[], type[Trainer]]]" = {
    "semantic": _semantic,
    "instance": _instance,
    "pixels": _pixels,
}
LIVE_TRAINERS = {**TRAINERS, "pixels": _live_pixels}
