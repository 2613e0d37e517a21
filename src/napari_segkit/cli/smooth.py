"""``segkit smooth``: refine probability or label files along the edges of their images."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import MaskConfig, RefineConfig, SoftLabelConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.versions import versions

from .file_options import (
    add_common,
    add_output,
    add_show_pairs,
    for_each_file,
    holds_several,
    one_place,
    print_pairs,
    require_output,
    run_job,
    say_pairs,
    set_up_device,
    write_and_print,
)
from .options import add_options, read_options
from .refine_options import add_refine, refine_config
from .terminal import print_warnings, say

if TYPE_CHECKING:
    from napari_segkit.images.axes_image import AxesImage
    from napari_segkit.images.classes import LabelClass
    from napari_segkit.images.colour_masks import ColourTable
    from napari_segkit.images.types import LazyArray
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.io.probability_maps import ProbabilityFile
    from napari_segkit.jobs.file_writer import FileWriter
    from napari_segkit.jobs.output_options import OutputOptions
    from napari_segkit.refinement.soft_labels import SoftLabels

DEFAULT = RefineConfig("crf")
LESS_MEMORY = "give smaller images, or another --refine"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("input", metavar="PROBABILITIES",
                        help="file, folder or pattern in quotes, as segkit predict --probabilities "
                             "writes them; or plain labels")  # fmt: skip
    parser.add_argument("image", metavar="IMAGE", nargs="+",
                        help="image file, or folder or pattern with the same names")  # fmt: skip
    add_output(parser, required=False)
    add_show_pairs(parser)
    add_common(parser)
    parser.add_argument("--probabilities", action="store_true",
                        help="also write the smoothed probabilities, into a folder next to the "
                             "labels")  # fmt: skip
    parser.add_argument("--classes", type=_values, metavar="VALUE,VALUE",
                        help="the label value of each class (default: as in the file, otherwise "
                             "0, 1, 2 ...)")  # fmt: skip
    labels = parser.add_argument_group("plain labels")
    add_options(labels, SoftLabelConfig())
    add_options(parser.add_argument_group("values for other programs"), MaskConfig())
    add_refine(parser, "crf")


def run(args: Namespace) -> int:
    from napari_segkit.io.files import shared_colours
    from napari_segkit.io.folders import pair_files
    from napari_segkit.io.name_pairs import REFINEMENT
    from napari_segkit.jobs.existing_results import ExistingResults
    from napari_segkit.jobs.output_files import plan_files

    require_output(args)
    with print_warnings():
        inputs = pair_files(args.input, one_place(args.input, args.image), REFINEMENT)
    if args.show_pairs:
        return print_pairs(inputs)
    say_pairs(inputs, args.image[0])
    input_of = {image: file for file, image in inputs}
    output = _output_options(args)
    files_of = partial(output.files, objects=False)
    pairs = plan_files(
        args.image,
        list(input_of),
        args.output,
        args.format,
        files_of,
        inputs=[path for file in input_of.values() for path in file.paths],
    )
    jobs = [(input_of[image], image, target) for image, target in pairs]
    with print_warnings():
        colours = shared_colours([source.path for source, *_ in jobs])
    set_up_device(args)
    work = partial(_smooth_file, args, output, colours)
    existing = ExistingResults(files_of, _settings(args)) if args.skip_existing else None
    return for_each_file(
        work, jobs, several=holds_several(args.image), existing=existing, less_memory=LESS_MEMORY
    )


def _output_options(args: Namespace) -> "OutputOptions":
    from napari_segkit.jobs.output_options import OutputOptions

    return OutputOptions(
        masks=read_options(args, MaskConfig()),
        probabilities=args.probabilities,
        overwrite=args.overwrite,
        skip_existing=args.skip_existing,
    )


def _settings(args: Namespace) -> dict[str, object]:
    """What the record of a result says; not of clean-up, which depends on each file's classes."""
    smoothing = Namespace(**{**vars(args), "clean": None})
    refine = to_dict(refine_config(smoothing, DEFAULT, ()) or DEFAULT)
    return {"refine": {name: value for name, value in refine.items() if name != "clean"}}


def _smooth_file(
    args: Namespace,
    output: "OutputOptions",
    colours: "ColourTable",
    source: "ImageFiles",
    image_file: "ImageFiles",
    target: Path,
) -> None:
    from napari_segkit.images.classes import ClassProbabilities
    from napari_segkit.images.geometry import warn_if_apart
    from napari_segkit.io.channel_files import read_image_files
    from napari_segkit.io.file_geometry import files_apart
    from napari_segkit.io.label_classes import read_classes
    from napari_segkit.io.probability_maps import read_probability_file
    from napari_segkit.jobs.file_writer import FileWriter
    from napari_segkit.jobs.refine import RefineRequest, RefineSource, refine_job

    output.check_files(target, objects=False)
    warn_if_apart(files_apart(source.path, image_file.path))
    stored = read_probability_file(source.path, colours)
    image = read_image_files(image_file, args.axes, args.spacing, labels_shape=stored.shape)
    named = read_classes(source.path) or colours.classes
    if not stored.is_probabilities and _is_blank(args, labels := stored.aligned_to(image), named):
        say(f"Note: {source.name} holds one class only, and stays as it is.")
        made = {"file": source.name, **_settings(args)}
        _write_unchanged(FileWriter(target, image, output, provenance=made), labels, named)
        return
    maps, classes = _probabilities(args, stored, image, named)
    config = refine_config(args, DEFAULT, classes) or DEFAULT
    output.check_labels(target, image, classes)
    probabilities = ClassProbabilities(maps, classes, image.label_axes)
    refined = RefineSource(source.name, probabilities, classes=classes)
    request = RefineRequest(
        refined, image, config, device=args.device, probabilities=args.probabilities
    )
    provenance = _provenance(source, image, classes, config)
    writer = FileWriter(target, image, output, provenance=provenance)
    run_job(refine_job(request), writer, f"{source.name}  blocks")


def _write_unchanged(
    writer: "FileWriter", labels: "LazyArray", named: Sequence["LabelClass"]
) -> None:
    import numpy as np

    from napari_segkit.label_result import LabelResult
    from napari_segkit.refinement.soft_labels import all_classes

    classes = all_classes(labels, named)
    unchanged = LabelResult(np.asarray(labels), writer.image.label_axes, classes)
    write_and_print(writer, unchanged)


def _provenance(
    source: "ImageFiles", image: "AxesImage", classes: Sequence["LabelClass"], config: RefineConfig
) -> dict[str, object]:
    return {
        "file": source.name,
        "image": {"name": image.name, "axes": image.axes, "shape": list(image.shape)},
        "classes": [[c.value, c.name] for c in classes],
        "refine": to_dict(config),
        "versions": versions(),
    }


def _probabilities(
    args: Namespace,
    stored: "ProbabilityFile",
    image: "AxesImage",
    named: Sequence["LabelClass"],
) -> tuple["LazyArray", tuple["LabelClass", ...]]:
    """Probabilities, aligned to the image, and their classes; `named` are those of the file."""
    from napari_segkit.images.classes import classes_of

    array = stored.aligned_to(image)
    if not stored.is_probabilities:
        return _soft_labels(args, array, named)
    if args.classes is None and len(named) == len(array):
        return array, tuple(named)
    return array, classes_of(None, args.classes or range(len(array)))


def _soft_labels(
    args: Namespace, labels: "LazyArray", named: Sequence["LabelClass"]
) -> tuple["SoftLabels", tuple["LabelClass", ...]]:
    """Plain labels as probabilities, and their classes; `named` are those of the file."""
    from napari_segkit.images.classes import classes_of
    from napari_segkit.refinement.soft_labels import SoftLabels, all_classes

    options = read_options(args, SoftLabelConfig())
    if args.classes is None:
        classes = all_classes(labels, named, unlabelled=options.unlabelled)
    else:
        classes = (*classes_of(None, args.classes), *(c for c in named if c.value in args.classes))
    by_value = {c.value: c for c in classes}
    soft = SoftLabels(labels, list(by_value), options)
    return soft, tuple(by_value[v] for v in soft.values)


def _is_blank(args: Namespace, labels: "LazyArray", named: Sequence["LabelClass"]) -> bool:
    """Whether plain labels hold one class, and no others are given or stored in the file."""
    from napari_segkit.refinement.soft_labels import all_classes

    unlabelled = read_options(args, SoftLabelConfig()).unlabelled
    return args.classes is None and len(all_classes(labels, named, unlabelled=unlabelled)) == 1


def _values(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]
