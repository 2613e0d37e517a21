"""What the docks and the console of one viewer share."""

import logging
import weakref
from collections.abc import Generator
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal

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
from .refine_job import RefineRequest, RefineWriter, refining
from .refine_source import SoftLabelOptions, refine_source
from .superpixel_job import SuperpixelWriter, superpixel_steps
from .task import Task

LOG = logging.getLogger(__name__)
_sessions: "weakref.WeakKeyDictionary[Any, Session]" = weakref.WeakKeyDictionary()


def session(viewer: Any) -> "Session":
    """What the docks of a viewer hold: its segmenter, and the work in the background.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        An open viewer.

    Returns
    -------
    Session
        Always the same one for the same viewer.

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
    """The segmenter of one viewer and the work that runs for it; ask `session` for it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not kept alive by the session.

    Attributes
    ----------
    segmenter_changed : Signal()
        Another segmenter was set, or this one has learned something.
    config_changed : Signal()
        Something else is set for the next training.
    busy_changed : Signal(bool)
        Work has begun or ended.
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
        viewer.window.main_menu.window().destroyed.connect(self._on_window_closed)

    @property
    def segmenter(self) -> Any:
        """The very `Segmenter` that the docks hold."""
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
        """How the Train dock trains; what labels mean is chosen there for each image."""
        return self._config

    @config.setter
    def config(self, config: TrainConfig) -> None:
        if config != self._config:
            self._config = config
            self.config_changed.emit()

    @property
    def task(self) -> Task | None:
        """The work that is running, or None."""
        return self._task

    def run(self, steps: Generator[Any, None, Any], *, title: str = "SegKit") -> Task:
        """Run a generator in the background, with progress and Cancel in napari's activity dock.

        The window stays alive meanwhile. What the generator returns arrives in the task's
        signal `returned`; an error is shown as a notification.

        Parameters
        ----------
        steps : generator
            Such as ``segmenter.train_epochs(image, labels)`` or
            ``segmenter.predict_tiles(image)``.
        title : str
            What the activity dock calls it.

        Returns
        -------
        Task
            With `stop()` and the signals `yielded`, `returned`, `errored`, `finished`.

        Raises
        ------
        TypeError
            If `steps` is not a generator.
        ValueError
            If something is running already.
        """
        if self._task is not None:
            raise ValueError(
                f"{self._title} is still running; wait for it or stop it, "
                "with session(viewer).stop() or Cancel in the activity dock."
            )
        task = Task(steps if not isinstance(steps, Generator) else _leaving_a_core(steps))
        task.yielded.connect(self._on_yielded)
        task.errored.connect(self._on_errored)
        task.finished.connect(self._on_finished)
        task.setObjectName(title)
        self._task, self._title = task, title
        self._trained_before = self._trained()
        self.busy_changed.emit(True)  # first: napari takes presses while it makes its bar
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
            Which objects are kept, where the model gives objects; `objects_of` gives them.
        refine : RefineConfig, optional
            What is done to the probabilities. None: what the model's own recipe says.
        probabilities : bool
            Keep the probabilities of all classes; `probabilities_of` gives them.

        Returns
        -------
        Task
            The work, already running. Its attribute `writer` tells when the layer is written.
        """
        source = snapshot(image)
        options: Any = {"objects": objects, "refine": refine, "probabilities": probabilities}
        steps = self.segmenter.predict_tiles(source, tile, axes=axes, **options)
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
        """Refine a Labels layer in the background; the result becomes a Labels layer beside it.

        Parameters
        ----------
        layer : napari.layers.Labels or napari.layers.Image
            A prediction or any labels; or probabilities ``(classes, ...)`` of floats.
        image : napari.layers.Image, optional
            The image it belongs to. It can be left out where nothing looks at it.
        config : RefineConfig, optional
            How. None: the model's own recipe.
        start : str, optional
            "objects" (soft masks, one by one), "probabilities" or "labels". None: the first of
            these that is known of the layer.
        axes : str, optional
            Of the image. What has a Z is refined in 3D; call it T to have every slice refined for
            itself.
        certainty : float
            How likely a label is right, where it starts from labels.
        unlabelled : int or None
            The value of labels that says nothing, where it starts from labels.

        Returns
        -------
        Task
            The work, already running. Its attribute `writer` tells when the layer is written.
        """
        source = refine_source(self, layer, start, SoftLabelOptions(certainty, unlabelled))
        recipe = self.segmenter.refine if config is None else config
        request = RefineRequest(source, image, recipe, axes, self.segmenter.device)
        return self.run_refinement(request)

    def run_refinement(self, request: RefineRequest) -> Task:
        """Refine in the background, as `refine` does, and compare with a truth where one is set.

        Parameters
        ----------
        request : RefineRequest
            What to refine, and how.

        Returns
        -------
        Task
            The work, already running. Its attribute `writer` tells when the layer is written.
        """
        frozen = request.frozen()
        task = self.run(refining(frozen), title=f"Refine {frozen.source.layer.name}")
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
        """Cut an image into superpixels in the background; they become a Labels layer.

        Parameters
        ----------
        image : napari.layers.Image
            Grey, RGB or of any channels.
        config, mask, axes
            As in `napari_segkit.superpixels`.

        Returns
        -------
        Task
            The work, already running. Its attribute `writer` tells when the layer is written.
        """
        source, inside = snapshot(image), None if mask is None else snapshot(mask)
        steps = superpixel_steps(source, config or SuperpixelConfig(), axes, inside)
        task = self.run(steps, title=f"Superpixels of {source.name}")
        task.writer = SuperpixelWriter(task, self)
        return task

    def stop(self) -> None:
        """Stop the running work after its current step; training keeps what it has learned."""
        if self._task is not None:
            self._task.stop()

    def _trained(self) -> Any:
        return getattr(self._segmenter, "trained", None)

    def _on_yielded(self, step: Any) -> None:
        if self._progress is not None:
            self._progress.show(step)

    def _on_errored(self, error: Exception) -> None:
        if not isinstance(error, ValueError | TypeError):
            LOG.error("%s failed", self._title, exc_info=error)
        if self._progress is not None:
            show_error(str(error) or f"{self._title} failed: {type(error).__name__}.")

    def _on_finished(self) -> None:
        self._close_progress()
        before, self._trained_before = self._trained_before, None
        self._task = None
        if self._trained() is not before:
            self.segmenter_changed.emit()
        self.busy_changed.emit(False)

    def _on_window_closed(self) -> None:
        self.stop()
        self._close_progress()

    def _close_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.close()


def _leaving_a_core(steps: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """The same steps; torch leaves the window a core, and is imported where they run."""
    from napari_segkit.devices import leave_a_core

    leave_a_core()
    return (yield from steps)
