"""What a terminal shows of predictions of many files."""

import traceback
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from napari_segkit.jobs.predict import ImageResult
from napari_segkit.models import KINDS
from napari_segkit.steps import Failure, Step, drain, map_steps

from .signals import HeldSignals, interrupt, on_signals
from .terminal import (
    USER_ERRORS,
    error_line,
    in_options,
    print_files,
    print_warnings,
    say,
    say_note,
    show_progress,
)

if TYPE_CHECKING:
    from napari_segkit.jobs.batch.one_file import PredictedFile
    from napari_segkit.jobs.batch.predict_files import Batch

SCREEN = 10  # files whose errors are all in sight at the end


def run_batch(batch: "Batch", held: HeldSignals, *, several: bool, less_memory: str) -> int:
    """Predict files, and print what was written; gives the exit status: 1 if a file failed.

    The error of a file that is not one of several is raised.
    """
    failed: list[str] = []
    notes = FileNotes(
        {name for source, _ in batch.jobs for name in (source.name, source.path.name)}
    )

    def show(step: Step) -> Step:
        if isinstance(step, Failure):
            if not several:
                raise step.error
            failed.append(_say_failure(step, less_memory))
        elif isinstance(step, ImageResult):
            _print_result(step.result, batch)
        held.require_none()
        return step

    with on_signals(interrupt), print_warnings(notes.add):
        drain(show_progress(map_steps(batch.steps(), show), _text, numbered=False))
    notes.say_repeated()
    if batch.measurements is not None and batch.measurements.exists():
        print_files([batch.measurements])
    if failed:
        repeated = failed if len(batch.jobs) > SCREEN else ()
        say("\n".join([f"{len(failed)} of {len(batch.jobs)} files failed.", *repeated]))
    return min(len(failed), 1)


class FileNotes:
    """Notes about files with these names: of those that differ in the name, the first is said."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._first: dict[str, str] = {}
        self._count = Counter[str]()

    def add(self, text: str) -> None:
        """Say a note, unless one of another file says the same."""
        name = max((name for name in self._names if name in text), key=len, default="")
        kind = text.replace(name, "") if name else text
        self._count[kind] += 1
        if self._count[kind] == 1:
            self._first[kind] = text
            say_note(text)

    def say_repeated(self) -> None:
        """Say how many more files there are notes about."""
        for kind, text in self._first.items():
            if more := self._count[kind] - 1:
                say(f"Note, also of {more} more file{'s' * (more > 1)}: {in_options(text)}")


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
