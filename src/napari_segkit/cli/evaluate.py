"""Evaluation of files: one report for each, named as a person finds it again."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from napari_segkit.evaluation.report import Report, evaluate, table_of
from napari_segkit.io.coco.panoptic_files import read_panoptic
from napari_segkit.io.files import file_orientation, read_labels
from napari_segkit.io.replace_file import replacing

from .terminal import MISTAKES, sentence


def compare(prediction: Path, truth: Path, args: Namespace) -> tuple[str, Report]:
    """Compare two files of labels, or of segments with a JSON file for each.

    Parameters
    ----------
    prediction, truth : Path
        The files.
    args : Namespace
        Options of ``segkit evaluate``.

    Returns
    -------
    tuple
        The prediction's name, as seen from the folder or the list that was given, and the report.

    Raises
    ------
    ValueError
        If they cannot be read or compared.
    """
    name = _name(prediction, args.prediction)
    choice = {"kind": args.kind, "unlabelled": args.unlabelled, "labels_are": args.labels_are}
    try:
        if args.kind == "panoptic":
            return name, evaluate(_segments(prediction), _segments(truth), **choice)
        expected = read_labels(truth, orientation=file_orientation(prediction))
        return name, evaluate(read_labels(prediction), expected, **choice)
    except MISTAKES as problem:
        raise ValueError(f"{name}: {sentence(problem)}") from problem


def write_metrics(file: Path, reports: Sequence[tuple[str, Report]]) -> None:
    """Write the tables of several reports as one CSV file, completely or not at all.

    Parameters
    ----------
    file : Path
        What to write; it is replaced where it exists.
    reports : sequence of tuple
        Names and reports.
    """
    with replacing(file) as opened:
        opened.write(table_of(reports).to_csv(index=False).encode())


def _segments(png: Path) -> Any:
    labels, table = read_panoptic(png)
    return SimpleNamespace(labels=labels, table=table)


def _name(prediction: Path, given: str) -> str:
    for origin in (Path(given), Path(given).parent):
        if prediction.is_relative_to(origin) and prediction != origin:
            return prediction.relative_to(origin).as_posix()
    return prediction.as_posix()
