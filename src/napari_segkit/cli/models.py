"""Models on the command line: the list, the details of one, and the presets."""

from argparse import Namespace
from textwrap import fill

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import ModelInfo, list_models
from napari_segkit.models.encoders import licence
from napari_segkit.models.presets import PRESETS, Preset, preset

from .options import read_options

_OBJECTS = {
    "semantic": "Gives a class for every pixel; with --objects components, boundary or distance "
    "single objects, too.",
    "instance": "Gives single objects, each with a class and a score; learns from labels in which "
    "each has its own number.",
}


def chosen(args: Namespace) -> tuple[ModelSpec, TrainConfig]:
    """The model and the training that ``segkit train`` was asked for.

    Parameters
    ----------
    args : Namespace
        Options that were given; they count more than what a preset says.

    Returns
    -------
    tuple
        Another model than the preset's has an encoder of its own.
    """
    base = preset(args.preset) if args.preset else Preset("", "", ModelSpec())
    name = getattr(args, "name", base.spec.name)
    spec = base.spec if name == base.spec.name else ModelSpec(name)
    return read_options(args, spec), read_options(args, base.config)


def all_models() -> str:
    """Every method in a line, and the presets."""
    methods = [_line(info) for info in list_models()]
    presets = [f'  "{preset.name}"  {preset.about}' for preset in PRESETS.values()]
    return "\n".join([*methods, "\nPresets, for segkit train --preset:", *presets])


def _line(info: ModelInfo) -> str:
    return f"{info.name:<22}{info.kind} {_dims(info):<10} {info.title}. {info.about}"


def about_model(info: ModelInfo) -> str:
    """All about a method: dimensions, licence, weights, and every encoder."""
    weights = ", ".join([*info.weights, "a file"])
    return "\n".join(
        (
            f"{info.title} ({info.name}), {info.kind}, {_dims(info)}. {info.about}",
            _OBJECTS[info.kind],
            f"Code: {info.licence}. Weights to start from: {weights}, or none.",
            _filled(f"Encoders or sizes, the first by default: {', '.join(info.encoders)}")
            + (' and "tu-" with the name of any timm model that fits' if info.any_timm else ""),
            *(f"{e}: {licence(e)}" for e in info.encoders if licence(e) and "tu-" not in e),
        )
    )


def _filled(text: str) -> str:
    return fill(text, 100, break_on_hyphens=False)


def _dims(info: ModelInfo) -> str:
    return " and ".join(f"{d}D" for d in sorted(info.dims))
