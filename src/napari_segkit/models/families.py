"""Modules that build networks, imported when one of their methods is first used."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from napari_segkit.config import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from . import Inputs


class Family(Protocol):
    """A module that builds the networks of one library or paper."""

    def build(self, spec: ModelSpec, inputs: "Inputs") -> "nn.Module":
        """Build the network with random weights."""


class StridedFamily(Family, Protocol):
    """A family whose tile edges are multiples of a number that depends on the model."""

    def stride(self, spec: ModelSpec, spacing: tuple[float, ...]) -> tuple[int, ...]:
        """Number of pixels, along each spatial axis, that tile edges are multiples of."""


def _smp() -> Family:
    from .semantic import smp

    return smp


def _torchvision() -> Family:
    from .semantic import torchvision

    return torchvision


def _segnet() -> Family:
    from .semantic import segnet

    return segnet


def _monai() -> StridedFamily:
    from .semantic import monai

    return monai


def _pixels() -> StridedFamily:
    from .pixels import classifier

    return classifier


def _maskrcnn() -> Family:
    from .instance import maskrcnn

    return maskrcnn


def _solo() -> Family:
    from .instance import solo

    return solo


STRIDED: dict[str, Callable[[], StridedFamily]] = {"monai": _monai, "pixels": _pixels}
FAMILIES: dict[str, Callable[[], Family]] = {
    "smp": _smp,
    "torchvision": _torchvision,
    "segnet": _segnet,
    "maskrcnn": _maskrcnn,
    "solo": _solo,
    **STRIDED,
}
