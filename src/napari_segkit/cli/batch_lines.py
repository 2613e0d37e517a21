"""What a terminal shows of predictions of many files."""

import traceback
from typing import TYPE_CHECKING

from napari_segkit.jobs.predict import ImageResult
from napari_segkit.models import KINDS
from napari_segkit.steps import Failure, Step, drain, map_steps

from .signals import HeldSignals, interrupt, on_signals
from .terminal import USER_ERRORS, error_line, print_files, print_warnings, say, show_progress

if TYPE_CHECKING:
    from napari_segkit.jobs.batch.one_file import PredictedFile
    from napari_segkit.jobs.batch.predict_files import Batch

SCREEN = 10  # files whose errors are all in sight at the end


def run_batch(batch: "Batch", held: HeldSignals, *, several: bool, less_memory: str) -> int:
    """Predict files, and print what was written; gives the exit status: 1 if a file failed.

    The error of a file that is not one of several is raised.
    """
    failed: list[str] = []

    def show(step: Step) -> Step:
        if isinstance(step, Failure):
            if not several:
                raise step.error
            failed.append(_say_failure(step, less_memory))
        elif isinstance(step, ImageResult):
            _print_result(step.result, batch)
        held.require_none()
        return step

    with on_signals(interrupt), print_warnings():
        drain(show_progress(map_steps(batch.steps(), show), _text, numbered=False))
    if batch.measurements is not None and batch.measurements.exists():
        print_files([batch.measurements])
    if failed:
        repeated = failed if len(batch.jobs) > SCREEN else ()
        say("\n".join([f"{len(failed)} of {len(batch.jobs)} files failed.", *repeated]))
    return min(len(failed), 1)


def _text(step: Step) -> str:
    return f"{step.part} failed" if isinstance(step, Failure) else getattr(step, "text", "")


def _say_failure(step: Failure, less_memory: str) -> str:
    """Say why a file failed, with the traceback of what is no mistake of a user."""
    if not isinstance(step.error, USER_ERRORS):
        say("".join(traceback.format_exception(step.error)).rstrip())
    line = f"{step.part}: {error_line(step.error, less_memory)}"
    say(line)
    return line


def _print_result(result: "PredictedFile", batch: "Batch") -> None:
    print_files(result.files)
    if result.objects is not None:
        noun = KINDS[batch.segmenter.ready().kind].noun
        plural = "" if result.objects == 1 else "s"
        say(f"{result.name}: {result.objects} {noun}{plural}")
