"""A Labels layer of what is predicted of an image wherever a person looks."""

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from napari.utils.events import Event
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segkit._qt.layers.layer_classes import set_class_colors
from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.layers.prediction_look import IN_VIEW, add_prediction, dress
from napari_segkit._qt.layers.snapshots import (
    at_level,
    header_metadata,
    placement,
    snapshots,
    without_channels,
)
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.layers.view_region import Index, view_region
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.regions import Box
from napari_segkit.jobs.follow_view import follow_view
from napari_segkit.jobs.kept_prediction import PredictionOptions
from napari_segkit.steps import Step

from .runner import Runner
from .task import Task

if TYPE_CHECKING:
    from napari_segkit.inference.view_prediction import Look, ViewPrediction
    from napari_segkit.segmenter import Segmenter

TICK_MS = 66
REDRAW_SECONDS = 0.25  # between two drawings
DRAWN_PART = 0.1  # of the time in which the window draws, at most
TITLE = "Predicting what is in view"
PREVIEW = " (preview)"  # ends the name of the layer while a part of what it shows is one


class FollowedView(QObject):
    """Predicts what is in view of an image, and shows it in a multiscale Labels layer.

    It ends for good when the layer or the image is removed, or the image has other pixels. Another
    model of the session begins anew; after a stop the layer stays, and `start` goes on with it.
    """

    started = Signal(object)  # the Task
    refused = Signal(object)  # the ValueError: another model cannot go on
    closed = Signal()

    def __init__(
        self,
        runner: Runner,
        segmenter: "Segmenter",
        image: Image | Mapping[str, Image],
        axes: str | None,
        options: PredictionOptions,
    ) -> None:
        super().__init__(runner)
        self._runner, self._axes, self._options = runner, axes, options
        self._images = {name: unwrapped(x) for name, x in _by_name(image).items()}
        self._is_one = not isinstance(image, Mapping)
        self._prediction = self._make_prediction(segmenter)
        self._model = segmenter.trained
        self.task: Task | None = None
        self.is_closed = self._is_preview = False
        self._seen: tuple[object, ...] = ()
        self._woken: Look | None = None  # what the worker was told of
        self.layer: Labels | None = self._add_layer()
        self._drawn, self._drawn_at, self._rest = 0, 0.0, REDRAW_SECONDS
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._image_events = Listener(self, self.close)
        self._image_events.listen(
            [e for x in self._images.values() for e in emitters_of(x, "data")]
        )
        viewer = unwrapped(runner.viewer)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.window.main_menu.window().destroyed.connect(self.close)

    @property
    def is_running(self) -> bool:
        """Whether it predicts, or waits for another view."""
        return self.task is not None

    def is_of(
        self,
        segmenter: "Segmenter",
        image: Image | Mapping[str, Image],
        axes: str | None,
        options: PredictionOptions,
    ) -> bool:
        """Whether it would predict the same."""
        images = {name: unwrapped(x) for name, x in _by_name(image).items()}
        same = self._model is segmenter.trained and self._images == images
        return same and not self.is_closed and (self._axes, self._options) == (axes, options)

    def start(self) -> Task:
        """Predict what is in view from now on."""
        self._prediction.cache.reads_disk = False
        self.task = task = self._runner.run_behind(self._prediction.steps(), title=TITLE)
        task.yielded.connect(self._on_step)
        task.finished.connect(self._on_finished)
        self._timer.start()
        self.started.emit(task)
        return task

    def close(self) -> None:
        """End it for good; what is predicted is forgotten, and its layer removed."""
        if self.is_closed or not isalive(self):
            return
        self.is_closed = True
        self._timer.stop()
        self._leave(self._prediction)
        layer, self.layer, viewer = self.layer, None, self._runner.viewer
        if viewer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)
        self._images = {}
        self.closed.emit()
        self.deleteLater()

    def use(self, segmenter: "Segmenter") -> None:
        """Go on with the model of a segmenter, if it is another one, or end."""
        if segmenter.trained is self._model:
            return
        task = self.task
        self._leave(self._prediction)
        try:
            self._prediction = self._make_prediction(segmenter)
        except ValueError as error:
            self.refused.emit(error)
            self.close()
            return
        self._model = segmenter.trained
        self._show_model()
        if task is not None:
            task.finished.connect(self._start_again)  # then nobody follows the old one any more

    def _start_again(self) -> None:
        if not self.is_closed:
            self.start()

    def _make_prediction(self, segmenter: "Segmenter") -> "ViewPrediction":
        copies = snapshots(self._images)
        image = next(iter(copies.values())) if self._is_one else copies
        return follow_view(segmenter, image, self._axes, self._options)

    def _leave(self, prediction: "ViewPrediction") -> None:
        """Stop the task; the cache is removed when nothing is written to it any more."""
        task, self.task = self.task, None
        if task is None:
            prediction.cache.close()
            return
        task.yielded.disconnect(self._on_step)
        task.finished.disconnect(self._on_finished)
        task.finished.connect(prediction.cache.close)
        task.abandon()

    def _add_layer(self) -> Labels:
        """Add the layer below the labels that are painted on, the selection being kept."""
        source = at_level(snapshots(self._images)[next(iter(self._images))], self._options.level)
        place = placement(source, without_channels(source, self._prediction.image.axes))
        layer = Labels(
            self._prediction.cache.views(),
            name=f"{source.name} (as I look)",
            multiscale=True,
            metadata=self._record().as_metadata() | header_metadata(source),
            **place,
        )
        set_class_colors(layer, self._prediction.classes)
        dress(layer)
        add_prediction(self._runner, layer, select=False)
        return layer

    def _show_model(self) -> None:
        """Show nothing but what the new model predicts."""
        if self.layer is not None:
            self.layer.data = self._prediction.cache.views()
            set_class_colors(self.layer, self._prediction.classes)
        self._drawn = 0

    def _tick(self) -> None:
        if self._runner.viewer is None or self.layer is None:
            self.close()
            return
        canvas = self._canvas()
        if canvas != self._seen:
            self._seen = canvas
            look = self._look()
            if look != self._prediction.look:
                self._prediction.look = look
            if self.task is None and look is not None:
                self._show_as_preview(self._prediction.shows_preview(look))
        if self._prediction.look is not self._woken and self.task and self._runner.task is None:
            self._woken = self._prediction.look
            self.task.send(None)
        self._draw()

    def _canvas(self) -> tuple[object, ...]:
        """What tells whether something else is looked at, in little time."""
        viewer, layer = self._runner.viewer, self.layer
        camera, dims = viewer.scene.camera, viewer.dims
        size = viewer.canvas.viewbox_size(viewer.layers)
        level = layer and (layer.visible, layer.data_level)
        places = tuple(camera.center), camera.zoom, tuple(size), dims.point, dims.order
        return (*places, dims.ndisplay, level, self._prediction)

    def _look(self) -> "Look | None":
        """What is looked at; None if it is nothing of the image."""
        from napari_segkit.inference.view_prediction import Look

        layer, image = self.layer, self._prediction.image
        if layer is None or not layer.visible:
            return None
        try:
            view = view_region(self._runner.viewer, next(iter(self._images.values())), image)
        except ValueError:
            return None
        return Look(_box(view, image), layer.data_level)

    def _draw(self) -> None:
        """Draw what is new, if it is time."""
        cache, began = self._prediction.cache, monotonic()
        if self.layer is None or cache.count == self._drawn or began < self._drawn_at + self._rest:
            return
        self._drawn = cache.count
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)
        self._drawn_at = monotonic()
        self._rest = max(REDRAW_SECONDS, (self._drawn_at - began) / DRAWN_PART)

    def _on_step(self, step: Step) -> None:
        self._show_as_preview(getattr(step, "is_preview", False) and step.done < step.total)

    def _show_as_preview(self, is_preview: bool) -> None:
        if is_preview != self._is_preview:
            self._is_preview = is_preview
            self._mark()

    def _mark(self) -> None:
        """Say in the layer's name and record whether a part of what it shows is a preview."""
        if self.layer is not None:
            name = self.layer.name.removesuffix(PREVIEW)
            self.layer.name = name + PREVIEW * self._is_preview
            self._record().store(self.layer)

    def _record(self) -> LayerMetadata:
        source = next(iter(self._images.values()))
        shown = {"is_preview": self._is_preview}
        classes = self._prediction.classes
        return LayerMetadata(IN_VIEW, str(source.unique_id), classes=classes, provenance=shown)

    def _on_finished(self) -> None:
        """After a stop, what has no room in memory is read from the cache."""
        self.task, self._seen = None, ()  # the timer goes on: what is a preview is marked as one
        self._prediction.cache.reads_disk = True
        if self.layer is not None and self._runner.viewer is not None:
            self.layer.refresh()

    def _on_removed(self, event: Event) -> None:
        if isalive(self) and (event.value is self.layer or event.value in self._images.values()):
            self.close()


def _by_name(image: Image | Mapping[str, Image]) -> Mapping[str, Image]:
    return image if isinstance(image, Mapping) else {image.name: image}


def _box(view: Index, image: AxesImage) -> Box:
    """A part of an image as a box, along the axes of its labels."""
    sides = [view.get(axis, slice(0, image.length(axis))) for axis in image.label_axes]
    return tuple([s if isinstance(s, slice) else slice(s, s + 1) for s in sides])
