"""``segkit superpixels``: images to labels, each value a small region of like intensity."""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import Any

from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.steps import drain
from napari_segkit.versions import versions

from .file_options import add_output, add_overwrite, add_place, each_file, plan_files
from .options import add_options, read_options
from .terminal import notes, say, shown


def add_superpixels(parser: ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit superpixels``.
    """
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files or folders")
    add_output(parser)
    parser.add_argument("--mask", help="cut only where this file, or the file of the same name in "
                                       "this folder, is not 0")  # fmt: skip
    add_place(parser)
    add_overwrite(parser)
    add_options(parser, SuperpixelConfig())


def superpixels(args: Namespace) -> int:
    """Cut files, or those of folders.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit superpixels``.

    Returns
    -------
    int
        Exit status: 1 where a file failed.

    Raises
    ------
    ValueError
        If something was asked for that cannot be.
    """
    from napari_segkit.io.folders import is_folder

    config, masks = read_options(args, SuperpixelConfig()), _masks(args)
    several = len(args.images) > 1 or is_folder(Path(args.images[0]))
    jobs = plan_files(args.images, args.output, args.format, inputs=masks.values())
    return each_file(partial(_cut_file, args, config, masks), jobs, folder=several)


def _masks(args: Namespace) -> dict[Path, Path]:
    """The mask of each image, where there are masks."""
    from napari_segkit.io.folders import pair_files

    if args.mask is None:
        return {}
    if len(args.images) > 1:
        raise ValueError(
            f"One mask was named for {len(args.images)} images: give one image, or a folder of "
            "images and a folder of their masks."
        )
    return dict(pair_files(args.images[0], args.mask))


def _cut_file(
    args: Namespace, config: SuperpixelConfig, masks: dict[Path, Path], source: Path, target: Path
) -> None:
    """Cut one file, and print the file that was written."""
    from napari_segkit.io.files import (
        check_target,
        file_orientation,
        read_image,
        read_labels,
        write_labels,
    )
    from napari_segkit.refinement.superpixels.generate import superpixel_tiles

    check_target(target, overwrite=args.overwrite)
    file, mask = masks.get(source), None
    if file is not None:
        mask = read_labels(file, orientation=file_orientation(source))
    shape = None if mask is None else mask.shape
    image = read_image(source, args.axes, args.spacing, labels_shape=shape)
    check_target(target, overwrite=args.overwrite, axes=image.label_axes)
    with notes():
        steps = superpixel_tiles(image, config, mask=mask)
        labels = drain(shown(steps, lambda _: f"{source.name}  tiles"))
    made: dict[str, Any] = {
        "file": source.name,
        "image": {"name": image.name, "axes": image.axes, "shape": list(image.shape)},
        "mask": file and file.name,
        "superpixels": to_dict(config),
        "versions": versions(),
    }
    about: dict[str, Any] = {"provenance": made, "overwrite": args.overwrite}
    place: dict[str, Any] = {"spacing": image.spacing, "header": image.metadata.get("nifti")}
    write_labels(target, labels, axes=image.label_axes, **place, **about)
    say(f"{source.name}: {labels.max()} superpixels")
    print(target)
