"""What a process does that predicts files for another one: `serve`."""

import os
import signal
import warnings
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.io.image_files import ImageFiles
from napari_segkit.steps import Step

from .one_file import FileSettings, PredictedFile, file_steps

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter

OF_TERMINALS = ("SIGINT", "SIGHUP")  # sent to all processes of a command; the first one decides


class PipeClosedError(Exception):
    """The first process has ended, or wants no more."""


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class Done:
    """A file is predicted; `notes` are warnings."""

    result: PredictedFile
    notes: Sequence[str]


@dataclass(frozen=True)
class Failed:
    """A file could not be predicted."""

    error: BaseException
    notes: Sequence[str]


def serve(pipe: Connection, model: Path, device: str, threads: int, settings: FileSettings) -> None:
    """Load the model, then predict files until the pipe is closed."""
    for name in OF_TERMINALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    from napari_segkit.devices import use_threads
    from napari_segkit.segmenter import Segmenter

    use_threads(threads)
    segmenter = Segmenter.load(model, device=device)
    with suppress(EOFError, OSError, PipeClosedError):
        pipe.send(Ready())
        while True:
            source, target = pipe.recv()
            pipe.send(_predicted(pipe, segmenter, source, target, settings))
    Finalize(None, os._exit, (0,), exitpriority=-100)  # Python takes seconds to forget torch


def _predicted(
    pipe: Connection,
    segmenter: "Segmenter",
    source: ImageFiles,
    target: Path,
    settings: FileSettings,
) -> Done | Failed:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            result = _run(pipe, segmenter, source, target, settings)
        except PipeClosedError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  the other files go on
            return Failed(_portable(error), _notes(caught))
        return Done(result, _notes(caught))


def _run(
    pipe: Connection,
    segmenter: "Segmenter",
    source: ImageFiles,
    target: Path,
    settings: FileSettings,
) -> PredictedFile:
    """Predict a file, telling of each step."""
    with closing(file_steps(segmenter, source, target, settings)) as steps:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            try:
                pipe.send(Step(step.done, step.total))
            except OSError as error:
                raise PipeClosedError from error


def _notes(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    return [str(note.message) for note in caught if issubclass(note.category, UserWarning)]


def _portable(error: BaseException) -> BaseException:
    """The error, or if it cannot be sent to another process, its words."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:  # noqa: BLE001  of a library, such as a class that is made of other arguments
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
