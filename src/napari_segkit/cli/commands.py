"""``segkit``: models, train, merge, predict, evaluate and demo on files and folders of them."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit import __version__
from napari_segkit.config import ModelSpec, TileConfig, TrainConfig
from napari_segkit.models import model_info
from napari_segkit.models.presets import PRESETS

from .merge import add_merge, merge
from .models import about_model, all_models, chosen
from .options import add_options, numbers, read_options
from .predict import (
    add_model,
    add_results,
    model_of,
    predict_file,
    require_objects,
    results_of,
    suffix_of,
)
from .terminal import MISTAKES, interrupts, notes, say, sentence, shown
from .training import add_objects, describe, require_learned, save, say_counts

if TYPE_CHECKING:
    from napari_segkit.batch import Results
    from napari_segkit.segmenter import Segmenter

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
    for add in (_add_models, _add_train, _add_merge, _add_predict, _add_evaluate, _add_demo):
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
    _add_common(parser)
    parser.add_argument("--preset", choices=PRESETS,
                        help="a model and how to train it; options beside it count")  # fmt: skip
    add_objects(parser)
    add_options(parser, ModelSpec(), names={"name": "model"}, suppress=True)
    add_options(parser, TrainConfig(), suppress=True)


def _train(args: Namespace) -> int:
    from napari_segkit.batch import read_training
    from napari_segkit.data.files import require_free
    from napari_segkit.data.folders import training_files
    from napari_segkit.segmenter import Segmenter

    spec, config = chosen(args)
    output = require_free(args.output, overwrite=args.overwrite)
    beside = {"classes": args.object_classes, "regions": args.regions}
    files = training_files(args.images, args.labels, **beside)
    require_learned(files, spec)
    segmenter = Segmenter(spec, device=args.device)
    given = read_training(files, axes=args.axes, spacing=args.spacing)
    say_counts(given, spec, config)
    _say_device(args)
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
    _add_overwrite(parser)


def _merge(args: Namespace) -> None:
    print(merge(args))


def _add_predict(commands: Any) -> None:
    parser = _command(commands, _predict, "Predict the labels of an image or a folder of them.")
    add_model(parser)
    parser.add_argument("input", help="image file or folder")
    parser.add_argument("-o", "--output", required=True,
                        help="file (.tif, .nii, .nii.gz, .png, .npy) or folder")  # fmt: skip
    _add_common(parser)
    add_options(parser, TileConfig())
    add_results(parser)


def _predict(args: Namespace) -> int:
    from napari_segkit.batch import plan
    from napari_segkit.data.folders import is_folder

    read_options(args, TileConfig())  # wrong numbers are said before any work
    results = results_of(args)
    jobs = plan(args.input, args.output, suffix_of(args))
    segmenter = model_of(args)
    require_objects(args, segmenter.ready())
    results.check(segmenter.ready())
    _say_device(args)
    if not is_folder(Path(args.input)):
        predict_file(segmenter, *jobs[0], args, results)
        return 0
    failed = sum(not _tried(segmenter, *job, args, results) for job in jobs)
    if failed:
        say(f"{failed} of {len(jobs)} files failed.")
    return min(failed, 1)


def _tried(
    segmenter: "Segmenter", source: Path, target: Path, args: Namespace, results: "Results"
) -> bool:
    """Whether a file of a folder could be predicted; the others go on where it could not."""
    try:
        predict_file(segmenter, source, target, args, results)
    except MISTAKES as problem:
        say(f"{source.name}: {sentence(problem)}")
        return False
    return True


def _add_evaluate(commands: Any) -> None:
    parser = _command(commands, _evaluate, "Compare predictions with the truth.")
    parser.add_argument("prediction", help=f"file, folder, or {LIST}")
    parser.add_argument("truth", nargs="?", help="file or folder; not with a CSV list")
    parser.add_argument("--kind", choices=FIGURES, default="semantic",
                        help="which figures: of classes pixel by pixel, of objects with ids, or of "
                             "segments with classes, as PNG and JSON of the COCO panoptic format "
                             "(default semantic)")  # fmt: skip
    parser.add_argument("--csv", metavar="FILE", help="write the figures of every image there")
    _add_overwrite(parser)
    add_options(parser, TrainConfig(unlabelled=None), only=("unlabelled", "labels_are"))


def _evaluate(args: Namespace) -> None:
    from napari_segkit.data.files import require_free
    from napari_segkit.data.folders import pair_files

    from .figures import compare, write_figures

    read_options(args, TrainConfig(unlabelled=None))  # wrong words are said before any work
    if args.csv:
        require_free(args.csv, overwrite=args.overwrite)
    pairs = pair_files(args.prediction, args.truth)
    reports = [compare(*pair, args) for pair in pairs]
    first, *others = [report for _, report in reports]
    pooled = sum(others, first)
    if others:
        for name, report in reports:
            print(f"{name}: {report.means()}")
        print(f"\nPooled {FIGURES[args.kind]} of {len(reports)} images:")
    print(pooled)
    if args.csv:
        write_figures(Path(args.csv), [*reports, ("pooled", pooled)])


def _add_demo(commands: Any) -> None:
    parser = _command(commands, _demo, "Train on the sample in a real napari window.")
    parser.add_argument("--screenshot", metavar="FILE", help="where to save a picture of it")
    parser.add_argument("--stay", action=BooleanOptionalAction, default=None,
                        help="keep the window open (default: on a display)")  # fmt: skip


def _demo(args: Namespace) -> int:
    from napari_segkit._qt import demo

    return demo.main(screenshot=args.screenshot, stay=args.stay)


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument("--axes", help="one letter of TCZYX for each dimension, such as YXC")
    parser.add_argument("--spacing", type=numbers, metavar="Z,Y,X",
                        help="world units between pixels, such as 2,0.5,0.5")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--threads", type=int, help="CPU threads that torch may use")
    _add_overwrite(parser)


def _add_overwrite(parser: ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _say_device(args: Namespace) -> None:
    from napari_segkit.devices import describe, gpu_problem, use_threads

    if args.threads:
        use_threads(args.threads)
    say(f"On {describe(args.device)}.")
    if args.device == "auto" and (problem := gpu_problem()):
        say(problem)
