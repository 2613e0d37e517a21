"""The methods. A new one is a file in this folder and a line in `MODELS`."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec

if TYPE_CHECKING:
    from torch import nn

ENCODERS = ("resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet-b0")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a method before anything is built.

    Parameters
    ----------
    name : str
        The word that `ModelSpec` takes.
    kind : str
        "semantic": a class for every pixel.
    dims : tuple of int
        Spatial dimensions it can work in: 2 (slice by slice), 3 (whole volumes).
    about : str
        What it is for, in one sentence.
    encoders : tuple of str
        Encoders it can be built with.
    build : str
        "module:function" in this folder; called as ``function(spec, channels, classes)``.
    stride : int
        Tiles are multiples of this many pixels.
    """

    name: str
    kind: str
    dims: tuple[int, ...]
    about: str
    encoders: tuple[str, ...]
    build: str
    stride: int = 32


def _smp(name: str, about: str) -> ModelInfo:
    """One of segmentation-models-pytorch's architectures."""
    return ModelInfo(name, "semantic", (2,), about, ENCODERS, "smp:build")


MODELS = {
    info.name: info
    for info in (_smp("unet", "U-Net: the first to try; exact at fine borders, light on a CPU."),)
}


def list_models() -> list[ModelInfo]:
    """All methods: names, kinds, dimensions, and what each is for.

    Returns
    -------
    list of ModelInfo
        One entry for each method, in the order of the documentation.
    """
    return list(MODELS.values())


def model_info(name: str) -> ModelInfo:
    """What is known of one method.

    Parameters
    ----------
    name : str
        Such as "unet".

    Raises
    ------
    ValueError
        If there is no such method; the message lists those there are.
    """
    if name not in MODELS:
        raise ValueError(f"There is no model {name!r}; choose one of {', '.join(MODELS)}.")
    return MODELS[name]


def check_spec(spec: ModelSpec) -> None:
    """Raise ValueError where a spec cannot be built; the message lists what can.

    Parameters
    ----------
    spec : ModelSpec
        Which model.
    """
    info = model_info(spec.name)
    if spec.encoder not in info.encoders:
        raise ValueError(
            f"{spec.name} has no encoder {spec.encoder!r}; choose one of "
            f"{', '.join(info.encoders)}."
        )
    if spec.weights is not None:
        raise ValueError(
            f"weights is {spec.weights!r}; only None is available: training starts from random "
            "weights."
        )


def build(spec: ModelSpec, *, channels: int, classes: int) -> "nn.Module":
    """Build an untrained network.

    Parameters
    ----------
    spec : ModelSpec
        Which one.
    channels : int
        Channels of its images.
    classes : int
        Number of classes it tells apart.

    Returns
    -------
    torch.nn.Module
        From images ``(N, channels, *spatial)`` to logits ``(N, classes, *spatial)``.

    Raises
    ------
    ValueError
        If the method or its encoder does not exist.
    """
    check_spec(spec)
    module, function = model_info(spec.name).build.split(":")
    network: nn.Module = getattr(import_module(f".{module}", __name__), function)(
        spec, channels, classes
    )
    return network
