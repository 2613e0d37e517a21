"""``segkit evaluate``: compare prediction files with ground-truth files."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import EvaluateConfig
from napari_segkit.steps import Step, drain

from .error_files import ErrorFiles
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
from .region_option import add_region, read_region, require_region
from .signals import interrupt, on_signals
from .table_files import check_table, write_table, write_text
from .terminal import USER_ERRORS, error_line, print_warnings, show_progress
from .unseen import add_unseen, unseen

if TYPE_CHECKING:
    from napari_segkit.evaluation.label_files import LabelFiles
    from napari_segkit.evaluation.left_out import Limits
    from napari_segkit.evaluation.metric import Metric
    from napari_segkit.evaluation.report import LabelPair, Report
    from napari_segkit.images.regions import Region

LESS_MEMORY = "compare fewer or smaller images at a time"
SHOWN_WORST = 5  # images
KINDS = {"semantic": "pixels", "instance": "objects", "panoptic": "segments"}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("prediction", help=f"file, folder with its sub-folders, pattern in quotes, "
                                            f"or {LIST}")  # fmt: skip
    parser.add_argument("truth", nargs="*",
                        help="file, folder or pattern; not with a CSV list")  # fmt: skip
    add_show_pairs(parser)
    parser.add_argument("--csv", metavar="FILE", help="write the metrics of every image here")
    parser.add_argument("--json", metavar="FILE",
                        help="write all metrics, of every image and pooled, here")  # fmt: skip
    parser.add_argument("--errors", metavar="FOLDER",
                        help="write maps of what is wrong into this folder, with a "
                             "legend")  # fmt: skip
    add_overwrite(parser)
    add_options(parser, EvaluateConfig())
    add_region(parser, "pixels that count")
    add_unseen(parser)


def run(args: Namespace) -> int:
    from napari_segkit.evaluation.label_files import label_files
    from napari_segkit.evaluation.left_out import Limits
    from napari_segkit.evaluation.report import pool_reports
    from napari_segkit.io.folders import pair_files
    from napari_segkit.io.name_pairs import EVALUATION

    config = read_options(args, EvaluateConfig())  # wrong values are reported before any work
    require_region(args.region)
    truth = one_place(args.prediction, args.truth)
    with print_warnings():
        pairs = pair_files(args.prediction, truth, EVALUATION)
    if args.show_pairs:
        return print_pairs(pairs)
    say_pairs(pairs, truth or args.prediction)
    with on_signals(interrupt), print_warnings():
        files = label_files(pairs, truth, args.images, kind=config.kind, by_index=config.by_index)
        maps = ErrorFiles(Path(args.errors), overwrite=args.overwrite) if args.errors else None
        _check_outputs(args, files, maps)
        limits = Limits(unseen_by=unseen(args))
        comparisons = [_compare(each, config, limits, args.region, maps) for each in files]
        text = "files" if len(files) > 1 else f"{files[0].name}  blocks"
        found = drain(show_progress(in_turn(comparisons), lambda _: text, parts=0))
    report = pool_reports(found, config)
    if report.parts:
        for name, image in report.images.items():
            print(f"{name}: {image.means()}")
        if len(report.parts) > SHOWN_WORST:
            worst = report.worst_images(SHOWN_WORST).items()
            print("Worst images: " + ", ".join(f"{name} ({mean:.4f})" for name, mean in worst))
        print(f"\nPooled {KINDS[args.kind]} of {len(report.images)} images:")
    print(report)
    if args.csv:
        with print_warnings():
            write_table(Path(args.csv), report.table(by="image"), overwrite=args.overwrite)
    if args.json:
        with print_warnings():
            write_text(Path(args.json), report.to_json(), overwrite=args.overwrite)
    return 0


def _check_outputs(args: Namespace, files: Sequence["LabelFiles"], maps: ErrorFiles | None) -> None:
    """Check before the work that metrics and error maps can be written."""
    inputs = [Path(path) for path in (args.prediction, args.unseen_by, args.images) if path]
    inputs += [path for each in files for path in each.paths]
    if args.csv:
        check_table(Path(args.csv), inputs, overwrite=args.overwrite)
    if args.json:
        check_table(Path(args.json), inputs, (".json",), overwrite=args.overwrite)
    if maps is not None:
        maps.check([each.prediction for each in files], inputs)


def _compare(
    files: "LabelFiles",
    config: EvaluateConfig,
    limits: "Limits",
    region: str | None,
    maps: ErrorFiles | None,
) -> Generator[Step, None, "Report[Metric]"]:
    """Report on one pair of files, and map what is wrong; errors name one of them."""
    from napari_segkit.evaluation.count_images import report_images
    from napari_segkit.evaluation.error_map import find_errors
    from napari_segkit.evaluation.report import require_pixels

    try:
        with print_warnings():
            pair = files.read(limits.unseen_by)
            limits = replace(limits, region=_region(region, pair, files))
            (report,) = yield from report_images([pair], config, limits)
            require_pixels(report, config)
            if maps is not None:
                errors = yield from find_errors(pair, config, limits)
                maps.write(files.prediction, errors)
            return report
    except USER_ERRORS as error:
        line = error_line(error, LESS_MEMORY)
        is_named = any(str(path) in line for path in files.paths)
        raise ValueError(line if is_named else f"{files.name}: {line}") from error


def _region(text: str | None, pair: "LabelPair", files: "LabelFiles") -> "Region | None":
    """The pixels of an image that count, of ranges or the file of a mask."""
    from napari_segkit.evaluation.left_out import truth_image

    return read_region(text, truth_image(pair.truth), files.prediction.path) if text else None
