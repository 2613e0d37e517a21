"""Train, and save the model at the end, after a signal or after an error."""

from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from napari_segkit.config import TrainConfig
from napari_segkit.steps import Step
from napari_segkit.training.events import DivergenceWarning, TrainStep, ValidationStep

from . import training_lines as lines
from .signals import Stop
from .terminal import USER_ERRORS, error_line, print_files, say, show_progress

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter

LESS_MEMORY = "give a smaller --batch-size or --tile-size, or a smaller --encoder"


def train_and_save(
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


def train_until_signal(
    segmenter: "Segmenter",
    steps: Generator[Step, object, "Segmenter"],
    config: TrainConfig,
    stop: Stop,
) -> None:
    """Train until a signal; say what is held out, and each validation."""
    from napari_segkit.training.distributed import current

    last: TrainStep | None = None
    best: ValidationStep | None = None
    steps = lines.saying_first(segmenter, steps)
    with closing(show_progress(steps, lines.describe, partial(lines.expected, config))) as shown:
        for step in shown:
            if isinstance(step, ValidationStep):
                say(lines.validation_line(step))
                best = step if step.is_best else best
                continue
            stop.add_of_others(current().signal)
            if stop.count:
                return
            last = step if isinstance(step, TrainStep) else last
    lines.say_end(segmenter, config, last, best)


def _how_to_resume(checkpoint: Path) -> str:
    again = (
        " The same command with --resume --overwrite (and without --preset or --start) goes on "
        "with the training."
    )
    return again if checkpoint.exists() else ""


def save_model(segmenter: "Segmenter", output: Path, *, overwrite: bool) -> Path:
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
