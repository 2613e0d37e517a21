"""The modules that build networks, each imported when one of its methods is first used."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from napari_segkit.config import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from . import Inputs


class Family(Protocol):
    """A module of this package with the networks of one library, or of one paper."""

    def build(self, spec: ModelSpec, inputs: "Inputs") -> "nn.Module":
        """The network, from random weights."""


class StridedFamily(Family, Protocol):
    """A family whose tiles are multiples of a number that depends on the model."""

    def stride(self, spec: ModelSpec, spacing: tuple[float, ...]) -> tuple[int, ...]:
        """What the edges of tiles are multiples of, along each spatial axis."""


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
