"""``segkit train``: train a model on image and label files, and save it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.io.training_files import ImageFile, LabelFile
from napari_segkit.models import predicts_objects, resolve
from napari_segkit.models.presets import PRESETS, Preset, preset
from napari_segkit.steps import Step, duration, map_steps
from napari_segkit.training.events import (
    DivergenceWarning,
    ReadStep,
    TrainStep,
    ValidationStep,
)

from .file_options import (
    LIST,
    add_common,
    add_overwrite,
    add_show_pairs,
    model_file,
    one_place,
    print_pairs,
    require_output,
    say_pairs,
    set_up_device,
)
from .options import add_options, read_options
from .pair_picture import write_pairs
from .signals import Stop, held_signals
from .terminal import (
    USER_ERRORS,
    display,
    error_line,
    print_files,
    print_warnings,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.training.dataset import LabelledImages
    from napari_segkit.training_set import TrainingRow, TrainingSet

LESS_MEMORY = "give a smaller --batch-size or --tile-size, or a smaller --encoder"
FEW_CLASSES = 10  # whose Dice is shown in a line
STOPPING = "Stopping after this step, then saving the model."
MANY_IMAGES = 100
SAVING = "Stopping and saving; one more signal (Ctrl-C) discards the training."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("images", help=f"file, folder with its sub-folders (also of both, such as "
                                        f"c0_img.png and c0_masks.png), pattern in quotes, such "
                                        f"as 'img/*.png', or {LIST}")  # fmt: skip
    parser.add_argument("labels", nargs="*",
                        help="file, folder or pattern; not with a CSV list")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="MODEL",
                        help="model file to write, such as a.segkit, or a folder for "
                             "model.segkit")  # fmt: skip
    add_show_pairs(parser)
    parser.add_argument("--show", metavar="PNG",
                        help="only write a picture of random pairs, images with their labels over "
                             "them, and stop")  # fmt: skip
    add_common(parser)
    add_overwrite(parser)
    parser.add_argument("--preset", choices=PRESETS,
                        help="a model with training settings; further options override "
                             "it")  # fmt: skip
    parser.add_argument("--object-classes", metavar="PATH",
                        help="file or folder like the labels: in each object, the value of its "
                             "class; in a CSV list, the column classes")  # fmt: skip
    parser.add_argument("--regions", metavar="PATH",
                        help="file or folder like the labels: not 0 where every object is "
                             "annotated; in a CSV list, the column regions")  # fmt: skip
    parser.add_argument("--fit-masks", action="store_true",
                        help="resample masks of another size than their image to it (nearest "
                             "neighbour)")  # fmt: skip
    parser.add_argument("--log", metavar="FOLDER",
                        help="write the loss of each step and the validation into this folder: a "
                             "table (history.csv), curves (history.png), and the log of "
                             "TensorBoard if that is installed")  # fmt: skip
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--start", metavar="MODEL",
                       help="go on with the weights of a trained model, its method and its "
                            "settings, on more or corrected images; further options override the "
                            "settings")  # fmt: skip
    begin.add_argument("--resume", nargs="?", const=True, metavar="STATE",
                       help="go on with a training that was interrupted, with its model and "
                            "settings, from the state beside the output (MODEL.state) or from "
                            "this one")  # fmt: skip
    names = {"name": "model", "options": "option"}
    add_options(parser, ModelSpec(), names=names, suppress=True)
    add_options(parser, TrainConfig(), suppress=True)


def run(args: Namespace) -> int:
    from napari_segkit.jobs.checkpoints import with_checkpoints
    from napari_segkit.jobs.output_files import new_folders
    from napari_segkit.jobs.training_log import check_log_folder, logged
    from napari_segkit.training_set import TrainingSet

    from .training_summary import say_training_data

    if not args.show:
        require_output(args)
    labels = one_place(args.images, args.labels)
    with print_warnings():
        training_set = TrainingSet.from_files(
            args.images,
            labels,
            object_classes=args.object_classes,
            regions=args.regions,
            axes=args.axes,
            spacing=args.spacing,
            fit_masks=args.fit_masks or bool(args.preset and preset(args.preset).fit_masks),
        )
    pairs = [_pair(row) for row in training_set.rows]
    if args.show_pairs:
        return print_pairs(pairs)
    if args.show:
        spec, config = spec_and_config(args)
        return write_pairs(args, training_set, spec, config, _inputs(args, training_set))
    output = model_file(args, _inputs(args, training_set))
    checkpoint, resume = _states(args, output)
    if args.log:
        check_log_folder(Path(args.log), overwrite=args.overwrite or resume is not None)
    spec, config = spec_and_config(args, resume)
    say_pairs(pairs, labels or args.images)
    _check_kind(training_set, spec)
    segmenter = _segmenter(args, spec, resume)
    steps = segmenter.train_epochs(
        training_set, config=config, resume=resume, start="current" if args.start else None
    )
    with print_warnings():
        labelled = _read(steps)
    say_training_data(labelled, training_set.with_role("train"), spec, config)
    set_up_device(args)
    save = partial(_save, segmenter, output, overwrite=args.overwrite)
    with new_folders(output), print_warnings(), held_signals(STOPPING, SAVING) as stop:
        steps = with_checkpoints(steps, checkpoint)
        if args.log:
            steps = logged(steps, Path(args.log), go_on=resume is not None)
        train = partial(_train, segmenter, steps, config, stop)
        return _train_and_save(segmenter, train, stop, save, checkpoint)


def _read(steps: Generator[Step, object, "Segmenter"]) -> "LabelledImages":
    """Read the training set, with its progress if that takes a while."""
    with display() as show:
        for step in steps:
            if step.total >= MANY_IMAGES:
                show("reading", step)
            if isinstance(step, ReadStep) and step.labelled is not None:
                return step.labelled
    raise AssertionError("a training begins with its images")


def _pair(row: "TrainingRow") -> "tuple[ImageFiles, ImageFiles]":
    image, labels = row.image, row.labels
    assert isinstance(image, ImageFile)
    assert isinstance(labels, LabelFile)
    return image.files, labels.files


def _train_and_save(
    segmenter: "Segmenter",
    train: Callable[[], None],
    stop: Stop,
    save: Callable[[], Path],
    checkpoint: Path,
) -> int:
    """Train to the end or until a signal; an error leaves the model too. Gives the exit status.

    The checkpoint of a training that has ended is removed.
    """
    status, before = 0, segmenter.trained
    try:
        with catch_warnings():
            simplefilter("error", DivergenceWarning)  # the exit status tells of it
            train()
    except USER_ERRORS as error:
        if segmenter.trained is before:
            raise
        say(error_line(error, LESS_MEMORY))
        status = 1
        if isinstance(error, DivergenceWarning):
            checkpoint.unlink(missing_ok=True)  # it would diverge again
    if stop.count and segmenter.trained is before:
        say("Interrupted before the first training step: nothing was saved.")
        return 128 + stop.number
    output = save()
    if status:
        say(f"The model is saved as trained before this error.{_how_to_resume(checkpoint)}")
    elif stop.count:
        say(f"Interrupted: the model is saved as trained so far.{_how_to_resume(checkpoint)}")
    else:
        checkpoint.unlink(missing_ok=True)
    print_files([output])
    return status


def _train(
    segmenter: "Segmenter",
    steps: Generator[Step, object, "Segmenter"],
    config: TrainConfig,
    stop: Stop,
) -> None:
    """Train until a signal; say what is held out, and each validation."""
    last: TrainStep | None = None
    best: ValidationStep | None = None
    steps = _saying_what_is_held_out(segmenter, steps)
    with closing(show_progress(steps, _describe, partial(_expected, config))) as shown:
        for step in shown:
            if isinstance(step, ValidationStep):
                say(validation_line(step))
                best = step if step.is_best else best
                continue
            if stop.count:
                return
            if isinstance(step, TrainStep):
                if last is None and step.precision != "float32":
                    say(f"Computing in {step.precision} (--precision float32 for full precision).")
                last = step
    _say_end(segmenter, config, last, best)


def _say_end(
    segmenter: "Segmenter",
    config: TrainConfig,
    last: TrainStep | None,
    best: ValidationStep | None,
) -> None:
    """Say how the model does where labels are held out, and an early end."""
    if best is not None:
        say(f"Best: epoch {best.epoch}, {main_figure(best)} on {best.basis}.")
    if config.thresholds:
        chosen = [f"{c.value}: {c.threshold:g}" for c in segmenter.refine.clean if c.threshold]
        say(f"Thresholds of classes: {', '.join(chosen) or 'none'}.")
    if last is not None:
        _say_early_end(config, last)


def _say_early_end(config: TrainConfig, last: TrainStep) -> None:
    """Say how far a training came if time or patience ended it."""
    done = f"{last.done} steps" if config.epochs is None else f"{last.done} of {last.total} steps"
    if _is_out_of_time(config, last):
        say(f"The time limit is reached after {done} ({last.images} patches).")
    elif config.patience and last.done < last.total:
        say(f"Ended after {done}: {config.patience} validations no better.")


def _is_out_of_time(config: TrainConfig, last: TrainStep) -> bool:
    in_time = ceil(last.done * 60 * (config.minutes or 0) / max(last.seconds, 1e-3))
    if config.minutes is None or config.epochs is None:
        return config.minutes is not None and config.patience is None
    return last.done < last.total and in_time <= last.done + 1


def _saying_what_is_held_out(
    segmenter: "Segmenter", steps: Generator[Step, object, "Segmenter"]
) -> Generator[Step, object, "Segmenter"]:
    """The same steps; the first one is after the sentence."""
    said: list[str] = []

    def say_first(step: Step) -> Step:
        if not said and segmenter.held_out is not None:
            said.append(segmenter.held_out.about)
            say(*said)
        return step

    return map_steps(steps, say_first)


def _states(args: Namespace, output: Path) -> tuple[Path, Path | None]:
    """The checkpoint to write, beside the model, and the one to go on from."""
    from napari_segkit.io.filenames import STATE

    checkpoint = output.with_name(output.name + STATE)
    if args.resume is None and checkpoint.exists() and not args.overwrite:
        raise ValueError(
            f"{checkpoint} was left by a training that was interrupted: add --resume to go on with "
            "it, or --overwrite to train anew."
        )
    return checkpoint, checkpoint if args.resume is True else args.resume and Path(args.resume)


def _how_to_resume(checkpoint: Path) -> str:
    again = " The same command with --resume --overwrite goes on with the training."
    return again if checkpoint.exists() else ""


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


def spec_and_config(args: Namespace, resume: Path | None = None) -> tuple[ModelSpec, TrainConfig]:
    """The model and training settings: options override the preset.

    Another model than the preset's does not take the preset's encoder, and minutes take the place
    of its epochs. Those of a training that is resumed cannot be changed.
    """
    if resume is not None:
        return _settings_of(args, resume)
    base = preset(args.preset) if args.preset else _base(args)
    name = getattr(args, "name", base.spec.name)
    spec = base.spec if name == base.spec.name else ModelSpec(name)
    config = base.config
    if getattr(args, "minutes", None) and not hasattr(args, "epochs"):
        config = replace(config, epochs=None, minutes=args.minutes)
    spec, config = read_options(args, spec), read_options(args, config)
    if base.imagenet and "weights" not in args:
        spec = _with_weights_at_hand(spec)
    return spec, config


def _with_weights_at_hand(spec: ModelSpec) -> ModelSpec:
    """The spec with ImageNet weights if they were downloaded before; else say so."""
    from napari_segkit.models.weights.pretrained import cached

    pretrained = replace(resolve(spec), weights="imagenet")
    if cached(pretrained):
        return pretrained
    say(
        f"The ImageNet weights of {pretrained.encoder} are not on this computer: training starts "
        "from random weights; --weights imagenet downloads them."
    )
    return spec


def _base(args: Namespace) -> Preset:
    """What options are added to without a preset: the settings of the model to start from."""
    if args.start is None:
        return Preset("", "", ModelSpec())
    from napari_segkit.model_file import load

    model = load(Path(args.start))
    return Preset("", "", model.spec, model.config)


def _settings_of(args: Namespace, state: Path) -> tuple[ModelSpec, TrainConfig]:
    """Model and settings of a training to go on with; ValueError if an option differs."""
    from napari_segkit.training.state_file import read_settings, require_settings

    if args.preset:
        raise ValueError(
            f"--preset {args.preset} cannot be used with --resume, because {state.name} holds the "
            "settings: leave it out."
        )
    spec, config = read_settings(state)
    require_settings(state, read_options(args, spec), read_options(args, config))
    return spec, config


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


def _save(segmenter: "Segmenter", output: Path, *, overwrite: bool) -> Path:
    """Save the model and give the file; if that fails, save it in a temporary folder and say so."""
    from napari_segkit.io.output_paths import write_new
    from napari_segkit.io.replace_file import make_spare_folder

    try:
        return write_new(output, partial(segmenter.save, overwrite=overwrite), overwrite=overwrite)
    except Exception as error:
        with suppress(Exception):
            spare = make_spare_folder() / output.name
            segmenter.save(spare)
            said = error_line(error, LESS_MEMORY)
            error = OSError(f"{said} The model was saved as {spare} instead.")
        raise error from None


def main_figure(step: ValidationStep) -> str:
    """The score of a validation by its name."""
    if step.objects:
        return f"F1 {step.f1:.4f} at IoU 0.5 and mean AP {step.ap:.4f}"
    return f"mean Dice {step.score:.4f}"


def validation_line(step: ValidationStep) -> str:
    """One line on a validation: score, loss, and Dice of each class if they are few."""
    few = {value: dice for value, dice in step.dice.items() if dice == dice}
    classes = ", ".join(f"{value}: {dice:.4f}" for value, dice in few.items())
    shown = f" ({classes})" if not step.objects and len(few) <= FEW_CLASSES else ""
    loss = f", loss {step.loss:.4f}" if step.loss == step.loss else ""
    return f"Validation of epoch {step.epoch}: {main_figure(step)}{shown}{loss}."


def _describe(step: Step) -> str:
    """Text shown before a step's number: of training, or of computing features before."""
    if isinstance(step, ValidationStep):
        return f"epoch {step.epoch}  validation {step.score:.4f}  step"
    if not isinstance(step, TrainStep):
        return "features"
    return f"{duration(step.seconds)}  epoch {step.epoch}  loss {step.loss:.4f}  step"


def _expected(config: TrainConfig, step: Step) -> int:
    """The steps that there is time for."""
    if None in (config.minutes, config.epochs) or not isinstance(step, TrainStep):
        return step.total
    in_time = ceil(step.done * 60 * (config.minutes or 0) / max(step.seconds, 1e-3))
    return max(step.done, min(step.total, in_time))
