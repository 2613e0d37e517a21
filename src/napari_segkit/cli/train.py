"""``segkit train``: train a model on image and label files, and save it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.config._schema import config_fields

from .auto_settings import check_auto
from .file_options import (
    add_device,
    add_overwrite,
    model_file,
    named_model,
    one_place,
    print_pairs,
    project_files,
    require_output,
    say_pairs,
    set_up_device,
)
from .pair_picture import write_pairs
from .signals import held_signals
from .terminal import print_warnings
from .training_arguments import (
    add_images,
    add_model,
    add_set,
    add_settings,
    check_kind,
    given_project,
    inputs,
    read_images,
    read_training_set,
)
from .training_processes import follow, is_first, require_shareable, run_together
from .training_run import LESS_MEMORY as LESS_MEMORY
from .training_run import save_model, train_and_save, train_until_signal
from .training_settings import spec_and_config

if TYPE_CHECKING:
    from napari_segkit.jobs.checkpoints import Training
    from napari_segkit.segmenter import Segmenter

LABELS = ("unlabelled", "labels_are", "normalise", "resize", "voxel_size", "tile_size", "overlap")
VALIDATION = ("validation", "validation_fraction", "best_by", "patience", "thresholds")
FEATURES = config_fields(FeatureConfig)
STOPPING = "Stopping after this step, then saving the model."
SAVING = "Stopping and saving; one more signal (Ctrl-C) discards the training."


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s IMAGES [LABELS] -o MODEL [options]"
    add_images(parser)
    parser.add_argument("-o", "--output", metavar="MODEL",
                        help="model file to write, such as a.segkit, or a folder for "
                             "model.segkit")  # fmt: skip
    add_overwrite(parser)
    parser.add_argument("--resume", nargs="?", const=True, metavar="STATE",
                        help="go on with a training that was interrupted, with its model and "
                             "settings, from the state beside the output (MODEL.state) or from "
                             "this one")  # fmt: skip
    parser.add_argument("--log", metavar="FOLDER",
                        help="write the loss of each step and the validation into this folder: a "
                             "table (history.csv), curves (history.png), and the log of "
                             "TensorBoard if that is installed")  # fmt: skip
    add_device(parser)
    training_set = parser.add_argument_group("training set")
    add_set(training_set)
    training_set.add_argument("--show", metavar="PNG",
                              help="only write a picture of random pairs, images with their "
                                   "labels over them, and stop")  # fmt: skip
    model = parser.add_argument_group("model")
    add_model(model)
    model.add_argument("--auto", action="store_true",
                       help="suggest the method and its settings for these images, labels, the "
                            "device and --minutes (10 if they are not given), print each with its "
                            "reason, and train with them; further options override "
                            "them")  # fmt: skip
    model.add_argument("--start", metavar="MODEL",
                       help="go on with the weights of a trained model, its method and its "
                            "settings, on more or corrected images; further options override the "
                            "settings")  # fmt: skip
    add_settings(parser)


def run(args: Namespace) -> int:
    return run_together(args, _train, LESS_MEMORY)


def _train(args: Namespace) -> int:
    from napari_segkit.jobs.output_files import new_folders

    from .training_summary import say_training_data

    if not args.show:
        require_output(args)
    if args.start and args.resume:
        raise ValueError("--start begins a training and --resume goes on with one: leave one out.")
    check_auto(args)
    labels = one_place(args.images, args.labels)
    project = given_project(args, labels)
    training_set = read_training_set(args, labels) if project is None else project.labelled
    pairs = [(image, mask) for image, mask in project_files(training_set) if mask is not None]
    if args.show_pairs:
        return print_pairs(pairs)
    if args.show:
        if not is_first():
            return 0
        spec, config = spec_and_config(args, project=project, training_set=training_set)
        return write_pairs(args, training_set, spec, config, inputs(args, training_set))
    checkpoint, resume = _states(args)
    output = _checked_output(args, inputs(args, training_set), resume) if is_first() else None
    spec, config = spec_and_config(args, resume, project, training_set)
    config.require_end()
    require_shareable(spec, config)
    say_pairs(pairs, labels or args.images)
    check_kind(training_set, spec)
    segmenter = _segmenter(args, spec, resume)
    steps = segmenter.train_epochs(
        training_set, config=config, resume=resume, start="current" if args.start else None
    )
    if output is None:
        set_up_device(args)
        return follow(steps)
    with print_warnings():
        labelled = read_images(steps)
    say_training_data(labelled, training_set, spec, config)
    set_up_device(args)
    save = partial(save_model, segmenter, output, overwrite=args.overwrite)
    with new_folders(output), print_warnings(), held_signals(STOPPING, SAVING) as stop:
        steps = _kept(args, steps, checkpoint, go_on=resume is not None)
        train = partial(train_until_signal, segmenter, steps, config, stop)
        return train_and_save(segmenter, train, stop, save, checkpoint)


def _checked_output(args: Namespace, inputs: Iterable[Path], resume: Path | None) -> Path:
    """The model file, once it and the log can be written."""
    from napari_segkit.jobs.training_log import check_log_folder

    output = model_file(args, inputs)
    if args.log:
        check_log_folder(Path(args.log), overwrite=args.overwrite or resume is not None)
    return output


def _kept(
    args: Namespace, steps: "Training[Segmenter]", checkpoint: Path, *, go_on: bool
) -> "Training[Segmenter]":
    """A training whose checkpoints, and whose log if it is asked for, are written."""
    from napari_segkit.jobs.checkpoints import with_checkpoints
    from napari_segkit.jobs.training_log import logged

    steps = with_checkpoints(steps, checkpoint)
    return logged(steps, Path(args.log), go_on=go_on) if args.log else steps


def _states(args: Namespace) -> tuple[Path, Path | None]:
    """The checkpoint to write, beside the model, and the one to go on from."""
    from napari_segkit.io.filenames import STATE

    output = named_model(args.output)
    checkpoint = output.with_name(output.name + STATE)
    if args.resume is None and checkpoint.exists() and not args.overwrite:
        replaced = " --overwrite" * output.exists()
        raise ValueError(
            f"{checkpoint} was left by a training that was interrupted: add --resume{replaced} to "
            "go on with it, or --overwrite to train anew."
        )
    return checkpoint, checkpoint if args.resume is True else args.resume and Path(args.resume)


def _segmenter(args: Namespace, spec: ModelSpec, resume: Path | None) -> "Segmenter":
    """The model to train: a new one, that of a state, or a trained one to start from."""
    from napari_segkit.segmenter import Segmenter

    if resume is not None:
        return Segmenter.of_state(resume, device=args.device)
    if args.start is None:
        return Segmenter(spec, device=args.device)
    segmenter = Segmenter.load(args.start, device=args.device)
    if spec != segmenter.spec:
        segmenter.spec = spec
    return segmenter
