"""One task at a time in the background, with progress in napari's activity dock."""

import logging
from collections.abc import Generator
from functools import partial
from typing import Any

from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit.error_messages import failure
from napari_segkit.steps import Failure, Job, Writer

from .progress_bar import Progress
from .task import Task

LOG = logging.getLogger(__name__)
SPINNER_PERCENT = 10  # of its own speed
LOWER = "use smaller tiles, batches or images, or close other programs"


class Runner(LayerRegistry):
    """Runs work of a viewer in the background, one task at a time.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not kept alive.

    Attributes
    ----------
    busy_changed : Signal(bool)
        A task has started or ended.
    """

    busy_changed = Signal(bool)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self._task: Task | None = None
        self._beside: Task | None = None
        self._behind: list[Task] = []
        self._title = ""
        self._progress: Progress | None = None
        self._unreported_error = ""
        viewer.window.main_menu.window().destroyed.connect(self._on_window_closed)

    @property
    def task(self) -> Task | None:
        """The running task, or None."""
        return self._task

    def run(
        self,
        steps: Job[Any] | Generator[Any, Any, Any],
        *,
        title: str = "SegKit",
        writer: Writer[Any, object] | None = None,
    ) -> Task:
        """Run a job or a generator in the background, with progress and Cancel in napari.

        The window stays responsive. The result arrives in the task's signal `returned`; an error
        is shown as a napari notification, unless a dock shows it.

        Parameters
        ----------
        steps : Job or generator
            Such as ``segmenter.train_epochs(image, labels)`` or
            ``segmenter.predict_tiles(image)``.
        title : str
            Title of a generator in the activity dock; a job has its own.
        writer : Writer, optional
            Where the result goes, such as a `LayerWriter`.

        Returns
        -------
        Task
            With `stop()`, `send(command)` and the signals `yielded`, `written`, `returned`,
            `errored`, `finished`.

        Raises
        ------
        TypeError
            If `steps` is neither a job nor a generator.
        ValueError
            If another task is running.
        """
        if self._task is not None:
            raise ValueError(
                f"{self._title} is still running: wait until it ends, or stop it "
                "with session(viewer).stop() or Cancel in the activity dock."
            )
        job = steps if isinstance(steps, Job) else Job(title, steps)
        task = Task(
            job.steps,
            writer=writer,
            at_start=leave_a_core,
            at_end=self._after_work,
            finish=job.finish,
        )
        task.yielded.connect(self._on_yielded)
        task.errored.connect(self._on_errored)
        task.finished.connect(self._on_finished)
        task.setObjectName(job.title)
        self._task, self._title = task, job.title
        self.busy_changed.emit(True)  # before: it must not have changed the model yet
        self._hold_behind(True)
        task.start_thread()  # which works while napari makes its bar, and processes events
        self._progress = Progress(job.title, task.stop)
        self._slow_down_spinner()
        task.send_signals()
        return task

    @property
    def beside(self) -> Task | None:
        """The short work that runs beside the task, or None."""
        return self._beside

    def run_beside(self, steps: Generator[Any, Any, Any]) -> Task:
        """Run short work while a task runs, which takes no step meanwhile.

        Parameters
        ----------
        steps : generator
            Such as the prediction of what is in view while its model trains.

        Returns
        -------
        Task
            Already running; neither shown in the activity dock nor the session's `task`.

        Raises
        ------
        ValueError
            If other work runs beside the task.
        """
        if self._beside is not None:
            raise ValueError("Other work is running beside the task: wait until it ends.")
        self._beside = task = Task(steps, at_start=leave_a_core)
        task.finished.connect(self._on_beside_finished)
        task.poll_soon()
        self._hold(True)
        task.start()
        return task

    def run_behind(self, steps: Generator[Any, Any, Any], *, title: str) -> Task:
        """Run work without an end that gives way to all other: it takes no step while a task runs.

        Parameters
        ----------
        steps : generator
            Such as the prediction of what is in view, whatever that is.
        title : str
            Of the work, in the sentence of an error.

        Returns
        -------
        Task
            Already running; neither shown in the activity dock nor the session's `task`. An error
            is a notification, unless a dock shows it.
        """
        task = Task(steps, at_start=leave_a_core)
        task.errored.connect(partial(self._note_error, title))
        task.finished.connect(self._on_behind_finished)
        task.hold(self._task is not None)
        self._behind.append(task)
        task.start()
        return task

    def stop(self) -> None:
        """Stop the running task after its current step.

        A training keeps its model, a prediction the tiles that are done.
        """
        if self._task is not None:
            self._task.stop()

    def mark_error_shown(self, widget: QWidget, text: str) -> None:
        """Suppress the notification of the task's error, if the widget that shows it is in view.

        Otherwise the notification has the widget's text.

        Call it in a slot of ``task.errored``.
        """
        self._unreported_error = "" if widget.isVisible() else text

    def _after_work(self) -> None:
        """Called in the worker thread when the work has ended or was stopped."""

    def _on_yielded(self, step: object) -> None:
        if isinstance(step, Failure):
            LOG.error("%s failed", step.part or self._title, exc_info=step.error)
            text = failure(step.error, step.part or self._title, lower=LOWER)
            self._unreported_error = f"{self._unreported_error} {text}".strip()
        elif self._progress is not None:
            self._progress.show(step)

    def _on_errored(self, error: BaseException) -> None:
        self._note_error(self._title, error)

    def _note_error(self, title: str, error: BaseException) -> None:
        self._unreported_error = failure(error, title, lower=LOWER)

    def _on_finished(self) -> None:
        self._notify_error()
        self._close_progress()
        self._task = None
        self._hold_behind(False)
        self.busy_changed.emit(False)

    def _slow_down_spinner(self) -> None:
        """Let napari's spinner turn slowly: it is drawn with the cores that compute."""
        for label in self.viewer.window.main_menu.window().findChildren(QLabel):
            if (movie := label.movie()) is not None:
                movie.setSpeed(SPINNER_PERCENT)

    def _notify_error(self) -> None:
        """Show an error that no dock has shown, unless the window is closed."""
        error, self._unreported_error = self._unreported_error, ""
        if error and self._progress is not None:
            show_error(error)

    def _on_beside_finished(self) -> None:
        self._beside = None
        self._hold(False)

    def _on_behind_finished(self) -> None:
        self._behind = [task for task in self._behind if task.is_running]
        error, self._unreported_error = self._unreported_error, ""
        if error and self.viewer is not None:
            show_error(error)

    def _hold_behind(self, held: bool) -> None:
        for task in self._behind:
            task.hold(held)

    def _hold(self, held: bool) -> None:
        if self._task is not None:
            self._task.hold(held)

    def _on_window_closed(self) -> None:
        for task in (self._task, self._beside, *self._behind):
            if task is not None:
                task.abandon()
        self._close_progress()

    def _close_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.close()


def leave_a_core() -> None:
    """Leave one core to the window; imports torch, so in the worker thread."""
    from napari_segkit.devices import leave_a_core as leave

    leave()
