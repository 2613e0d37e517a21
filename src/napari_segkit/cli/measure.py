"""``segkit measure``: measure label files, without a truth."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import MeasureConfig
from napari_segkit.steps import Step, drain

from .file_options import (
    LIST,
    add_axes,
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
from .terminal import (
    SMALLER,
    USER_ERRORS,
    error_line,
    print_files,
    print_warnings,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from napari_segkit.images.colour_masks import ColourTable
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.measurement.counting import FrameCounts
    from napari_segkit.measurement.sources import MeasureSource

Files = list[tuple["ImageFiles | None", "ImageFiles"]]  # images and their labels


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("labels", help=f"label file, folder with its sub-folders, pattern in "
                                        f"quotes, or {LIST}")  # fmt: skip
    parser.add_argument("images", nargs="*",
                        help="file, folder or pattern of the images, whose intensities are "
                             "measured")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="TABLE",
                        help="table to write, such as sizes.csv (default: print it)")  # fmt: skip
    add_overwrite(parser)
    add_show_pairs(parser)
    add_axes(parser)
    add_options(parser, MeasureConfig())


def run(args: Namespace) -> int:
    from napari_segkit.io.files import shared_colours
    from napari_segkit.measurement.table import make_table

    config = read_options(args, MeasureConfig())
    with print_warnings():
        files = _find_files(args)
    if args.show_pairs:
        return print_pairs([(labels, image) for image, labels in files if image is not None])
    if args.output:
        check_table(Path(args.output), _inputs(files), overwrite=args.overwrite)
    with on_signals(interrupt), print_warnings():
        colours = shared_colours([labels.path for _, labels in files])
        counts = [_counts(args, *pair, colours, config) for pair in files]
        text = "files" if len(files) > 1 else f"{files[0][1].name}  blocks"
        found = drain(show_progress(in_turn(counts), lambda _: text, parts=0))
        frames = [frame for frames in found for frame in frames]
    table, _ = make_table(frames, config)
    if not args.output:
        print(table.to_csv(index=False), end="")
        return 0
    with print_warnings():
        print_files([write_table(Path(args.output), table, overwrite=args.overwrite)])
    say(f"{len(table)} rows of {len(files)} label files.")
    return 0


def _find_files(args: Namespace) -> Files:
    """Labels with their images, if there are some: paired by their names, or listed."""
    from napari_segkit.io.filenames import LISTS
    from napari_segkit.io.folders import pair_files
    from napari_segkit.io.image_files import find_images

    images = one_place(args.labels, args.images)
    if images is None and Path(args.labels).suffix.lower() not in LISTS:
        return [(None, labels) for labels in find_images(args.labels)]
    pairs = pair_files(args.labels if images is None else images, images and args.labels)
    if not args.show_pairs:
        say_pairs(pairs, args.labels)
    return list(pairs)


def _inputs(files: Files) -> Iterator[Path]:
    for pair in files:
        for each in pair:
            yield from each.paths if each is not None else ()


def _counts(
    args: Namespace,
    image: "ImageFiles | None",
    labels: "ImageFiles",
    colours: "ColourTable",
    config: MeasureConfig,
) -> Generator[Step, None, "list[FrameCounts]"]:
    """Count one file, of which only the counts are kept; errors name it."""
    from napari_segkit.measurement.counting import block_counts
    from napari_segkit.measurement.sources import open_source, with_components

    try:
        with print_warnings():
            opened = open_source(_read(args, image, labels, colours))
            return (yield from block_counts(with_components(opened, config), config))
    except USER_ERRORS as error:
        line = error_line(error, SMALLER)
        is_named = any(str(path) in line for path in labels.paths)
        raise ValueError(line if is_named else f"{labels.name}: {line}") from error


def _read(
    args: Namespace, image: "ImageFiles | None", labels: "ImageFiles", colours: "ColourTable"
) -> "MeasureSource":
    from napari_segkit.images.axes_image import full_resolution
    from napari_segkit.images.geometry import warn_if_apart
    from napari_segkit.images.units import UNKNOWN_SPACING
    from napari_segkit.io.channel_files import read_image_files
    from napari_segkit.io.files import read_label_axes
    from napari_segkit.io.training_files import LabelFile
    from napari_segkit.measurement.sources import MeasureSource

    file = LabelFile(labels, labels.path if image is None else image.path, colours)
    values = file.open()
    if image is None:
        known = read_label_axes(labels.path)
        axes = args.axes or known.label_axes
        return MeasureSource(
            values, None, labels.name, axes, args.spacing or known.spacing, known.unit
        )
    warn_if_apart(file.apart())
    shape = full_resolution(values).shape
    below = read_image_files(image, args.axes, args.spacing, labels_shape=shape)
    if args.spacing is None and below.spacing == UNKNOWN_SPACING:
        known = read_label_axes(labels.path)
        below = replace(below, spacing=known.spacing, unit=known.unit)
    return MeasureSource(values, below, labels.name)
