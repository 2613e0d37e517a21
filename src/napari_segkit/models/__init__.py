"""The methods: what there is, and how one is built. A new one is a file and a registry line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec

from .families import FAMILIES, STRIDED
from .registry import MODELS, ModelInfo, list_models, model_info

if TYPE_CHECKING:
    from torch import nn

    from napari_segkit.torch_random import RandomSource

__all__ = [
    "MODELS",
    "Inputs",
    "ModelInfo",
    "build",
    "check_spec",
    "choose_ndim",
    "is_whole",
    "kind_of",
    "list_models",
    "model_info",
    "outputs",
    "resolve",
    "stride",
]


@dataclass(frozen=True)
class Inputs:
    """What a network is built for.

    Parameters
    ----------
    channels : int
        Channels of its images.
    classes : int
        Number of classes it tells apart, as `outputs` counts them.
    spacing : tuple of float
        World units between pixels along Z Y X or Y X; as many as it has spatial dimensions.
    """

    channels: int
    classes: int
    spacing: tuple[float, ...]

    @property
    def ndim(self) -> int:
        """Spatial dimensions."""
        return len(self.spacing)


def resolve(spec: ModelSpec) -> ModelSpec:
    """The same spec with its encoder named.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder may be None, the method's first.

    Raises
    ------
    ValueError
        If there is no such method, or it does not go with the encoder, the dimensions or the
        weights; the message lists what it takes.
    """
    info = model_info(spec.name)
    spec = replace(spec, encoder=spec.encoder or _first(spec, info))
    check_spec(spec)
    if spec.weights is not None and not Path(spec.weights).is_file():
        _check_word(spec)
    return spec


def _first(spec: ModelSpec, info: ModelInfo) -> str:
    """The method's first encoder; the first for which there are weights, where these are named."""
    if spec.weights not in info.weights:
        return info.encoders[0]
    from .weights.pretrained import available

    having = (e for e in info.encoders if spec.weights in available(replace(spec, encoder=e)))
    return next(having, info.encoders[0])


def _check_word(spec: ModelSpec) -> None:
    """Refuse a word for weights that there are not; what timm has is asked when they are read."""
    from .weights.pretrained import available

    words = model_info(spec.name).weights if _is_timm(spec) else available(spec)
    if spec.weights not in words:
        raise ValueError(
            f"weights is {spec.weights!r}, which is no file here; {spec.name} with the encoder "
            f"{spec.encoder} takes {', '.join([*map(repr, words), 'the path of a file'])}, or None "
            "for random weights."
        )


def _is_timm(spec: ModelSpec) -> bool:
    """Whether the encoder is one of timm's; its words for models elsewhere are none of ours."""
    return re.fullmatch(r"tu-[A-Za-z0-9_.]+", str(spec.encoder)) is not None


def check_spec(spec: ModelSpec) -> None:
    """Raise ValueError where a spec cannot be built; the message lists what can.

    Parameters
    ----------
    spec : ModelSpec
        Which model, its encoder named.
    """
    info = model_info(spec.name)
    if spec.encoder not in info.encoders and not (info.any_timm and _is_timm(spec)):
        near = get_close_matches(str(spec.encoder), info.encoders, 5, 0.5) or info.encoders[:5]
        more = ', or "tu-" with the name of a timm model' if info.any_timm else ""
        raise ValueError(
            f"{spec.name} has no encoder {spec.encoder!r}; choose one of its {len(info.encoders)}, "
            f"such as {', '.join(near)}{more} (`segkit models {spec.name}` lists them all)."
        )
    if spec.dims not in ("auto", *(f"{d}D" for d in info.dims)):
        raise ValueError(
            f"{spec.name} works in {_dims(info)} only, and dims is {spec.dims!r}: choose another "
            "method, or dims='auto'."
        )
    if spec.objects is not None and info.kind == "instance":
        raise ValueError(
            f"objects is {spec.objects!r}, and {spec.name} gives objects by itself: leave objects "
            "None, or choose a method that gives a class for every pixel."
        )


def kind_of(spec: ModelSpec) -> str:
    """What a method gives.

    Parameters
    ----------
    spec : ModelSpec
        Which method, and whether it is to give objects.

    Returns
    -------
    str
        "semantic": a class for every pixel. "objects": the same, parted into objects.
        "instance": objects, found one by one.
    """
    kind = model_info(spec.name).kind
    return "objects" if kind == "semantic" and spec.objects else kind


def is_pretrained(spec: ModelSpec) -> bool:
    """Whether a spec may name the weights of a whole model, which then needs no training.

    Parameters
    ----------
    spec : ModelSpec
        Its method and weights count; no file is read.
    """
    return model_info(spec.name).whole and spec.weights not in (None, "imagenet")


def outputs(spec: ModelSpec, classes: int) -> int:
    """Count what a network tells apart at each pixel, or at each object.

    Parameters
    ----------
    spec : ModelSpec
        Which method.
    classes : int
        Classes a person knows, background among them.

    Returns
    -------
    int
        The same number, but more where classes are learned in levels to part objects.
    """
    if spec.objects is None:
        return classes
    from napari_segkit.instances.level_targets import count_outputs

    return count_outputs(spec.objects, classes)


def _dims(info: ModelInfo) -> str:
    return " and ".join(f"{d}D" for d in info.dims)


def choose_ndim(spec: ModelSpec, axes: str) -> int:
    """In how many dimensions a method works on images with these axes.

    Parameters
    ----------
    spec : ModelSpec
        Its `dims` decides where both are possible.
    axes : str
        Of the image, such as "ZYX".

    Returns
    -------
    int
        2 or 3.

    Raises
    ------
    ValueError
        If it works on volumes only and there is no Z.
    """
    wanted = model_info(spec.name).dims if spec.dims == "auto" else (int(spec.dims[0]),)
    possible = [d for d in wanted if d == 2 or "Z" in axes]
    if not possible:
        raise ValueError(
            f"{spec.name} in 3D needs volumes, and an image with axes {axes} has no Z: name the "
            "axes, or choose dims='2D'."
        )
    return possible[0]


def build(spec: ModelSpec, inputs: Inputs, random: "RandomSource | None" = None) -> "nn.Module":
    """Build an untrained network. Nothing is downloaded, torch's random state stays as it is.

    Parameters
    ----------
    spec : ModelSpec
        Which one.
    inputs : Inputs
        What it is built for.
    random : RandomSource, optional
        Where its first weights are drawn from. None: they do not matter, since others follow.

    Returns
    -------
    torch.nn.Module
        From images ``(N, channels, *spatial)`` to logits ``(N, classes, *spatial)``.

    Raises
    ------
    ValueError
        If the method or its encoder does not exist, or they do not go together.
    """
    from napari_segkit.torch_random import RandomSource, random_numbers

    check_spec(spec)
    with random_numbers(random or RandomSource(0)):
        return FAMILIES[model_info(spec.name).family]().build(spec, inputs)


def stride(spec: ModelSpec, spacing: Sequence[float]) -> tuple[int, ...]:
    """What the edges of tiles are multiples of.

    Parameters
    ----------
    spec : ModelSpec
        Which method.
    spacing : sequence of float
        World units between pixels along each spatial axis.

    Returns
    -------
    tuple of int
        Pixels along each spatial axis.
    """
    info = model_info(spec.name)
    if info.stride is not None:
        return (info.stride,) * len(spacing)
    return STRIDED[info.family]().stride(spec, tuple(spacing))
