"""``segkit models``: list the models and presets, or show one model in detail."""

from argparse import ArgumentParser, Namespace
from textwrap import fill

from napari_segkit.models import ModelInfo, list_models, model_info
from napari_segkit.models.encoders import licence
from napari_segkit.models.presets import PRESETS

KINDS = {
    "semantic": "Predicts a class for every pixel; with --objects components, boundary or distance "
    "also single objects.",
    "instance": "Predicts single objects, each with a class and a score; trained on labels in "
    "which each object has its own id.",
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="such as unet: shows this model and its encoders")


def run(args: Namespace) -> None:
    print(model_details(model_info(args.name)) if args.name else model_list())


def model_list() -> str:
    """One line per method, then the presets."""
    methods = [
        f"{info.name:<22}{info.kind} {_dims(info):<10} {info.title}. {info.about}"
        for info in list_models()
    ]
    presets = [f'  "{preset.name}"  {preset.about}' for preset in PRESETS.values()]
    return "\n".join([*methods, "\nPresets, for segkit train --preset:", *presets])


def model_details(info: ModelInfo) -> str:
    """Dimensions, licence, weights and encoders of a method."""
    weights = ", ".join([*info.weights, "a file"])
    encoders = f"Encoders or sizes, the first by default: {', '.join(info.encoders)}"
    any_timm = ' and "tu-" with the name of any timm model that fits' if info.any_timm else ""
    return "\n".join(
        (
            f"{info.title} ({info.name}), {info.kind}, {_dims(info)}. {info.about}",
            KINDS[info.kind],
            f"Code: {info.licence}. Weights to start from: {weights}, or none.",
            fill(encoders, 100, break_on_hyphens=False) + any_timm,
            *_options(info),
            *(f"{e}: {licence(e)}" for e in info.encoders if licence(e) and "tu-" not in e),
        )
    )


def _options(info: ModelInfo) -> list[str]:
    text = f"Options, as --option NAME=VALUE: {', '.join(info.options)}"
    return [fill(text, 100, break_on_hyphens=False)] if info.options else []


def _dims(info: ModelInfo) -> str:
    return " and ".join(f"{d}D" for d in sorted(info.dims))
