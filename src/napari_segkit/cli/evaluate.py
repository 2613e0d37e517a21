"""``segkit evaluate``: compare prediction files with ground-truth files."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_segkit.config import EvaluateConfig
from napari_segkit.steps import Step, drain

from .file_options import (
    LIST,
    add_overwrite,
    add_show_pairs,
    in_turn,
    one_place,
    print_pairs,
    say_pairs,
)
from .options import add_options, read_options
from .signals import interrupt, on_signals
from .table_files import check_table, write_table
from .terminal import USER_ERRORS, error_line, print_warnings, show_progress
from .unseen import add_unseen, unseen

if TYPE_CHECKING:
    from napari_segkit.evaluation.metric import LabelTable, Metric
    from napari_segkit.evaluation.report import LabelPair, Report
    from napari_segkit.images.colour_masks import ColourTable
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.io.name_pairs import Pairs

    from .unseen import Unseen

T = TypeVar("T")

LESS_MEMORY = "compare fewer or smaller images at a time"
KINDS = {"semantic": "pixels", "instance": "objects", "panoptic": "segments"}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("prediction", help=f"file, folder with its sub-folders, pattern in quotes, "
                                            f"or {LIST}")  # fmt: skip
    parser.add_argument("truth", nargs="*",
                        help="file, folder or pattern; not with a CSV list")  # fmt: skip
    add_show_pairs(parser)
    parser.add_argument("--csv", metavar="FILE", help="write the metrics of every image here")
    add_overwrite(parser)
    add_options(parser, EvaluateConfig())
    add_unseen(parser)


def run(args: Namespace) -> int:
    from napari_segkit.evaluation.same_place import require_same_place
    from napari_segkit.io.file_geometry import files_apart
    from napari_segkit.io.folders import pair_files
    from napari_segkit.io.name_pairs import EVALUATION

    config = read_options(args, EvaluateConfig())  # wrong values are reported before any work
    truth = one_place(args.prediction, args.truth)
    with print_warnings():
        pairs = pair_files(args.prediction, truth, EVALUATION)
    if args.show_pairs:
        return print_pairs(pairs)
    if args.csv:
        check_table(Path(args.csv), _inputs(args, pairs), overwrite=args.overwrite)
    say_pairs(pairs, truth or args.prediction)
    part = unseen(args, truth, pairs)
    config = replace(config, unlabelled=_unlabelled(args))
    places = [files_apart(prediction.path, truth.path) for prediction, truth in pairs]
    names = [prediction.name for prediction, _ in pairs]
    require_same_place(zip(names, places, strict=True), by_index=config.by_index)
    with on_signals(interrupt), print_warnings():
        colours = _shared_colours(pairs, config.kind)
        comparisons = [
            _compare(*pair, place, config, colours, part)
            for pair, place in zip(pairs, places, strict=True)
        ]
        text = "files" if len(pairs) > 1 else f"{names[0]}  blocks"
        found = drain(show_progress(in_turn(comparisons), lambda _: text, parts=0))
    if part is not None:
        part.tell()
    first, *others = [report for report in found if report is not None]
    report = sum(others, first)
    if others:
        for name, image in report.images.items():
            print(f"{name}: {image.means()}")
        print(f"\nPooled {KINDS[args.kind]} of {len(report.images)} images:")
    print(report)
    if args.csv:
        with print_warnings():
            write_table(Path(args.csv), report.table(by="image"), overwrite=args.overwrite)
    return 0


def _inputs(args: Namespace, pairs: "Pairs") -> Iterator[Path]:
    """All files that are read."""
    from napari_segkit.io.coco.panoptic_files import find_json

    yield Path(args.prediction)
    yield from (Path(path) for path in (args.unseen_by, args.images) if path)
    for pair in pairs:
        for file in pair:
            yield from file.paths
            if args.kind == "panoptic":
                yield find_json(file.path)


def _unlabelled(args: Namespace) -> int | None:
    """The value of the truth that is left out; one is needed to leave out what a model has seen."""
    from napari_segkit.evaluation.base_report import SEEN

    is_missing = args.unlabelled is None or (args.kind == "instance" and args.unlabelled == 0)
    return SEEN if args.unseen_by and is_missing else args.unlabelled


def _compare(
    prediction: "ImageFiles",
    truth: "ImageFiles",
    apart: str | None,
    config: EvaluateConfig,
    colours: "ColourTable",
    part: "Unseen | None",
) -> Generator[Step, None, "Report[Metric] | None"]:
    """Report on one pair of files, which may lie apart; errors name one of them.

    None if a model was trained on all of the truth.
    """
    from napari_segkit.jobs.evaluate import evaluate_job

    name = prediction.name
    try:
        with print_warnings():
            pair = _read(prediction.path, truth.path, name, config, colours, part)
            if pair is None:
                return None
            return (yield from evaluate_job([replace(pair, apart=apart)], config).steps)
    except USER_ERRORS as error:
        line = error_line(error, LESS_MEMORY)
        is_named = any(str(file.path) in line for file in (prediction, truth))
        raise ValueError(line if is_named else f"{name}: {line}") from error


def _shared_colours(pairs: "Pairs", kind: str) -> "ColourTable":
    """The classes of colours, the same in all files; COCO panoptic files hold ids instead."""
    from napari_segkit.io.files import NO_COLOURS, shared_colours
    from napari_segkit.io.label_classes import read_classes

    if kind == "panoptic":
        return NO_COLOURS
    predictions, truths = ([file.path for file in files] for files in zip(*pairs, strict=True))
    named = {c.name: c.value for c in read_classes(predictions[0])}
    return shared_colours(truths, predictions, named=named)


def _read(
    prediction: Path,
    truth: Path,
    name: str,
    config: EvaluateConfig,
    colours: "ColourTable",
    part: "Unseen | None",
) -> "LabelPair | None":
    from napari_segkit.evaluation.report import LabelPair
    from napari_segkit.images.class_labels import with_classes
    from napari_segkit.io.files import file_orientation, read_labels
    from napari_segkit.io.label_classes import read_classes

    if config.kind == "panoptic":
        return LabelPair(_read_segments(prediction), _read_segments(truth), name)
    expected = read_labels(truth, orientation=file_orientation(prediction), colours=colours)
    if part is not None and config.unlabelled is not None:
        marked = part.mark(expected, truth, prediction, config.unlabelled)
        if marked is None:
            return None
        expected = marked
    predicted = read_labels(prediction, colours=colours)
    named = [read_classes(file) or colours.classes for file in (prediction, truth)]
    return LabelPair(with_classes(predicted, named[0]), with_classes(expected, named[1]), name)


def _read_segments(png: Path) -> "LabelTable":
    from napari_segkit.evaluation.metric import LabelTable
    from napari_segkit.io.coco.panoptic_files import read_panoptic

    return LabelTable(*read_panoptic(png))
