"""The table of commands, and the parser made from it."""

from argparse import ArgumentParser, Namespace
from typing import Protocol

from napari_segkit import __version__

from . import (
    cross_validate,
    demo,
    evaluate,
    measure,
    merge,
    models,
    predict,
    smooth,
    superpixels,
    train,
)


class Command(Protocol):
    """A module with the options of one command, and what it does.

    Its `LESS_MEMORY`, if it has one, says what to do when memory runs out.
    """

    def add_arguments(self, parser: ArgumentParser) -> None: ...
    def run(self, args: Namespace) -> int | None: ...


COMMANDS: dict[str, tuple[Command, str]] = {
    "models": (models, "List the available models, or show one in detail."),
    "train": (train, "Train a model on images and labels, and save it."),
    "cross-validate": (cross_validate, "Train without each fold of a set, and evaluate on it."),
    "merge": (merge, "Merge two models into a panoptic one, or several into their mean."),
    "predict": (predict, "Predict labels for an image or a folder."),
    "smooth": (smooth, "Smooth probabilities or labels along the edges of their image."),
    "superpixels": (superpixels, "Segment images into superpixels."),
    "evaluate": (evaluate, "Compare predictions with the ground truth."),
    "measure": (measure, "Measure labels: sizes, intensities, shapes, neighbours; no truth."),
    "demo": (demo, "Train, predict and evaluate on a sample image in a napari window."),
}


def make_parser() -> ArgumentParser:
    parser = ArgumentParser("segkit", description="Train, use and evaluate segmentation models.")
    parser.add_argument("--version", action="version", version=f"napari-segkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, description) in COMMANDS.items():
        options = commands.add_parser(name, help=description, description=description)
        options.set_defaults(command=command)
        command.add_arguments(options)
    return parser
