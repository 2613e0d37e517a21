"""``segkit superpixels``: segment image files into superpixels."""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import to_dict

from .file_options import (
    add_axes,
    add_output,
    find_inputs,
    for_each_file,
    holds_several,
    run_job,
    say_pairs,
)
from .options import add_options, read_options
from .terminal import print_warnings, say

if TYPE_CHECKING:
    from napari_segkit.images.axes_image import AxesImage
    from napari_segkit.images.types import LazyArray
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.jobs.output_options import OutputOptions


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE",
                        help="image files, folders with their sub-folders, or patterns in "
                             "quotes")  # fmt: skip
    add_output(parser)
    parser.add_argument("--mask", help="segment only where this file, or the file of the same "
                                       "name in this folder, is not 0")  # fmt: skip
    add_axes(parser)
    add_options(parser, SuperpixelConfig())


def run(args: Namespace) -> int:
    from napari_segkit.jobs.existing_results import ExistingResults
    from napari_segkit.jobs.output_files import plan_files
    from napari_segkit.jobs.output_options import OutputOptions

    config, mask_of = read_options(args, SuperpixelConfig()), _mask_files(args)
    images = list(mask_of) or find_inputs(args.images, args.output)
    masks = [path for mask in mask_of.values() for path in mask.paths]
    output = OutputOptions(overwrite=args.overwrite, skip_existing=args.skip_existing)
    files_of = partial(output.files, objects=False)
    jobs = plan_files(args.images, images, args.output, args.format, files_of, inputs=masks)
    settings = {"superpixels": to_dict(config)}
    existing = ExistingResults(files_of, settings) if args.skip_existing else None
    work = partial(_segment_file, args, config, output, mask_of)
    return for_each_file(work, jobs, several=holds_several(args.images), existing=existing)


def _mask_files(args: Namespace) -> dict["ImageFiles", "ImageFiles"]:
    """The mask file of each image, if there are masks."""
    from napari_segkit.io.folders import pair_files
    from napari_segkit.io.name_pairs import MASKING

    if args.mask is None:
        return {}
    if len(args.images) > 1:
        raise ValueError(
            f"There is one mask for {len(args.images)} images: give one image, or a folder or "
            "pattern of images and one of their masks."
        )
    with print_warnings():
        pairs = pair_files(args.images[0], args.mask, MASKING)
    say_pairs(pairs, args.mask)
    return dict(pairs)


def _segment_file(
    args: Namespace,
    config: SuperpixelConfig,
    output: "OutputOptions",
    mask_of: dict["ImageFiles", "ImageFiles"],
    source: "ImageFiles",
    target: Path,
) -> None:
    from napari_segkit.jobs.file_writer import FileWriter
    from napari_segkit.jobs.superpixels import superpixel_job

    output.check_files(target, objects=False)
    image, mask = _read(args, source, mask_of.get(source))
    output.check_labels(target, image)
    details = {"file": source.name, "mask": mask_of[source].name if source in mask_of else None}
    writer = FileWriter(target, image, output, details)
    job = superpixel_job(image, config, mask=mask)
    result = run_job(job, writer, f"{source.name}  tiles")
    say(f"{source.name}: {result.labels.max()} superpixels")


def _read(
    args: Namespace, source: "ImageFiles", mask_file: "ImageFiles | None"
) -> tuple["AxesImage", "LazyArray | None"]:
    import numpy as np

    from napari_segkit.images.geometry import warn_if_apart
    from napari_segkit.io.channel_files import read_image_files
    from napari_segkit.io.file_geometry import files_apart
    from napari_segkit.io.files import file_orientation, read_labels

    if mask_file is None:
        return read_image_files(source, args.axes, args.spacing), None
    warn_if_apart(files_apart(source.path, mask_file.path))
    mask = np.asarray(read_labels(mask_file.path, orientation=file_orientation(source.path)))
    return read_image_files(source, args.axes, args.spacing, labels_shape=mask.shape), mask
