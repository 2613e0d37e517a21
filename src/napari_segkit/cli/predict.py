"""``segkit predict``: predict image files with a trained model."""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_segkit.config import (
    BatchConfig,
    ClusterConfig,
    MaskConfig,
    ModelSpec,
    ObjectConfig,
    PredictConfig,
    TileConfig,
)
from napari_segkit.config._schema import config_fields
from napari_segkit.config.pictures import Style
from napari_segkit.models import MODELS

from .file_options import (
    add_common,
    add_output,
    find_inputs,
    holds_several,
    left_jobs,
    set_up_device,
)
from .options import add_options, flag, read_options
from .refine_options import add_refine, refine_config
from .region_option import add_region, read_region, require_region
from .signals import HeldSignals
from .terminal import error_line, in_options, print_warnings

if TYPE_CHECKING:
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.jobs.batch.processes import FileJob
    from napari_segkit.jobs.output_options import OutputOptions
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained_model import TrainedModel

PANOPTIC = "panoptic"
LESS_MEMORY = "predict a --region, leave --probabilities out, or give a smaller --tile-size"


def add_arguments(parser: ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("input", nargs="+",
                        help="image files, folders with their sub-folders, patterns in quotes, "
                             "or a CSV list with the column images, or a column for each channel "
                             "that the model knows by name, such as images:t1, or a project for "
                             "its images")  # fmt: skip
    add_output(
        parser,
        PANOPTIC,
        "zarr",
        folders=", .zarr",
        format_help="; panoptic: PNG and JSON in the COCO panoptic format; zarr: OME-Zarr, also "
        "of results larger than memory",
    )
    add_common(parser)
    add_options(parser, TileConfig())
    add_options(parser, PredictConfig())
    add_options(parser, BatchConfig())
    add_region(parser, "pixels to predict, 0 elsewhere")
    add_options(parser.add_argument_group("a Dask cluster"), ClusterConfig())
    _add_results(parser)
    add_refine(parser, "as stored with the model", "Options not given keep the model's settings.")


def run(args: Namespace) -> int:
    from napari_segkit.jobs.output_files import plan_files

    read_options(args, TileConfig())  # wrong values are reported before any work
    require_region(args.region)
    settings = read_options(args, PredictConfig())
    read_options(args, ClusterConfig())
    output = _output_options(args)
    suffix = "png" if output.panoptic else args.format
    args.model = _model_file(args.model)
    with print_warnings():
        segmenter = _load_model(args)
    model = segmenter.ready()
    files_of = partial(output.files, objects=model.predicts_objects)
    inputs = [Path(path) for path in (args.model, args.weights, args.region) if path]
    jobs = plan_files(
        args.input, _images(args, model), args.output, suffix, files_of, inputs=inputs
    )
    _check_object_options(args, model)
    _check_network(model, settings)
    config = refine_config(args, segmenter.refine, segmenter.classes)
    if config is not None:
        segmenter.refine = config
    output.check(segmenter.ready())
    set_up_device(args)
    several = len(jobs) > 1 or holds_several(args.input)
    return _predict(args, segmenter, jobs, output, inputs, several=several)


def _predict(
    args: Namespace,
    segmenter: "Segmenter",
    jobs: list["FileJob"],
    output: "OutputOptions",
    inputs: list[Path],
    *,
    several: bool,
) -> int:
    """Predict the files; gives the exit status."""
    from napari_segkit.jobs.batch.one_file import FileSettings
    from napari_segkit.jobs.batch.predict_files import Batch, existing_results

    from .batch_lines import run_batch

    config, asked = read_options(args, PredictConfig()), {"asked_region": args.region}
    existing = None
    if args.skip_existing:
        existing = existing_results(segmenter, segmenter.refine, config, output, asked)
    left, done = left_jobs(jobs, existing)
    settings = FileSettings(
        output,
        read_options(args, TileConfig()),
        config,
        axes=args.axes,
        spacing=args.spacing,
        region=args.region and partial(read_region, args.region),
        details=_asked(args),
        cluster=read_options(args, ClusterConfig()),
        existing=existing,
        is_measured=args.measurements is not None,
    )
    held = HeldSignals()
    batch = Batch(
        segmenter,
        left,
        settings,
        read_options(args, BatchConfig()),
        [source.name for source, *_ in done],
        args.measurements and Path(args.measurements),
        held.writing,
        partial(error_line, lower=LESS_MEMORY),
    )
    batch.check(inputs)
    return run_batch(batch, held, several=several, less_memory=LESS_MEMORY)


def _asked(args: Namespace) -> dict[str, object]:
    """The region as it was asked for, in the record of a file."""
    return {"asked_region": args.region} if args.region else {}


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="file written by segkit train; a project with a trained "
                                      "model; or a method, such as maskrcnn, with pretrained "
                                      "--weights")  # fmt: skip
    pretrained = parser.add_argument_group("pretrained models")
    pretrained.add_argument("--weights", metavar="coco|PATH",
                            help="coco: trained on photographs, downloaded once")  # fmt: skip
    pretrained.add_argument("--encoder", help="the encoder that these weights are for")


def _model_file(given: str) -> str:
    """The model file of a project; what else is given as it is."""
    from napari_segkit.project.paths import MODEL_FILE, is_project

    if not is_project(given):
        return given
    file = Path(given) / MODEL_FILE
    if not file.is_file():
        raise ValueError(
            f"The project {given} has no trained model: train it with segkit train {given} -o "
            f"{file}."
        )
    return str(file)


def _load_model(args: Namespace) -> "Segmenter":
    from napari_segkit.segmenter import Segmenter

    is_method = args.model in MODELS and not Path(args.model).is_file()
    if not is_method and (args.weights or args.encoder):
        raise ValueError(
            "--weights and --encoder go with the name of a method, such as maskrcnn, and not with "
            f"{args.model}: leave them out, or give the name."
        )
    if not is_method:
        with print_warnings():
            return Segmenter.load(args.model, device=args.device)
    spec = ModelSpec(args.model, encoder=args.encoder, weights=args.weights)
    segmenter = Segmenter(spec, device=args.device)
    if not segmenter.can_predict:
        raise ValueError(
            f"{args.model} is a method and not trained: give a model file, or maskrcnn with "
            "--weights coco."
        )
    return segmenter


def _add_results(parser: ArgumentParser) -> None:
    parser.add_argument("--probabilities", action="store_true",
                        help="also write probabilities, into a folder next to the "
                             "labels")  # fmt: skip
    parser.add_argument("--measurements", metavar="FILE.csv",
                        help="also write a table with a row for each image, those to look at first "
                             "on top: mean uncertainty, distance of the intensities from those of "
                             "the training, areas or volumes of classes, numbers of objects or "
                             "components")  # fmt: skip
    parser.add_argument("--overlay", choices=get_args(Style),
                        help="also write a picture of each image with its labels, into the folder "
                             "overlays next to them (PNG, of a stack its middle labelled slice): "
                             "colours over the image, contours, or what is labelled cut out, the "
                             "rest transparent")  # fmt: skip
    objects = parser.add_argument_group("models that predict objects")
    add_options(objects, ObjectConfig(), suppress=True)
    add_options(parser.add_argument_group("values for other programs"), MaskConfig())


def _output_options(args: Namespace) -> "OutputOptions":
    from napari_segkit.jobs.output_options import OutputOptions

    return OutputOptions(
        objects=read_options(args, ObjectConfig()),
        masks=read_options(args, MaskConfig()),
        panoptic=args.format == PANOPTIC,
        probabilities=args.probabilities,
        uncertainty=read_options(args, PredictConfig()).uncertainty is not None,
        overlay=args.overlay,
        overwrite=args.overwrite,
        skip_existing=args.skip_existing,
        may_be_zarr=True,
    )


def _check_object_options(args: Namespace, model: "TrainedModel") -> None:
    """Refuse object options for a semantic model."""
    used = [name for name in config_fields(ObjectConfig) if name in vars(args)]
    if used and not model.predicts_objects:
        raise ValueError(
            f"{' and '.join(map(flag, used))} select objects, but {args.model} predicts "
            "classes only: leave them out, or give a model that was trained to predict objects."
        )


def _check_network(model: "TrainedModel", config: PredictConfig) -> None:
    """Refuse, in words of options, what the network of a model does not have."""
    from napari_segkit.inference.copies import require_copies

    try:
        require_copies(model, config)
    except ValueError as error:
        error.args = (in_options(str(error)),)
        raise


def _images(args: Namespace, model: "TrainedModel") -> list["ImageFiles"]:
    """The images, of which one may be several files, if the model has several channels."""
    from napari_segkit.io.channel_files import group_channels

    with print_warnings():
        found = find_inputs(args.input, args.output)
        return group_channels(found, model.channels, axes=args.axes, like=model.axes)
