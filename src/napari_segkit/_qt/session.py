"""What the docks and the console of one viewer share."""

import logging
import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal

from napari_segkit.config import ObjectConfig, TileConfig, TrainConfig

from .delivery import Delivery, settled
from .progress import Progress
from .proxies import unwrapped
from .snapshots import snapshot
from .task import Task

if TYPE_CHECKING:
    from napari_segkit.objects.record import Objects

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


class Session(QObject):
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
    axes_changed : Signal()
        The axes of an image are taken for others.
    objects_changed : Signal(object)
        A Labels layer shows objects, or others than before.
    busy_changed : Signal(bool)
        Work has begun or ended.
    """

    segmenter_changed = Signal()
    config_changed = Signal()
    axes_changed = Signal()
    objects_changed = Signal(object)
    busy_changed = Signal(bool)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self._segmenter: Any = None
        self._config = TrainConfig()
        self._axes: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._objects: weakref.WeakKeyDictionary[Any, Objects] = weakref.WeakKeyDictionary()
        self._task: Task | None = None
        self._title = ""
        self._progress: Progress | None = None
        self._trained_before: Any = None
        viewer.window.main_menu.window().destroyed.connect(self._on_window_closed)

    @property
    def viewer(self) -> Any:
        """The viewer, or None after it is gone."""
        return self._viewer()

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

    def axes_of(self, image: Any) -> str | None:
        """What the Train dock takes the axes of an image layer for; None where it does not say."""
        return self._axes.get(image)

    def set_axes(self, image: Any, axes: str | None) -> None:
        """Say what the axes of an image layer are taken for; None: nobody knows."""
        if axes == self._axes.get(image):
            return
        self._axes.pop(image, None)
        if axes is not None:
            self._axes[image] = axes
        self.axes_changed.emit()

    def objects_of(self, layer: Any) -> "Objects | None":
        """What was found where a Labels layer shows objects.

        Parameters
        ----------
        layer : napari.layers.Labels
            A layer that a prediction was written to.

        Returns
        -------
        Objects or None
            With ``.table``, ``.filtered(...)``, ``.measured()`` and ``.combined(...)``, as they
            were found: what is painted on the layer is not in it. None for other layers.
        """
        return self._objects.get(unwrapped(layer))

    def keep_objects(self, layer: Any, objects: "Objects") -> None:
        """Remember the objects that a layer shows for as long as there is the layer."""
        self._objects[unwrapped(layer)] = objects
        self.objects_changed.emit(layer)

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

        Returns
        -------
        Task
            The work, already running. Its attribute `delivery` tells when the layer is written.
        """
        source = snapshot(image)
        steps = self.segmenter.predict_tiles(source, tile, axes=axes, objects=objects)
        task = self.run(settled(steps), title=f"Predict {source.name}")
        task.delivery = Delivery(task, self, source)
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
