"""``segkit merge``: two models as one panoptic model, or several as their mean."""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .file_options import add_overwrite, model_file
from .options import names
from .signals import finish_first
from .terminal import print_files, print_warnings, say

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter

LESS_MEMORY = "close other programs"


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s SEMANTIC INSTANCE -o MODEL [options] | --mean MODEL MODEL ... -o MODEL"
    parser.add_argument("models", nargs="+",
                        help="file of the semantic model (classes only) and file of the instance "
                             "model (objects); with --mean two or more models")  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="MODEL",
                        help="model file to write, such as a.segkit, or a folder for "
                             "model.segkit")  # fmt: skip
    parser.add_argument("--mean", action="store_true",
                        help="one model that predicts the mean of the probabilities of models of "
                             "one method, such as those of several trainings")  # fmt: skip
    parser.add_argument("--stuff", type=names, metavar="NAME,NAME",
                        help="classes (names or values) of the semantic model for the pixels "
                             "without objects; by default all except background and the classes "
                             "of the instance model")  # fmt: skip
    add_overwrite(parser)


def run(args: Namespace) -> None:
    from napari_segkit.io.output_paths import write_new
    from napari_segkit.jobs.output_files import new_folders
    from napari_segkit.segmenter import Segmenter

    _require_count(args)
    output = model_file(args, map(Path, args.models))
    with print_warnings():
        models = [Segmenter.load(path, device="cpu") for path in args.models]
        merged = _mean(models) if args.mean else _panoptic(models, args)
    save = partial(merged.save, overwrite=args.overwrite)
    with print_warnings(), new_folders(output), finish_first():
        print_files([write_new(output, save, overwrite=args.overwrite)])


def _require_count(args: Namespace) -> None:
    if args.mean and args.stuff:
        raise ValueError("--stuff is for two models merged into a panoptic one: leave it out.")
    if args.mean and len(args.models) < 2:
        raise ValueError("--mean is of two or more models: give further model files.")
    if len(args.models) != 2 and not args.mean:
        raise ValueError(
            f"{len(args.models)} model files are given: give a semantic and an instance model, or "
            "--mean and models of one method."
        )


def _mean(models: "list[Segmenter]") -> "Segmenter":
    from napari_segkit.mean_model import mean_model

    mean = mean_model(models)
    say(f"Mean of {mean.ready().members} networks.")
    say(f"Classes: {', '.join(c.name for c in mean.classes)}.")
    return mean


def _panoptic(models: "list[Segmenter]", args: Namespace) -> "Segmenter":
    from napari_segkit.merged_model import merge_panoptic

    semantic, instance = models
    merged = merge_panoptic(semantic, instance, stuff=args.stuff)
    things = len(instance.classes)
    say(f"Object classes: {', '.join(c.name for c in merged.classes[1:things])}.")
    say(f"Stuff classes: {', '.join(c.name for c in merged.classes[things:])}.")
    return merged
