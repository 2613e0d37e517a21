"""``segkit train``: train a model on image and label files, and save it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import AugmentConfig, FeatureConfig, ModelSpec, TrainConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.models import predicts_objects
from napari_segkit.models.presets import PRESETS, preset
from napari_segkit.project.paths import is_project
from napari_segkit.steps import Step
from napari_segkit.training.events import ReadStep

from .file_options import (
    LIST,
    add_axes,
    add_device,
    add_overwrite,
    add_show_pairs,
    model_file,
    named_model,
    one_place,
    open_project,
    print_pairs,
    project_files,
    require_output,
    say_pairs,
    set_up_device,
)
from .options import add_options
from .pair_picture import write_pairs
from .signals import held_signals
from .terminal import display, print_warnings
from .training_run import LESS_MEMORY as LESS_MEMORY
from .training_run import save_model, train_and_save, train_until_signal
from .training_settings import spec_and_config

if TYPE_CHECKING:
    from argparse import _ActionsContainer

    from napari_segkit.project.project import Project
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.training.dataset import LabelledImages
    from napari_segkit.training_set import TrainingSet

LABELS = ("unlabelled", "labels_are", "normalise", "resize", "voxel_size", "tile_size", "overlap")
VALIDATION = ("validation", "validation_fraction", "best_by", "patience", "thresholds")
FEATURES = config_fields(FeatureConfig)
STOPPING = "Stopping after this step, then saving the model."
SAVING = "Stopping and saving; one more signal (Ctrl-C) discards the training."
MANY_IMAGES = 100


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s IMAGES [LABELS] -o MODEL [options]"
    parser.add_argument("images", help=f"file, folder with its sub-folders (also of both, such as "
                                        f"c0_img.png and c0_masks.png), pattern in quotes, such "
                                        f"as 'img/*.png', {LIST}, or a project with its "
                                        f"settings, which options override")  # fmt: skip
    parser.add_argument("labels", nargs="*",
                        help="file, folder or pattern; not with a CSV list or a "
                             "project")  # fmt: skip
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
    _add_set(parser.add_argument_group("training set"))
    _add_model(parser.add_argument_group("model"))
    features = parser.add_argument_group("pixel classifier (--model pixels)")
    add_options(features, ModelSpec(), only=FEATURES, suppress=True)
    for title, names in _titles().items():
        add_options(parser.add_argument_group(title), TrainConfig(), only=names, suppress=True)


def _add_set(group: "_ActionsContainer") -> None:
    add_show_pairs(group)
    group.add_argument("--show", metavar="PNG",
                       help="only write a picture of random pairs, images with their labels over "
                            "them, and stop")  # fmt: skip
    add_axes(group)
    group.add_argument("--object-classes", metavar="PATH",
                       help="file or folder like the labels: in each object, the value of its "
                            "class; in a CSV list, the column classes")  # fmt: skip
    group.add_argument("--regions", metavar="PATH",
                       help="file or folder like the labels: not 0 where every object is "
                            "annotated; in a CSV list, the column regions")  # fmt: skip
    group.add_argument("--fit-masks", action="store_true",
                       help="resample masks of another size than their image to it (nearest "
                            "neighbour)")  # fmt: skip


def _add_model(group: "_ActionsContainer") -> None:
    group.add_argument("--preset", choices=PRESETS, metavar="NAME",
                       help=f"a model with training settings, which further options override: "
                            f"{', '.join(map(repr, PRESETS))}")  # fmt: skip
    group.add_argument("--start", metavar="MODEL",
                       help="go on with the weights of a trained model, its method and its "
                            "settings, on more or corrected images; further options override the "
                            "settings")  # fmt: skip
    names = {"name": "model", "options": "option"}
    own = set(config_fields(ModelSpec))
    add_options(group, ModelSpec(), only=own, names=names, suppress=True)


def _titles() -> dict[str, Collection[str]]:
    """The options of a training by the title of their group."""
    augment = config_fields(AugmentConfig)
    others = {*LABELS, *VALIDATION, *augment}
    training = [name for name in config_fields(TrainConfig) if name not in others]
    return {
        "labels and pixels": LABELS,
        "training": training,
        "validation": VALIDATION,
        "augmentation": augment,
    }


def run(args: Namespace) -> int:
    from napari_segkit.jobs.checkpoints import with_checkpoints
    from napari_segkit.jobs.output_files import new_folders
    from napari_segkit.jobs.training_log import check_log_folder, logged

    from .training_summary import say_training_data

    if not args.show:
        require_output(args)
    if args.start and args.resume:
        raise ValueError("--start begins a training and --resume goes on with one: leave one out.")
    labels = one_place(args.images, args.labels)
    project = _project(args, labels)
    training_set = _training_set(args, labels) if project is None else project.labelled
    pairs = [(image, mask) for image, mask in project_files(training_set) if mask is not None]
    if args.show_pairs:
        return print_pairs(pairs)
    if args.show:
        spec, config = spec_and_config(args, project=project)
        return write_pairs(args, training_set, spec, config, _inputs(args, training_set))
    checkpoint, resume = _states(args)
    output = model_file(args, _inputs(args, training_set))
    if args.log:
        check_log_folder(Path(args.log), overwrite=args.overwrite or resume is not None)
    spec, config = spec_and_config(args, resume, project)
    config.require_end()
    say_pairs(pairs, labels or args.images)
    _check_kind(training_set, spec)
    segmenter = _segmenter(args, spec, resume)
    steps = segmenter.train_epochs(
        training_set, config=config, resume=resume, start="current" if args.start else None
    )
    with print_warnings():
        labelled = _read(steps)
    say_training_data(labelled, training_set, spec, config)
    set_up_device(args)
    save = partial(save_model, segmenter, output, overwrite=args.overwrite)
    with new_folders(output), print_warnings(), held_signals(STOPPING, SAVING) as stop:
        steps = with_checkpoints(steps, checkpoint)
        if args.log:
            steps = logged(steps, Path(args.log), go_on=resume is not None)
        train = partial(train_until_signal, segmenter, steps, config, stop)
        return train_and_save(segmenter, train, stop, save, checkpoint)


def _project(args: Namespace, labels: str | None) -> "Project | None":
    """The project that is trained on, if one was given."""
    if not is_project(args.images):
        return None
    given = {
        "LABELS": labels,
        "--object-classes": args.object_classes,
        "--regions": args.regions,
        "--axes": args.axes,
        "--spacing": args.spacing,
        "--fit-masks": args.fit_masks,
    }
    if beside := [name for name, value in given.items() if value]:
        raise ValueError(
            f"{' and '.join(beside)} cannot be given beside the project {args.images}, which holds "
            "its labels and says how its images are read: leave this out."
        )
    return open_project(args.images)


def _training_set(args: Namespace, labels: str | None) -> "TrainingSet":
    from napari_segkit.training_set import TrainingSet

    with print_warnings():
        return TrainingSet.from_files(
            args.images,
            labels,
            object_classes=args.object_classes,
            regions=args.regions,
            axes=args.axes,
            spacing=args.spacing,
            fit_masks=args.fit_masks or bool(args.preset and preset(args.preset).fit_masks),
        )


def _read(steps: Generator[Step, object, "Segmenter"]) -> "LabelledImages":
    """Read the training set, with its progress if that takes a while."""
    with display() as show:
        for step in steps:
            if step.total >= MANY_IMAGES:
                show("reading", step)
            if isinstance(step, ReadStep) and step.labelled is not None:
                return step.labelled
    raise AssertionError("a training begins with its images")


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


def _check_kind(training_set: "TrainingSet", spec: ModelSpec) -> None:
    of_objects = any(r.object_classes or r.regions for r in training_set.rows)
    if not predicts_objects(spec) and of_objects:
        raise ValueError(
            f"--object-classes and --regions are for models that predict objects, but "
            f"{spec.name} predicts classes only: leave them out, or add --objects distance."
        )


def _inputs(args: Namespace, training_set: "TrainingSet") -> Iterator[Path]:
    """All files that are read."""
    yield Path(args.images)
    if args.start:
        yield Path(args.start)
    if weights := getattr(args, "weights", None):
        yield Path(weights)
    for row in training_set.rows:
        for each in (row.image, row.labels, row.object_classes, row.regions):
            yield from getattr(each, "paths", ())
