"""``segkit evaluate``: compare prediction files with ground-truth files."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from napari_segkit.config import TrainConfig

from .file_options import LIST, add_overwrite, check_inputs_kept
from .options import add_options, read_options
from .terminal import USER_ERRORS, error_line

if TYPE_CHECKING:
    from napari_segkit.evaluation.report import Report

KINDS = {"semantic": "pixels", "instance": "objects", "panoptic": "segments"}


def add_evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("prediction", help=f"file, folder, or {LIST}")
    parser.add_argument("truth", nargs="?", help="file or folder; not with a CSV list")
    parser.add_argument("--kind", choices=KINDS, default="semantic",
                        help="which metrics: of classes per pixel, of objects with ids, or of "
                             "segments with classes, as PNG and JSON in the COCO panoptic format "
                             "(default semantic)")  # fmt: skip
    parser.add_argument("--csv", metavar="FILE", help="write the metrics of every image here")
    add_overwrite(parser)
    add_options(parser, TrainConfig(unlabelled=None), only=("unlabelled", "labels_are"))


def run(args: Namespace) -> None:
    from napari_segkit.io.files import check_output_path
    from napari_segkit.io.folders import pair_files

    read_options(args, TrainConfig(unlabelled=None))  # wrong values are reported before any work
    pairs = pair_files(args.prediction, args.truth)
    if args.csv:
        inputs = [Path(args.prediction), *sum(pairs, ())]
        check_inputs_kept([check_output_path(args.csv, overwrite=args.overwrite)], inputs)
    reports = [_compare(*pair, args) for pair in pairs]
    first, *others = [report for _, report in reports]
    pooled = sum(others, first)
    if others:
        for name, report in reports:
            print(f"{name}: {report.means()}")
        print(f"\nPooled {KINDS[args.kind]} of {len(reports)} images:")
    print(pooled)
    if args.csv:
        _write_metrics(Path(args.csv), [*reports, ("pooled", pooled)])


def _compare(prediction: Path, truth: Path, args: Namespace) -> tuple[str, "Report"]:
    """Report on one pair of files, with the prediction's name; errors begin with this name."""
    from napari_segkit.evaluation.report import evaluate

    name = _name(prediction, args.prediction)
    try:
        report = evaluate(
            *_read(prediction, truth, args.kind),
            kind=args.kind,
            unlabelled=args.unlabelled,
            labels_are=args.labels_are,
        )
    except USER_ERRORS as error:
        raise ValueError(f"{name}: {error_line(error)}") from error
    return name, report


def _read(prediction: Path, truth: Path, kind: str) -> tuple[Any, Any]:
    from napari_segkit.io.files import file_orientation, read_labels

    if kind == "panoptic":
        return _read_segments(prediction), _read_segments(truth)
    expected = read_labels(truth, orientation=file_orientation(prediction))
    return read_labels(prediction), expected


def _read_segments(png: Path) -> SimpleNamespace:
    from napari_segkit.io.coco.panoptic_files import read_panoptic

    labels, table = read_panoptic(png)
    return SimpleNamespace(labels=labels, table=table)


def _write_metrics(file: Path, reports: Sequence[tuple[str, "Report"]]) -> None:
    from napari_segkit.evaluation.report import table_of
    from napari_segkit.io.replace_file import atomic_write

    with atomic_write(file) as opened:
        opened.write(table_of(reports).to_csv(index=False).encode())


def _name(prediction: Path, given: str) -> str:
    """The prediction's path relative to the folder or list that was given."""
    for origin in (Path(given), Path(given).parent):
        if prediction.is_relative_to(origin) and prediction != origin:
            return prediction.relative_to(origin).as_posix()
    return prediction.as_posix()
