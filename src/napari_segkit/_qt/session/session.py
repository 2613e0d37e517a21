"""State and background work shared by the docks and the console of one viewer."""

import logging
import weakref
from collections.abc import Generator
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.config import (
    ObjectConfig,
    RefineConfig,
    SuperpixelConfig,
    TileConfig,
    TrainConfig,
)

from .predict_job import PredictionWriter, with_object_tables
from .progress_bar import Progress
from .refine_job import RefineRequest, RefineWriter, refine_steps
from .refine_source import SoftLabelOptions, refine_source
from .superpixel_job import SuperpixelWriter, superpixel_steps
from .task import Task

LOG = logging.getLogger(__name__)
_sessions: "weakref.WeakKeyDictionary[Any, Session]" = weakref.WeakKeyDictionary()


def session(viewer: Any) -> "Session":
    """The session of a viewer: the segmenter of its docks, and its background work.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        An open viewer.

    Returns
    -------
    Session
        The same object for every call with the same viewer.

    Examples
    --------
    >>> from napari_segkit import Segmenter, session
    >>> seg = session(viewer).segmenter
    >>> session(viewer).run(seg.train_epochs(viewer.layers["image"], viewer.layers["labels"]))
    """
    viewer = unwrapped(viewer)
    if viewer not in _sessions:
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]


class Session(LayerRegistry):
    """Segmenter and background work of one viewer; use `session(viewer)` to get it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not kept alive by the session.

    Attributes
    ----------
    segmenter_changed : Signal()
        Another segmenter was set, or this one was trained.
    config_changed : Signal()
        The settings of the next training have changed.
    busy_changed : Signal(bool)
        A task has started or ended.
    """

    segmenter_changed = Signal()
    config_changed = Signal()
    busy_changed = Signal(bool)

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._segmenter: Any = None
        self._config = TrainConfig()
        self._task: Task | None = None
        self._title = ""
        self._progress: Progress | None = None
        self._trained_before: Any = None
        self._unreported_error: Exception | None = None
        viewer.window.main_menu.window().destroyed.connect(self._on_window_closed)

    @property
    def segmenter(self) -> Any:
        """The `Segmenter` that the docks use."""
        if self._segmenter is None:
            from napari_segkit.segmenter import Segmenter

            self._segmenter = Segmenter()
        return self._segmenter

    @segmenter.setter
    def segmenter(self, segmenter: Any) -> None:
        if segmenter is not self._segmenter:
            self._segmenter = segmenter
            self.segmenter_changed.emit()

    @property
    def config(self) -> TrainConfig:
        """Training settings of the Train dock; label semantics are chosen there per image."""
        return self._config

    @config.setter
    def config(self, config: TrainConfig) -> None:
        if config != self._config:
            self._config = config
            self.config_changed.emit()

    @property
    def task(self) -> Task | None:
        """The running task, or None."""
        return self._task

    def run(self, steps: Generator[Any, None, Any], *, title: str = "SegKit") -> Task:
        """Run a generator in the background, with progress and Cancel in napari's activity dock.

        The window stays responsive. The generator's result arrives in the task's signal
        `returned`; an error is shown as a napari notification, unless a dock shows it.

        Parameters
        ----------
        steps : generator
            Such as ``segmenter.train_epochs(image, labels)`` or
            ``segmenter.predict_tiles(image)``.
        title : str
            Title in the activity dock.

        Returns
        -------
        Task
            With `stop()` and the signals `yielded`, `returned`, `errored`, `finished`.

        Raises
        ------
        TypeError
            If `steps` is not a generator.
        ValueError
            If another task is running.
        """
        if self._task is not None:
            raise ValueError(
                f"{self._title} is still running: wait until it ends, or stop it "
                "with session(viewer).stop() or Cancel in the activity dock."
            )
        task = Task(_leaving_a_core(steps) if isinstance(steps, Generator) else steps)
        task.yielded.connect(self._on_yielded)
        task.errored.connect(self._on_errored)
        task.finished.connect(self._on_finished)
        task.setObjectName(title)
        self._task, self._title = task, title
        self._trained_before = self._trained()
        self.busy_changed.emit(True)  # before: napari processes events while it makes its bar
        self._progress = Progress(title, task.stop)
        task.start()
        return task

    def predict(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        objects: ObjectConfig | None = None,
        refine: RefineConfig | None = None,
        probabilities: bool = False,
    ) -> Task:
        """Predict an image layer in the background; the result becomes a Labels layer.

        Parameters
        ----------
        image : napari.layers.Image
            With the channels the model was trained with.
        tile, axes
            As in `Segmenter.predict`.
        objects : ObjectConfig, optional
            Which objects to keep, for models that predict objects; `objects_of` returns them.
        refine : RefineConfig, optional
            Refinement of the probabilities. None: the model's own settings.
        probabilities : bool
            Keep the probabilities of all classes; `probabilities_of` returns them.

        Returns
        -------
        Task
            Already running. The signal ``task.writer.written`` sends the new or updated layer.
        """
        source = snapshot(image)
        steps = self.segmenter.predict_tiles(
            source, tile, axes=axes, objects=objects, refine=refine, probabilities=probabilities
        )
        task = self.run(with_object_tables(steps), title=f"Predict {source.name}")
        task.writer = PredictionWriter(task, self, source, self.segmenter.classes)
        return task

    def refine(
        self,
        layer: Any,
        image: Any = None,
        config: RefineConfig | None = None,
        *,
        start: str | None = None,
        axes: str | None = None,
        certainty: float = 0.8,
        unlabelled: int | None = None,
    ) -> Task:
        """Refine a layer in the background; the result becomes another Labels layer.

        Parameters
        ----------
        layer : napari.layers.Labels or napari.layers.Image
            A prediction or any labels; or float probabilities ``(classes, ...)``.
        image : napari.layers.Image, optional
            The image it belongs to. Not needed for methods that do not use the image.
        config : RefineConfig, optional
            Refinement settings. None: those of the model.
        start : str, optional
            Input of the refinement: "objects" (soft masks, one by one), "probabilities" or
            "labels". None: the first of these that the layer has.
        axes : str, optional
            Axes of the image. Images with Z are refined in 3D; name that axis T to refine each
            slice on its own.
        certainty : float
            Probability that a label is correct, for ``start="labels"``.
        unlabelled : int or None
            Label value without information, for ``start="labels"``.

        Returns
        -------
        Task
            Already running. The signal ``task.writer.written`` sends the layer and the result.
        """
        source = refine_source(self, layer, start, SoftLabelOptions(certainty, unlabelled))
        config = self.segmenter.refine if config is None else config
        request = RefineRequest(source, image, config, axes, self.segmenter.device)
        return self.run_refinement(request)

    def run_refinement(self, request: RefineRequest) -> Task:
        """Refine as `refine` does, and compare with a truth if the request has one.

        Parameters
        ----------
        request : RefineRequest
            Input and settings.

        Returns
        -------
        Task
            Already running. The signal ``task.writer.written`` sends the layer and the result.
        """
        frozen = request.frozen()
        task = self.run(refine_steps(frozen), title=f"Refine {frozen.source.layer.name}")
        task.writer = RefineWriter(task, self)
        return task

    def superpixels(
        self,
        image: Any,
        config: SuperpixelConfig | None = None,
        *,
        mask: Any = None,
        axes: str | None = None,
    ) -> Task:
        """Compute superpixels of an image in the background; they become a Labels layer.

        Parameters
        ----------
        image : napari.layers.Image
            Greyscale, RGB or with any channels.
        config, mask, axes
            As in `napari_segkit.superpixels`.

        Returns
        -------
        Task
            Already running. The signal ``task.writer.written`` sends the new or updated layer.
        """
        source, inside = snapshot(image), None if mask is None else snapshot(mask)
        steps = superpixel_steps(source, config or SuperpixelConfig(), axes, inside)
        task = self.run(steps, title=f"Superpixels of {source.name}")
        task.writer = SuperpixelWriter(task, self)
        return task

    def stop(self) -> None:
        """Stop the running task after its current step; a stopped training keeps its model."""
        if self._task is not None:
            self._task.stop()

    def mark_error_shown(self, widget: QWidget) -> None:
        """Suppress the notification of the task's error, if the widget that shows it is in view.

        Call it in a slot of ``task.errored``.
        """
        if widget.isVisible():
            self._unreported_error = None

    def _trained(self) -> Any:
        return getattr(self._segmenter, "trained", None)

    def _on_yielded(self, step: Any) -> None:
        if self._progress is not None:
            self._progress.show(step)

    def _on_errored(self, error: Exception) -> None:
        if not isinstance(error, ValueError | TypeError):
            LOG.error("%s failed", self._title, exc_info=error)
        self._unreported_error = error

    def _on_finished(self) -> None:
        self._notify_error()
        self._close_progress()
        before, self._trained_before = self._trained_before, None
        self._task = None
        if self._trained() is not before:
            self.segmenter_changed.emit()
        self.busy_changed.emit(False)

    def _notify_error(self) -> None:
        """Show an error that no dock has shown, unless the window is closed."""
        error, self._unreported_error = self._unreported_error, None
        if error is not None and self._progress is not None:
            show_error(str(error) or f"{self._title} failed: {type(error).__name__}.")

    def _on_window_closed(self) -> None:
        self.stop()
        self._close_progress()

    def _close_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.close()


def _leaving_a_core(steps: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """The same steps, with one core left to the window; imports torch in the worker thread."""
    from napari_segkit.devices import leave_a_core

    leave_a_core()
    return (yield from steps)
