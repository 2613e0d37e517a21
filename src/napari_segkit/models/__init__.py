"""The methods: list, check and build them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.config._schema import as_config

from .kinds import KINDS, Kind
from .registry import MODELS, ModelInfo, list_models, model_info

if TYPE_CHECKING:
    from torch import nn

    from napari_segkit.torch_random import RandomSource

__all__ = [
    "KINDS",
    "MODELS",
    "Inputs",
    "Kind",
    "ModelInfo",
    "as_spec",
    "build",
    "check_options",
    "check_resize",
    "check_spec",
    "check_three_axes",
    "choose_ndim",
    "is_pretrained",
    "kind_of",
    "list_models",
    "model_info",
    "network_inputs",
    "outputs",
    "predicts_objects",
    "resolve",
    "stride",
]


@dataclass(frozen=True)
class Inputs:
    """What a network is built for: channels of the image, and output channels (see `outputs`)."""

    channels: int
    classes: int
    spacing: tuple[float, ...]

    @property
    def ndim(self) -> int:
        """Number of spatial dimensions."""
        return len(self.spacing)


def as_spec(spec: ModelSpec | str | None) -> ModelSpec:
    """A spec, or the name of a method; None: the default."""
    if isinstance(spec, str):
        return ModelSpec(spec)
    return as_config("spec", spec, ModelSpec)


def resolve(spec: ModelSpec) -> ModelSpec:
    """Fill in the default encoder and check the spec; ValueError lists the allowed values."""
    info = model_info(spec.name)
    spec = replace(spec, encoder=spec.encoder or _default_encoder(spec, info))
    check_spec(spec)
    if spec.weights is not None and not Path(spec.weights).is_file():
        _check_weights_name(spec)
    return spec


def _default_encoder(spec: ModelSpec, info: ModelInfo) -> str:
    """First encoder of the method; the first with the requested weights, if these are named."""
    if spec.weights not in info.weights:
        return info.encoders[0]
    from .weights.pretrained import available

    with_weights = (e for e in info.encoders if spec.weights in available(replace(spec, encoder=e)))
    return next(with_weights, info.encoders[0])


def _check_weights_name(spec: ModelSpec) -> None:
    """Raise ValueError for unknown weights; timm's are only looked up when they are read."""
    from .weights.pretrained import available

    names = model_info(spec.name).weights if _is_timm(spec) else available(spec)
    if spec.weights not in names:
        raise ValueError(
            f"weights is {spec.weights!r}, which is not a file; {spec.name} with the encoder "
            f"{spec.encoder} takes {', '.join([*map(repr, names), 'the path of a file'])}, or None "
            "for random weights."
        )


def _is_timm(spec: ModelSpec) -> bool:
    """Whether the encoder is named like one of timm's."""
    return re.fullmatch(r"tu-[A-Za-z0-9_.]+", str(spec.encoder)) is not None


def check_spec(spec: ModelSpec) -> None:
    """Raise ValueError for a spec that cannot be built; the message lists what can."""
    info = model_info(spec.name)
    if spec.encoder not in info.encoders and not (info.any_timm and _is_timm(spec)):
        near = get_close_matches(str(spec.encoder), info.encoders, 5, 0.5) or info.encoders[:5]
        timm = ', or "tu-" with the name of a timm model' if info.any_timm else ""
        raise ValueError(
            f"{spec.name} has no encoder {spec.encoder!r}; choose one of its {len(info.encoders)}, "
            f"such as {', '.join(near)}{timm} (`segkit models {spec.name}` lists them all)."
        )
    unknown = sorted(set(spec.options) - set(info.options))
    if unknown:
        allowed = f"its options are {', '.join(info.options)}" if info.options else "it has none"
        raise ValueError(f"{spec.name} has no option {', '.join(unknown)}: {allowed}.")
    if spec.dims not in ("auto", *(f"{d}D" for d in info.dims)):
        raise ValueError(
            f"{spec.name} works in {_dims(info)} only, and dims is {spec.dims!r}: choose another "
            "method, or dims='auto'."
        )
    _check_neighbours(spec, info)
    if spec.objects is not None and info.has_masks:
        raise ValueError(
            f"objects is {spec.objects!r}, but {spec.name} is an instance method: set objects "
            "to None, or choose a semantic method."
        )


def _check_neighbours(spec: ModelSpec, info: ModelInfo) -> None:
    if spec.neighbour_slices and info.features:
        raise ValueError(
            f"neighbour_slices={spec.neighbour_slices}, but {spec.name} takes no neighbouring "
            "slices: choose dims='3D', whose features are those of volumes, or neighbour_slices=0."
        )
    if spec.neighbour_slices and spec.dims == "3D":
        raise ValueError(
            f"neighbour_slices={spec.neighbour_slices}, but dims='3D', and they are for 2D "
            "networks: choose dims='2D', or neighbour_slices=0."
        )


def kind_of(spec: ModelSpec) -> str:
    """Return "semantic", "objects" (semantic, then separated into objects) or "instance"."""
    info = model_info(spec.name)
    return "objects" if spec.objects and not info.has_masks else info.kind


def predicts_objects(spec: ModelSpec) -> bool:
    """Whether models of the spec predict objects; else classes only."""
    return KINDS[kind_of(spec)].has_objects


def is_pretrained(spec: ModelSpec) -> bool:
    """Whether the spec names weights of an entire model, which then needs no training."""
    return model_info(spec.name).whole and spec.weights not in (None, "imagenet")


def outputs(spec: ModelSpec, classes: int, config: TrainConfig | None = None) -> int:
    """Number of output channels for classes that are trained as `config` says.

    More than `classes` where levels separate objects, one where two classes are one logit;
    ValueError if there are more than two then.
    """
    count = classes
    if spec.objects is not None:
        from napari_segkit.instances.level_targets import count_outputs

        count = count_outputs(spec.objects, classes)
    is_network = model_info(spec.name).training == "semantic"
    if config is None or not config.has_one_logit or not is_network:
        return count
    if count != 2:
        levels = f", which objects={spec.objects!r} makes {count} levels" if spec.objects else ""
        raise ValueError(
            f"loss='bce_dice' tells two classes apart, and there are {classes}{levels}: choose "
            "another loss, such as loss='cross_entropy_dice'."
        )
    return 1


def _dims(info: ModelInfo) -> str:
    return " and ".join(f"{d}D" for d in info.dims)


def choose_ndim(spec: ModelSpec, axes: str) -> int:
    """Spatial dimensions, 2 or 3, for images with these axes; ValueError for 3D without Z."""
    if spec.neighbour_slices:
        return _two_with_neighbours(spec, axes)
    allowed = model_info(spec.name).dims if spec.dims == "auto" else (int(spec.dims[0]),)
    possible = [d for d in allowed if d == 2 or "Z" in axes]
    if not possible:
        raise ValueError(
            f"{spec.name} in 3D needs volumes, and an image with axes {axes} has no Z: name the "
            "axes, or choose dims='2D'."
        )
    return possible[0]


def _two_with_neighbours(spec: ModelSpec, axes: str) -> int:
    if "Z" not in axes:
        raise ValueError(
            f"neighbour_slices={spec.neighbour_slices}, but an image with axes {axes} has no Z: "
            "name the axes, or choose neighbour_slices=0."
        )
    return 2


def check_options(spec: ModelSpec) -> None:
    """Raise ValueError if the options of a spec have values that its network does not take."""
    if spec.options:
        from .fit import require_fit

        require_fit(spec, Inputs(3, 2, (1.0,) * _fewest_dims(spec)))


def _fewest_dims(spec: ModelSpec) -> int:
    return min(model_info(spec.name).dims) if spec.dims == "auto" else int(spec.dims[0])


def check_three_axes(spec: ModelSpec, axes: str) -> None:
    """Raise ValueError if a method or an image has no slices along three axes."""
    given = f"three_axes=True, but {spec.name}"
    if "three_axes" in model_info(spec.name).unused:
        raise ValueError(f"{given} is not trained on slices of volumes: choose three_axes=False.")
    if choose_ndim(spec, axes) == 3:
        raise ValueError(
            f"{given} takes whole volumes here: choose dims='2D', or three_axes=False."
        )
    if "Z" not in axes:
        raise ValueError(
            f"three_axes=True, but an image with axes {axes} has no Z: name the axes, or choose "
            "three_axes=False."
        )


def check_resize(spec: ModelSpec, config: TrainConfig, ndim: int) -> None:
    """Raise ValueError if whole images are to be resized for a model that cannot take them so."""
    if config.resize is None:
        return
    given = f"resize is {config.resize}, but {spec.name}"
    if model_info(spec.name).has_masks:
        raise ValueError(
            f"{given} is an instance method, which needs objects in their own size: set resize to "
            "None, or choose a semantic method."
        )
    if ndim == 3:
        raise ValueError(
            f"{given} takes whole volumes here, and resize is for planes: choose dims='2D', or set "
            "resize to None; a voxel_size resamples volumes."
        )


def network_inputs(spec: ModelSpec, inputs: Inputs) -> Inputs:
    """The same with the channels of the network: those of all slices that it sees."""
    return replace(inputs, channels=inputs.channels * spec.slices)


def build(spec: ModelSpec, inputs: Inputs, random: "RandomSource | None" = None) -> "nn.Module":
    """Build an untrained network, from ``(N, C, *spatial)`` to logits ``(N, classes, *spatial)``.

    Downloads nothing and leaves torch's random state unchanged. `random` provides the initial
    weights; None where other weights will replace them.
    """
    from napari_segkit.torch_random import RandomSource, random_numbers

    check_spec(spec)
    inputs = network_inputs(spec, inputs)
    if spec.options or (_is_timm(spec) and not model_info(spec.name).features):
        from .fit import require_fit

        require_fit(spec, inputs)
    with random_numbers(random or RandomSource(0)):
        return model_info(spec.name).family().build(spec, inputs)


def stride(spec: ModelSpec, spacing: Sequence[float]) -> tuple[int, ...]:
    """Pixels along each spatial axis that the edges of tiles are multiples of."""
    edge = model_info(spec.name).stride
    if isinstance(edge, int):
        return (edge,) * len(spacing)
    return edge().stride(spec, tuple(spacing))
