"""Modules that build networks, imported when one of their methods is first used."""

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


def smp() -> Family:
    from .semantic import smp

    return smp


def torchvision() -> Family:
    from .semantic import torchvision

    return torchvision


def segnet() -> Family:
    from .semantic import segnet

    return segnet


def monai() -> StridedFamily:
    from .semantic import monai

    return monai


def pixels() -> StridedFamily:
    from .pixels import classifier

    return classifier


def maskrcnn() -> Family:
    from .instance import maskrcnn

    return maskrcnn


def solo() -> Family:
    from .instance import solo

    return solo
