"""``segkit train``: train a model on image and label files, and save it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import predicts_objects
from napari_segkit.models.presets import PRESETS, Preset, preset
from napari_segkit.steps import Step
from napari_segkit.training.events import DivergenceWarning, TrainStep

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
from .signals import Stop, held_signals
from .terminal import (
    USER_ERRORS,
    duration,
    error_line,
    print_files,
    print_warnings,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from napari_segkit.io.folders import TrainingFiles
    from napari_segkit.segmenter import Segmenter

LESS_MEMORY = "give a smaller --batch-size or --tile-size, or a smaller --encoder"
STOPPING = "Stopping after this step, then saving the model."
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
    names = {"name": "model", "options": "option"}
    add_options(parser, ModelSpec(), names=names, suppress=True)
    add_options(parser, TrainConfig(), suppress=True)


def run(args: Namespace) -> int:
    from napari_segkit.io.folders import training_files
    from napari_segkit.jobs.output_files import new_folders
    from napari_segkit.jobs.training_files import read_training_files
    from napari_segkit.segmenter import Segmenter

    from .training_summary import say_training_data

    require_output(args)
    spec, config = spec_and_config(args)
    labels = one_place(args.images, args.labels)
    with print_warnings():
        files = training_files(
            args.images, labels, classes=args.object_classes, regions=args.regions
        )
    pairs = [(f.image, f.labels) for f in files]
    if args.show_pairs:
        return print_pairs(pairs)
    output = model_file(args, _inputs(args, files))
    say_pairs(pairs, labels or args.images)
    _check_kind(files, spec)
    segmenter = Segmenter(spec, device=args.device)
    with print_warnings():
        data = read_training_files(files, axes=args.axes, spacing=args.spacing)
    say_training_data(data, spec, config)
    set_up_device(args)
    steps = segmenter.train_epochs(
        data.images,
        data.labels,
        config,
        object_classes=data.object_classes,
        regions=data.regions,
    )
    save = partial(_save, segmenter, output, overwrite=args.overwrite)
    with new_folders(output), print_warnings(), held_signals(STOPPING, SAVING) as stop:
        train = partial(_train, steps, config, stop)
        return _train_and_save(segmenter, train, stop, save)


def _train_and_save(
    segmenter: "Segmenter", train: Callable[[], None], stop: Stop, save: Callable[[], Path]
) -> int:
    """Train to the end or until a signal; an error leaves the model too. Gives the exit status."""
    status = 0
    try:
        with catch_warnings():
            simplefilter("error", DivergenceWarning)  # the exit status tells of it
            train()
    except USER_ERRORS as error:
        if not segmenter.is_trained:
            raise
        say(error_line(error, LESS_MEMORY))
        status = 1
    if stop.count and not segmenter.is_trained:
        say("Interrupted before the first training step: nothing was saved.")
        return 128 + stop.number
    output = save()
    if status:
        say("The model is saved as trained before this error.")
    elif stop.count:
        say("Interrupted: the model is saved as trained so far.")
    print_files([output])
    return status


def _train(steps: Generator[Step, object, "Segmenter"], config: TrainConfig, stop: Stop) -> None:
    """Train until a signal, and say if the time limit ended it."""
    count, step = 0, Step(0, 0)
    with closing(show_progress(steps, _describe, partial(_expected, config))) as shown:
        for shown_step in shown:
            if stop.count:
                return
            count, step = count + 1, shown_step
    in_time = _expected(config, step)
    if config.minutes and count < step.total and in_time <= step.done + 1:
        say(f"The time limit is reached after {count} of {step.total} steps.")


def spec_and_config(args: Namespace) -> tuple[ModelSpec, TrainConfig]:
    """The model and training settings: options override the preset.

    Another model than the preset's does not take the preset's encoder.
    """
    base = preset(args.preset) if args.preset else Preset("", "", ModelSpec())
    name = getattr(args, "name", base.spec.name)
    spec = base.spec if name == base.spec.name else ModelSpec(name)
    return read_options(args, spec), read_options(args, base.config)


def _check_kind(files: Sequence["TrainingFiles"], spec: ModelSpec) -> None:
    if not predicts_objects(spec) and any(f.classes or f.regions for f in files):
        raise ValueError(
            f"--object-classes and --regions are for models that predict objects, but "
            f"{spec.name} predicts classes only: leave them out, or add --objects distance."
        )


def _inputs(args: Namespace, files: Sequence["TrainingFiles"]) -> Iterator[Path]:
    """All files that are read."""
    yield Path(args.images)
    if weights := getattr(args, "weights", None):
        yield Path(weights)
    for training in files:
        for each in (training.image, training.labels, training.classes, training.regions):
            yield from each.paths if each else ()


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


def _describe(step: Step) -> str:
    """Text shown before a step's number: of training, or of computing features before."""
    if not isinstance(step, TrainStep):
        return "features"
    return f"{duration(step.seconds)}  epoch {step.epoch}  loss {step.loss:.4f}  step"


def _expected(config: TrainConfig, step: Step) -> int:
    """The steps that there is time for."""
    if config.minutes is None or not isinstance(step, TrainStep):
        return step.total
    in_time = ceil(step.done * 60 * config.minutes / max(step.seconds, 1e-3))
    return max(step.done, min(step.total, in_time))
