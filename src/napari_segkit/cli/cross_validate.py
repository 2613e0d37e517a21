"""``segkit cross-validate``: train without each fold of a training set, and evaluate on it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import FoldConfig
from napari_segkit.steps import Failure, Finish, Step

from .file_options import (
    add_device,
    add_overwrite,
    model_file,
    one_place,
    print_pairs,
    project_files,
    say_pairs,
    set_up_device,
)
from .options import add_options, read_options
from .signals import Stop, held_signals
from .table_files import check_table, write_table
from .terminal import error_line, print_files, print_warnings, say, show_progress
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
from .training_run import LESS_MEMORY as LESS_MEMORY
from .training_run import save_model
from .training_settings import spec_and_config

if TYPE_CHECKING:
    from napari_segkit.cross_validation.results import CrossValidation
    from napari_segkit.training_set import TrainingSet

STOPPING = "Stopping after this step; the folds that are complete are kept."
ENDING = "Stopping; one more signal (Ctrl-C) discards all folds."


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s IMAGES [LABELS] [-o MODEL] [--csv FILE] [options]"
    add_images(parser)
    parser.add_argument("-o", "--output", metavar="MODEL",
                        help="write one model that predicts the mean of the probabilities of the "
                             "folds' models: a file such as a.segkit, or a folder for "
                             "model.segkit")  # fmt: skip
    parser.add_argument("--csv", metavar="FILE",
                        help="write the metrics of every fold and their spread here")  # fmt: skip
    add_overwrite(parser)
    add_options(parser.add_argument_group("folds"), FoldConfig())
    add_device(parser)
    add_set(parser.add_argument_group("training set"))
    add_model(parser.add_argument_group("model"))
    add_settings(parser)
    parser.set_defaults(start=None)


def run(args: Namespace) -> int:
    from napari_segkit.cross_validation.run import cross_validations
    from napari_segkit.mean_model import require_mean

    from .training_summary import say_training_data

    folds = read_options(args, FoldConfig())
    labels = one_place(args.images, args.labels)
    project = given_project(args, labels)
    training_set = read_training_set(args, labels) if project is None else project.labelled
    pairs = [(image, mask) for image, mask in project_files(training_set) if mask is not None]
    if args.show_pairs:
        return print_pairs(pairs)
    spec, config = spec_and_config(args, project=project)
    config.require_end()
    if args.output:
        require_mean(spec)
    output = _checked_output(args, training_set)
    say_pairs(pairs, labels or args.images)
    check_kind(training_set, spec)
    steps = cross_validations(
        spec, training_set, config, folds.folds, over=folds.over, device=args.device
    )
    with print_warnings():
        labelled = read_images(steps)
    say_training_data(labelled, training_set, spec, config)
    set_up_device(args)
    with print_warnings(), held_signals(STOPPING, ENDING) as stop:
        found = _until_signal(steps, stop)
        if not found.folds:
            say("Interrupted before the first fold was complete: nothing was saved.")
            return 128 + stop.number
        print(found, flush=True)
        if args.csv:
            print_files([write_table(Path(args.csv), found.table(), overwrite=args.overwrite)])
        is_saved = output is None or _save_mean(found, output, overwrite=args.overwrite)
    return 0 if is_saved and len(found.folds) == found.planned else 1


def _checked_output(args: Namespace, training_set: "TrainingSet") -> Path | None:
    """The model file to write, if any; it and the table are checked before the work."""
    read = list(inputs(args, training_set))
    if args.csv:
        check_table(Path(args.csv), read, overwrite=args.overwrite)
    return model_file(args, read) if args.output else None


def _until_signal(
    steps: Generator[Step, object, "CrossValidation"], stop: Stop
) -> "CrossValidation":
    """Run until a signal, and say what each fold gives."""
    command: object = None
    with closing(show_progress(steps, _describe)) as shown:
        try:
            while True:
                _say_step(shown.send(command))
                command = Finish() if stop.count else None
        except StopIteration as end:
            found: CrossValidation = end.value
            return found


def _describe(step: Step) -> str:
    """Text shown before a step's number."""
    from napari_segkit.cross_validation.events import FoldStep

    return f"fold {step.fold} of {step.folds}" if isinstance(step, FoldStep) else "folds"


def _say_step(step: Step) -> None:
    from napari_segkit.cross_validation.events import FoldEnded, FoldsChosen

    match step:
        case FoldsChosen():
            say(f"{step.text}.")
            for note in step.notes:
                say(f"Note: {note}")
        case FoldEnded():
            say(f"Fold {step.fold.number}, {step.fold.about}: {step.fold.report.means()}.")
        case Failure():
            say(f"{step.part} failed: {error_line(step.error, LESS_MEMORY)}")


def _save_mean(found: "CrossValidation", output: Path, *, overwrite: bool) -> bool:
    """Save the mean of the folds' models; whether there is one."""
    from napari_segkit.jobs.output_files import new_folders

    if len(found.folds) < 2:
        say("Only one fold is complete, and a mean needs two: no model is saved.")
        return False
    with new_folders(output):
        print_files([save_model(found.mean_model(), output, overwrite=overwrite)])
    return True
