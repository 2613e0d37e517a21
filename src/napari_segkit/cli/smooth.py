"""``segkit smooth``: probabilities or labels and their image to labels with clean edges."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.steps import drain
from napari_segkit.versions import versions

from .file_options import add_common, add_output, each_file, plan_files, say_device
from .refine_options import add_refine, refine_of
from .terminal import notes, shown

if TYPE_CHECKING:
    from napari_segkit.images.axes_image import AxesImage
    from napari_segkit.images.classes import LabelClass
    from napari_segkit.io.probability_maps import ProbabilityFile
    from napari_segkit.refinement.pipeline import RefinedLabels
    from napari_segkit.refinement.soft_labels import SoftLabels

USUAL = RefineConfig("crf")
SOFT = ("certainty", "unlabelled")


def add_smooth(parser: ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit smooth``.
    """
    parser.add_argument("input", metavar="PROBABILITIES",
                        help="file or folder, as segkit predict --probabilities writes them; or "
                             "plain labels")  # fmt: skip
    parser.add_argument("image", metavar="IMAGE", help="file or folder, of the same names")
    add_output(parser)
    add_common(parser)
    parser.add_argument("--probabilities", action="store_true",
                        help="write the smoothed ones too, into a folder beside the "
                             "labels")  # fmt: skip
    parser.add_argument("--classes", type=_values, metavar="VALUE,VALUE",
                        help="the label value of each class (default what the file says, else 0, "
                             "1, 2 ...)")  # fmt: skip
    plain = parser.add_argument_group("plain labels")
    plain.add_argument("--certainty", type=float, default=SUPPRESS,
                       help="how likely a pixel is of the class it is labelled "
                            "with")  # fmt: skip
    plain.add_argument("--unlabelled", type=int, default=SUPPRESS,
                       help="value of pixels of which nothing is known")  # fmt: skip
    add_refine(parser, "crf")


def smooth(args: Namespace) -> int:
    """Smooth a file, or those of a folder.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit smooth``.

    Returns
    -------
    int
        Exit status: 1 where a file failed.

    Raises
    ------
    ValueError
        If something was asked for that cannot be.
    """
    from napari_segkit.io.folders import is_folder, pair_files

    input_of = {image: maps for maps, image in pair_files(args.input, args.image)}
    planned = plan_files(
        [args.image],
        args.output,
        args.format,
        inputs=input_of.values(),
        probabilities=args.probabilities,
    )
    jobs = [(input_of[image], image, target) for image, target in planned]
    say_device(args)
    return each_file(partial(_smooth_file, args), jobs, folder=is_folder(Path(args.image)))


def _smooth_file(args: Namespace, source: Path, image_file: Path, target: Path) -> None:
    """Smooth one file, and print the files that were written."""
    from napari_segkit.io.files import check_target, read_image
    from napari_segkit.io.probability_maps import read_probability_file
    from napari_segkit.jobs.files import check_maps
    from napari_segkit.refinement.pipeline import refine_blocks

    check_target(target, overwrite=args.overwrite)
    stored = read_probability_file(source)
    image = read_image(image_file, args.axes, args.spacing, labels_shape=stored.shape)
    maps, classes = _soft(args, stored, image, source)
    recipe, values = refine_of(args, USUAL, classes) or USUAL, [c.value for c in classes]
    check_target(target, overwrite=args.overwrite, axes=image.label_axes, highest=max(values))
    beside = check_maps(target, overwrite=args.overwrite) if args.probabilities else None
    more: Any = {"values": values, "device": args.device, "keep": args.probabilities}
    steps = refine_blocks(maps, image, recipe, **more)
    with notes():
        found = drain(shown(steps, lambda _: f"{source.name}  blocks"))
    made = {
        "file": source.name,
        "image": {"name": image.name, "axes": image.axes, "shape": list(image.shape)},
        "classes": [[c.value, c.name] for c in classes],
        "refine": to_dict(recipe),
        "versions": versions(),
    }
    _write(found, image, target, beside, provenance=made, overwrite=args.overwrite)


def _write(
    found: "RefinedLabels", image: "AxesImage", target: Path, beside: Path | None, **about: Any
) -> None:
    from napari_segkit.io.files import write_labels, write_probabilities

    about |= {"spacing": image.spacing, "header": image.metadata.get("nifti")}
    write_labels(target, found.labels, axes=image.label_axes, **about)
    print(target)
    if beside and found.probabilities is not None:
        write_probabilities(beside, found.probabilities, axes=f"C{image.label_axes}", **about)
        print(beside)


def _soft(
    args: Namespace, stored: "ProbabilityFile", image: "AxesImage", source: Path
) -> tuple[Any, Sequence["LabelClass"]]:
    """Probabilities, lying as the image does, and their classes."""
    from napari_segkit.images.classes import classes_of
    from napari_segkit.io.probability_maps import read_classes

    values, said = stored.lying(image), read_classes(source)
    if not stored.soft:
        return _soft_labels(args, values, said)
    if args.classes is None and len(said) == len(values):
        return values, said
    return values, classes_of(None, args.classes or range(len(values)))


def _soft_labels(
    args: Namespace, labels: Any, said: Sequence["LabelClass"]
) -> tuple["SoftLabels", Sequence["LabelClass"]]:
    """Plain labels as probabilities, and their classes; `said` are those that the file names."""
    from napari_segkit.images.classes import classes_of
    from napari_segkit.refinement.soft_labels import SoftLabels, all_classes

    options = {name: getattr(args, name) for name in SOFT if name in vars(args)}
    if args.classes is None:
        known = all_classes(labels, said, unlabelled=options.get("unlabelled"))
    else:
        known = (*classes_of(None, args.classes), *(c for c in said if c.value in args.classes))
    named = {c.value: c for c in known}
    soft = SoftLabels(labels, list(named), **options)
    return soft, [named[v] for v in soft.values]


def _values(text: str) -> list[int]:
    """Label values that commas part."""
    return [int(part) for part in text.split(",")]
