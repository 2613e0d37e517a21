"""Several processes that predict files at the same time, each one file after the other."""

import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from napari_segkit.io.image_files import ImageFiles
from napari_segkit.jobs.predict import PARTS, ImageResult, ImageStep
from napari_segkit.steps import Failure, Finish, Step

from .one_file import FileSettings
from .serve import Done, Failed, Ready, serve

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter

FileJob = tuple[ImageFiles, Path]
SPAWN = get_context("spawn")  # a fork of a process with threads may hang
ENDING_SECONDS = 10.0  # in which a process removes what it has not finished
LISTEN_SECONDS = 1.0  # after which a command is heard


class ProcessEndedError(RuntimeError):
    """A process has ended without an answer."""


def predict_in_processes(
    segmenter: "Segmenter", jobs: Sequence[FileJob], settings: FileSettings, processes: int
) -> Generator[Step, object, int]:
    """Predict files in several processes, with the steps and the result of `predict_each`.

    A process that ends costs the file it was at; another one takes its place.
    """
    from torch import get_num_threads

    from napari_segkit import model_file

    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="segkit-"))
        model = Path(folder) / "model.segkit"
        model_file.save(segmenter.ready(), model)
        threads = max(1, get_num_threads() // processes)
        team = _Team(jobs, (model, segmenter.device, threads, settings))
        stack.callback(team.close)
        return (yield from team.steps(processes))


class _Worker:
    """A process, what it is doing, and this side's end of the pipe to it."""

    def __init__(self, arguments: tuple[object, ...]) -> None:
        self.pipe, other = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(other, *arguments), daemon=True)
        self.process.start()
        other.close()
        self.is_ready = False
        self.job: int | None = None  # number of its file
        self.part = 0  # of PARTS, of this file

    def end(self) -> None:
        """End it: it hears of a closed pipe after its tile."""
        self.pipe.close()
        self.process.join(ENDING_SECONDS)
        self.process.kill()
        self.process.join()


class _Team:
    """Workers, and the files that are left."""

    def __init__(self, jobs: Sequence[FileJob], arguments: tuple[object, ...]) -> None:
        self._jobs, self._arguments = jobs, arguments
        self._left = iter(range(len(jobs)))
        self._workers: list[_Worker] = []
        self._ended = self._predicted = 0  # files

    def steps(self, count: int) -> Generator[Step, object, int]:
        """Predict all files; return how many were predicted."""
        self._workers = [_Worker(self._arguments) for _ in range(count)]
        while self._workers:
            for step in list(self._news()) or [self._step()]:
                if isinstance((yield step), Finish):
                    return self._predicted
        return self._predicted

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.end()

    def _news(self) -> Iterator[Step]:
        """What the workers have to say, after they got their next file."""
        of_pipe = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(of_pipe), LISTEN_SECONDS):
            worker = of_pipe[pipe]  # type: ignore[index]
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                yield self._replaced(worker)
                continue
            yield self._heard(worker, message)
            if not isinstance(message, Step):
                self._give_next(worker)

    def _heard(self, worker: _Worker, message: Step | Ready | Done | Failed) -> Step:
        if isinstance(message, Step):
            worker.part = PARTS * message.done // max(message.total, 1)
            return self._step()
        worker.is_ready = True
        if isinstance(message, Ready):
            return self._step()
        try:
            for note in message.notes:
                warnings.warn(note, UserWarning, stacklevel=2)
        except UserWarning as error:  # with ``python -W error``
            message = Failed(error, ())
        if isinstance(message, Failed):
            return self._failure(worker, message.error)
        self._predicted += 1
        name, number = self._ends(worker)
        done, total = self._progress()
        return ImageResult(done, total, f"{name} is predicted", number, message.result)

    def _replaced(self, worker: _Worker) -> Step:
        """Take another worker for one that has ended."""
        worker.end()
        self._workers.remove(worker)
        code = worker.process.exitcode
        if not worker.is_ready:
            raise ProcessEndedError(
                f"A process could not be started (it ended with {code}): choose processes=1; a "
                'script that asks for more has to do so below if __name__ == "__main__".'
            )
        self._workers.append(_Worker(self._arguments))
        error = ProcessEndedError(
            f"its process was ended with {code}, as systems do when memory runs out: choose fewer "
            "processes."
        )
        return self._failure(worker, error)

    def _failure(self, worker: _Worker, error: BaseException) -> Step:
        name, _ = self._ends(worker)
        return Failure(*self._progress(), error, name)

    def _ends(self, worker: _Worker) -> tuple[str, int]:
        """Name and number of the file that a worker was at."""
        assert worker.job is not None
        number, worker.job, worker.part = worker.job, None, 0
        self._ended += 1
        return self._jobs[number][0].name, number

    def _give_next(self, worker: _Worker) -> None:
        worker.job = next(self._left, None)
        if worker.job is None:
            self._workers.remove(worker)
            worker.end()
        else:
            with suppress(OSError):  # of one that has just ended, which `recv` tells
                worker.pipe.send(self._jobs[worker.job])

    def _step(self) -> Step:
        busy = sum(worker.job is not None for worker in self._workers)
        text = f"{self._ended} of {len(self._jobs)} images, {busy} at the same time"
        return ImageStep(*self._progress(), text)

    def _progress(self) -> tuple[int, int]:
        parts = sum(worker.part for worker in self._workers)
        return PARTS * self._ended + parts, PARTS * len(self._jobs)
