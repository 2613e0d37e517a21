"""``segkit``: one command for each thing to do, files in, files out."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from napari_segkit import __version__
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import model_info
from napari_segkit.models.presets import PRESETS

from .file_options import add_common, add_overwrite, require_spared, say_device
from .merge import add_merge, merge
from .models import about_model, all_models, chosen
from .options import add_options, read_options
from .predict import add_predict, predict
from .smooth import add_smooth, smooth
from .superpixels import add_superpixels, superpixels
from .terminal import MISTAKES, interrupts, notes, say, sentence, shown
from .train import add_objects, describe, require_learned, save, say_counts

LIST = "CSV list with the columns images and masks"
FIGURES = {"semantic": "pixels", "instance": "objects", "panoptic": "segments"}


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; None takes those of the process.

    Returns
    -------
    int
        Exit status: 0 where all went well, 1 where some files failed, 2 for a mistake in what
        was asked, 130 where it was interrupted.
    """
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130
    except MISTAKES as problem:
        say(sentence(problem))
        return 2


def _parser() -> ArgumentParser:
    parser = ArgumentParser("segkit", description="Train segmentation networks and use them.")
    parser.add_argument("--version", action="version", version=f"napari-segkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        *(_add_models, _add_train, _add_merge, _add_predict),
        *(_add_smooth, _add_superpixels, _add_evaluate, _add_demo),
    ):
        add(commands)
    return parser


def _command(commands: Any, run: Callable[[Namespace], int | None], about: str) -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(run.__name__[1:], help=about, description=about)
    parser.set_defaults(run=run)
    return parser


def _add_models(commands: Any) -> None:
    parser = _command(commands, _models, "List the models there are, or all about one.")
    parser.add_argument("name", nargs="?", help="such as unet: lists its encoders, too")


def _models(args: Namespace) -> None:
    print(about_model(model_info(args.name)) if args.name else all_models())


def _add_train(commands: Any) -> None:
    parser = _command(commands, _train, "Train a model on images and labels, and save it.")
    parser.add_argument("images", help=f"file, folder, or {LIST}")
    parser.add_argument("labels", nargs="?", help="file or folder; not with a CSV list")
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="such as a.segkit")
    add_common(parser)
    parser.add_argument("--preset", choices=PRESETS,
                        help="a model and how to train it; options beside it count")  # fmt: skip
    add_objects(parser)
    add_options(parser, ModelSpec(), names={"name": "model"}, suppress=True)
    add_options(parser, TrainConfig(), suppress=True)


def _train(args: Namespace) -> int:
    from napari_segkit.io.files import require_free
    from napari_segkit.io.folders import training_files
    from napari_segkit.jobs.files import read_training
    from napari_segkit.segmenter import Segmenter

    spec, config = chosen(args)
    output = require_free(args.output, overwrite=args.overwrite)
    beside = {"classes": args.object_classes, "regions": args.regions}
    files = training_files(args.images, args.labels, **beside)
    require_learned(files, spec)
    segmenter = Segmenter(spec, device=args.device)
    given = read_training(files, axes=args.axes, spacing=args.spacing)
    say_counts(given, spec, config)
    say_device(args)
    steps = shown(segmenter.train_epochs(config=config, **given), describe)
    with notes(), interrupts() as wish, closing(steps):
        for _ in steps:
            if wish.is_set():
                break
        steps.close()
        if wish.is_set() and not segmenter.is_trained:
            say("Interrupted before anything was learned.")
            return 130
        save(segmenter, output)
    if wish.is_set():
        say("Interrupted: what was learned until then is saved.")
    print(output)
    return 0


def _add_merge(commands: Any) -> None:
    parser = _command(commands, _merge, "Merge a model of classes and one of objects.")
    add_merge(parser)
    add_overwrite(parser)


def _merge(args: Namespace) -> None:
    print(merge(args))


def _add_predict(commands: Any) -> None:
    parser = _command(commands, _predict, "Predict the labels of an image or a folder of them.")
    add_predict(parser)


def _predict(args: Namespace) -> int:
    return predict(args)


def _add_smooth(commands: Any) -> None:
    add_smooth(_command(commands, _smooth, "Smooth probabilities or labels by their image."))


def _smooth(args: Namespace) -> int:
    return smooth(args)


def _add_superpixels(commands: Any) -> None:
    add_superpixels(_command(commands, _superpixels, "SuperpixelResult images into superpixels."))


def _superpixels(args: Namespace) -> int:
    return superpixels(args)


def _add_evaluate(commands: Any) -> None:
    parser = _command(commands, _evaluate, "Compare predictions with the truth.")
    parser.add_argument("prediction", help=f"file, folder, or {LIST}")
    parser.add_argument("truth", nargs="?", help="file or folder; not with a CSV list")
    parser.add_argument("--kind", choices=FIGURES, default="semantic",
                        help="which figures: of classes pixel by pixel, of objects with ids, or of "
                             "segments with classes, as PNG and JSON of the COCO panoptic format "
                             "(default semantic)")  # fmt: skip
    parser.add_argument("--csv", metavar="FILE", help="write the figures of every image there")
    add_overwrite(parser)
    add_options(parser, TrainConfig(unlabelled=None), only=("unlabelled", "labels_are"))


def _evaluate(args: Namespace) -> None:
    from napari_segkit.io.files import require_free
    from napari_segkit.io.folders import pair_files

    from .evaluate import compare, write_metrics

    read_options(args, TrainConfig(unlabelled=None))  # wrong words are said before any work
    pairs = pair_files(args.prediction, args.truth)
    if args.csv:
        listed = Path(args.prediction)
        require_spared(
            [require_free(args.csv, overwrite=args.overwrite)], [listed, *sum(pairs, ())]
        )
    reports = [compare(*pair, args) for pair in pairs]
    first, *others = [report for _, report in reports]
    pooled = sum(others, first)
    if others:
        for name, report in reports:
            print(f"{name}: {report.means()}")
        print(f"\nPooled {FIGURES[args.kind]} of {len(reports)} images:")
    print(pooled)
    if args.csv:
        write_metrics(Path(args.csv), [*reports, ("pooled", pooled)])


def _add_demo(commands: Any) -> None:
    parser = _command(commands, _demo, "Train on the sample in a real napari window.")
    parser.add_argument("--screenshot", metavar="FILE", help="where to save a picture of it")
    parser.add_argument("--stay", action=BooleanOptionalAction, default=None,
                        help="keep the window open (default: on a display)")  # fmt: skip


def _demo(args: Namespace) -> int:
    from napari_segkit._qt.app import demo

    return demo.main(screenshot=args.screenshot, stay=args.stay)
