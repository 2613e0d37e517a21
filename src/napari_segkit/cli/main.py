"""``segkit``: the table of commands, and the parser made from it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from napari_segkit import __version__

from . import demo, evaluate, merge, models, predict, smooth, superpixels, train
from .terminal import USER_ERRORS, error_line, say

Command = tuple[str, Callable[[ArgumentParser], None], Callable[[Namespace], int | None]]

COMMANDS: dict[str, Command] = {
    "models": ("List the available models, or show one in detail.", models.add_models, models.run),
    "train": ("Train a model on images and labels, and save it.", train.add_train, train.run),
    "merge": (
        "Merge a semantic and an instance model into a panoptic one.",
        merge.add_merge,
        merge.run,
    ),
    "predict": ("Predict labels for an image or a folder.", predict.add_predict, predict.run),
    "smooth": (
        "Smooth probabilities or labels along the edges of their image.",
        smooth.add_smooth,
        smooth.run,
    ),
    "superpixels": (
        "Segment images into superpixels.",
        superpixels.add_superpixels,
        superpixels.run,
    ),
    "evaluate": (
        "Compare predictions with the ground truth.",
        evaluate.add_evaluate,
        evaluate.run,
    ),
    "demo": (
        "Train, predict and evaluate on a sample image in a napari window.",
        demo.add_demo,
        demo.run,
    ),
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
    for name, (about, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(run=run)
        add_arguments(command)
    return parser
