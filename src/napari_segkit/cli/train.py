"""``segkit train``: train a model on image and label files, and save it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import predicts_objects
from napari_segkit.models.presets import PRESETS, Preset, preset
from napari_segkit.steps import Step
from napari_segkit.training.events import TrainStep

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
from .terminal import (
    USER_ERRORS,
    error_line,
    print_warnings,
    say,
    show_progress,
    stop_on_interrupt,
)

if TYPE_CHECKING:
    from napari_segkit.io.folders import TrainingFiles
    from napari_segkit.segmenter import Segmenter


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
    add_options(parser, ModelSpec(), names={"name": "model"}, suppress=True)
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
    with new_folders(output):
        save = partial(_save, segmenter, output, overwrite=args.overwrite)
        return _train_and_save(segmenter, show_progress(steps, _describe), save)


def _train_and_save(
    segmenter: "Segmenter",
    steps: Generator[Step, object, "Segmenter"],
    save: Callable[[], Path],
) -> int:
    """Train to the end or until Ctrl-C; gives the exit status."""
    with print_warnings(), stop_on_interrupt() as stop, closing(steps):
        for _ in steps:
            if stop.is_set():
                break
        steps.close()
        if stop.is_set() and not segmenter.is_trained:
            say("Interrupted before the first training step: nothing was saved.")
            return 130
        output = save()
    if stop.is_set():
        say("Interrupted: the model is saved as trained so far.")
    print(output)
    return 0


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
    from napari_segkit.io.replace_file import spare_folder

    try:
        return write_new(output, partial(segmenter.save, overwrite=overwrite), overwrite=overwrite)
    except USER_ERRORS as error:
        with suppress(OSError):
            spare = spare_folder() / output.name
            segmenter.save(spare)
            error = OSError(f"{error_line(error)} The model was saved as {spare} instead.")
        raise error from None


def _describe(step: Step) -> str:
    """Text shown before a step's number: of training, or of computing features before."""
    if not isinstance(step, TrainStep):
        return "features"
    minutes, seconds = divmod(int(step.seconds), 60)
    return f"{minutes}:{seconds:02d}  epoch {step.epoch}  loss {step.loss:.4f}  step"
