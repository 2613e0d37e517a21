"""``segkit``: the table of commands, and the parser made from it."""

from argparse import ArgumentParser, Namespace
from typing import Protocol

from napari_segkit import __version__

from . import demo, evaluate, merge, models, predict, smooth, superpixels, train
from .terminal import USER_ERRORS, error_line, say


class Command(Protocol):
    """A module with the options of one command, and what it does."""

    def add_arguments(self, parser: ArgumentParser) -> None: ...
    def run(self, args: Namespace) -> int | None: ...


COMMANDS: dict[str, tuple[Command, str]] = {
    "models": (models, "List the available models, or show one in detail."),
    "train": (train, "Train a model on images and labels, and save it."),
    "merge": (merge, "Merge a semantic and an instance model into a panoptic one."),
    "predict": (predict, "Predict labels for an image or a folder."),
    "smooth": (smooth, "Smooth probabilities or labels along the edges of their image."),
    "superpixels": (superpixels, "Segment images into superpixels."),
    "evaluate": (evaluate, "Compare predictions with the ground truth."),
    "demo": (demo, "Train, predict and evaluate on a sample image in a napari window."),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments. None: those of the process.

    Returns
    -------
    int
        Exit status: 0 for success, 1 if some files failed, 2 for a mistake in the request, 130 if
        interrupted.
    """
    args = make_parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    except USER_ERRORS as error:
        say(error_line(error))
        return 2


def make_parser() -> ArgumentParser:
    parser = ArgumentParser("segkit", description="Train, use and evaluate segmentation models.")
    parser.add_argument("--version", action="version", version=f"napari-segkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, description) in COMMANDS.items():
        options = commands.add_parser(name, help=description, description=description)
        options.set_defaults(run=command.run)
        command.add_arguments(options)
    return parser
