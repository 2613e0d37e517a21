"""A training that takes what is painted while it runs, and shows what it predicts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.events import Event
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.layers.snapshots import Snapshot as LayerCopy
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.layers.view_region import Index
from napari_segkit._qt.session.garbage import skip_what_is_here
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.config import PredictConfig
from napari_segkit.images.types import AnyArray
from napari_segkit.models import model_info
from napari_segkit.steps import Step, Waiting
from napari_segkit.training.commands import AddLabels, Snapshot
from napari_segkit.training.events import (
    LabelsStep,
    NewClassError,
    RefusedStep,
    SnapshotStep,
    TrainStep,
    ValidationStep,
)
from napari_segkit.training_set import TrainingSet

from .preview import PredictedView, ViewPreview, describe_shares
from .strokes import Patch, StrokeWatcher

if TYPE_CHECKING:
    from napari_segkit.segmenter import Start
    from napari_segkit.trained_model import TrainedModel

TICK_MS = 50
FIRST_STEPS = 5  # of a training, before its first prediction is shown
EAGER_SECONDS = 15.0  # after a stroke or a move, in which every other second may be a preview
STROKE_SECONDS = 1.0  # of training with a stroke, before it is shown
LAZY = 4  # times as long as a preview the training goes on, while nobody paints
LEFT_SECONDS = 1.0  # until another look at a view that is not predicted
TELL_SECONDS = 1.0  # between two texts: for each the whole window is drawn
UNFIT = "What was learned does not fit: Live starts with new weights."
LATER = "What is painted counts when Live starts again."
LARGE = "The view is large: zoom in, or press Update once."


@dataclass(frozen=True, eq=False)
class LiveData:
    """What a live training learns from and what it predicts."""

    image: Image
    labels: Labels  # of that image
    axes: str
    rows: Mapping[int, tuple[Labels, AnyArray]]  # layer and copy, by number of the image


def watched_rows(
    viewer: ViewerModel, training_set: TrainingSet
) -> dict[int, tuple[Labels, AnyArray]]:
    """The layers behind the copies of labels in memory, by number of the image."""
    layers = {str(layer.unique_id): layer for layer in viewer.layers}
    return {
        number: (layers[copy.unique_id], copy.data)
        for number, copy in enumerate(row.labels for row in training_set.rows)
        if isinstance(copy, LayerCopy) and isinstance(copy.data, np.ndarray)
    }


class LiveTraining(QObject):
    """Follows a task that trains: strokes go in, predictions of the view come out.

    It lives as long as the task, whatever becomes of the dock that began it.
    """

    told = Signal(str)  # where it is
    shares_told = Signal(str)
    ended = Signal(object)  # this

    def __init__(
        self, session: Session, task: Task, data: LiveData, earlier: "LiveTraining | None" = None
    ) -> None:
        super().__init__(task)
        self._session, self._task, self.data = session, task, data
        self._segmenter, self._before = session.segmenter, session.segmenter.trained
        self._fits_at_once = model_info(self._segmenter.spec.name).training == "pixels"
        self.model: TrainedModel | None = None  # the newest copy
        self.text = "Live: reading the images …"
        self.note: str = "" if earlier is None else earlier.note  # what happened last
        self._view_note = ""  # why what is in view is not predicted
        self._goes_on = earlier is not None and earlier.start is not None
        # what one begins with that follows this one
        self.start: Start | None = None if self._fits_at_once else "current"
        self._step: TrainStep | None = None
        self._validation: ValidationStep | None = None
        self._is_old = False  # the model: the training went on since
        self._is_due = True  # a prediction, of another view or by a newer model
        self._is_asked = False  # for a prediction of a view of any size
        self._has_begun = self._is_waiting = False
        self.is_stopping = self.starts_anew = False
        self._asked_at: float | None = None  # when the copy was asked for
        self._sent = self._in_copy = 0  # strokes
        self.strokes_shown = 0  # that the model of the last complete prediction knows
        self._touched_at = self._rest_until = self._told_at = 0.0
        self._is_told = True
        self._ended_at = self._took = 0.0  # of the last prediction
        self._preview = self._make_preview()
        self._watchers: list[StrokeWatcher] = []
        self._view_events = Listener(self, self._on_moved)
        self._image_events = Listener(self, self._on_image)
        self._timer = QTimer(self, interval=TICK_MS)
        self._connect()

    @property
    def status(self) -> str:
        """Where it is, and what happened last."""
        return " ".join(filter(None, [self.text, self.note, self._view_note]))

    def update_once(self) -> None:
        """Predict what is in view now, however large it is."""
        self._is_asked = self._is_due = self._is_old = True
        self._preview.show_again()
        self._rest_until = self._took = 0.0

    def stop(self, note: str = "") -> None:
        """End the training as one that is complete; its model is kept."""
        if not self.is_stopping:
            self.is_stopping = True
            self._preview.interrupt()
            self.note = note
            self.told.emit(self.status)
            self._task.stop()

    def restart(self, why: str) -> None:
        """End it, for Live to begin again with what was learned."""
        if not self.is_stopping:
            self.starts_anew = True
            learned = "" if self.start is None else " with what it has learned"
            self.stop(f"{why}: Live starts anew{learned}.")

    def show_image(self, image: Image, labels: Labels, axes: str) -> None:
        """Predict another image of the training set from now on."""
        self._preview.close()
        self.data = replace(self.data, image=image, labels=labels, axes=axes)
        self._preview = self._make_preview()
        self._asked_at, self._is_due = None, True

    def _make_preview(self) -> ViewPreview:
        preview = ViewPreview(
            self._session, self.data.image, self.data.labels, self.data.axes, self
        )
        preview.shown.connect(self._on_shown)
        preview.failed.connect(self._on_failed)
        preview.finished.connect(self._on_predicted)
        return preview

    def _connect(self) -> None:
        viewer = unwrapped(self._session.viewer)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        self._view_events.listen(
            (camera.center, camera.zoom, dims.current_step, dims.order, dims.ndisplay)
        )
        self._image_events.listen(emitters_of(self.data.image, "data"))
        viewer.layers.events.removed.connect(self._on_removed)
        self._task.yielded.connect(self._on_step)
        self._task.answered.connect(self._on_answer)
        self._task.errored.connect(self._on_errored)
        self._task.finished.connect(self._on_finished)
        viewer.window.main_menu.window().destroyed.connect(self._on_window_closed)
        if self._fits_at_once:
            self._task.poll_soon()
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _begin(self) -> None:
        """Watch the labels; what was painted while the images were read is sent at once."""
        skip_what_is_here(self._session)  # libraries are loaded by now
        if model_info(self._segmenter.spec.name).has_masks or not self.data.rows:
            self.note = f"{self.note} {LATER}".strip()
        else:
            self._watchers = [self._watch(n, *row) for n, row in self.data.rows.items()]

    def _watch(self, number: int, layer: Labels, known: AnyArray) -> StrokeWatcher:
        watcher = StrokeWatcher(self._session.viewer, layer, known, number, self)
        watcher.changed.connect(self._on_painted)
        watcher.replaced.connect(self._on_replaced)
        return watcher

    def _on_painted(self, number: int, patch: Patch) -> None:
        """Send a stroke; a network needs some steps until it is worth looking at."""
        self._touched_at = monotonic()
        if self._sent == self._in_copy:
            self._rest_until = self._touched_at + STROKE_SECONDS
        self._sent += 1
        self._task.send(AddLabels(number, patch.start, patch.values))
        if self._fits_at_once:
            self._is_old = True
            self._tick()

    def _on_moved(self) -> None:
        self._touched_at = monotonic()
        self._is_due = True
        self._preview.interrupt()

    def _on_removed(self, event: Event) -> None:
        layers = [self.data.image, *(layer for layer, _ in self.data.rows.values())]
        if isalive(self) and any(event.value is x for x in layers):
            self.stop(f"{event.value.name} was removed: Live ends, and the model is kept.")

    def _on_replaced(self, name: str) -> None:
        self.restart(f"The pixels of {name} have another shape or type")

    def _on_image(self) -> None:
        self.restart(f"The pixels of {self.data.image.name} were replaced")

    def _on_step(self, step: Step) -> None:
        self._is_waiting = isinstance(step, Waiting)
        if not self._has_begun and isinstance(step, TrainStep | Waiting):
            self._has_begun = self._is_old = True
            self._begin()
        if isinstance(step, TrainStep):
            self._step = step
            self._is_old |= not self._fits_at_once
        elif isinstance(step, ValidationStep):
            self._validation = step
        self._tell()

    def _on_answer(self, step: Step) -> None:
        if isinstance(step, SnapshotStep):
            self.model, self._is_old = step.model, self._sent > self._in_copy
            self._show(step.model)
        elif isinstance(step, LabelsStep):
            gone = [value for value, count in step.train.items() if not count]
            self._tell(note=f"No labels of class {gone[0]} are left." if gone else "")
        elif isinstance(step, RefusedStep):
            self._on_refused(step.error)

    def _on_refused(self, error: Exception) -> None:
        self._asked_at = None
        if self.is_stopping and not self._has_begun:  # it reads the images, and takes no command
            self._task.stop()
        elif isinstance(error, NewClassError):
            self.restart("A new class was painted")
        else:
            self._tell(note=error_text(error, "Live"))

    def _tick(self) -> None:
        """Predict again if something has changed and it is time."""
        self._tell_if_due()
        now, steps = monotonic(), 0 if self._step is None else self._step.done
        is_busy = self._preview.is_busy or self._asked_at is not None
        if not self._has_begun or is_busy or self._rests(now) or self.is_stopping:
            return
        is_old = self._is_old and (self._fits_at_once or steps >= FIRST_STEPS)
        if not (is_old or (self._is_due and self.model)) or self._view() is None:
            return
        self._asked_at = now
        if is_old:
            self._in_copy = self._sent
            self._task.send(Snapshot())
        elif self.model is not None:
            self._show(self.model)

    def _view(self) -> Index | None:
        """What is in view; None, and a note, if it is nothing or too large to predict unasked."""
        try:
            view = self._preview.view()
        except ValueError as problem:
            self._leave(str(problem))
            return None
        if self._preview.is_large(view) and not self._is_asked:
            self._leave(LARGE)
            return None
        self._tell_of_view("")
        return view

    def _leave(self, note: str) -> None:
        self._asked_at, self._is_due = None, False
        self._rest_until = monotonic() + LEFT_SECONDS
        self._tell_of_view(note)

    def _show(self, model: "TrainedModel") -> None:
        """Predict what is in view, or later if another prediction runs."""
        if self._preview.is_busy:
            self._is_due = True
        elif (view := self._view()) is not None:
            self._is_due = self._is_asked = False
            self._asked_at = self._asked_at or monotonic()
            self._preview.predict(model, view)

    def _on_shown(self, view: PredictedView) -> None:
        self.strokes_shown = self._in_copy
        if self.model is not None and not self.is_stopping:  # a prediction may end after Live
            self.shares_told.emit(describe_shares(view, self.model))

    def _on_failed(self, error: BaseException) -> None:
        self._tell(note=error_text(error, "The prediction of the view"))

    def _on_predicted(self) -> None:
        self._ended_at = monotonic()
        self._took, self._asked_at = self._ended_at - (self._asked_at or self._ended_at), None

    def _rests(self, now: float) -> bool:
        """Whether the training goes on first: for as long as a prediction has taken, or longer."""
        if self._fits_at_once:
            return False
        is_eager = now - self._touched_at < EAGER_SECONDS
        until = self._ended_at + self._took * (1 if is_eager else LAZY)
        return now < max(until, self._rest_until)

    def _tell(self, *, note: str | None = None) -> None:
        """Say where it is: a new note at once, the rest when it is time."""
        if note not in (None, self.note):
            self.note, self._told_at = note, 0.0
        self._is_told = False
        self._tell_if_due()

    def _tell_of_view(self, note: str) -> None:
        if note != self._view_note:
            self._view_note, self._told_at = note, 0.0
            self._tell()

    def _tell_if_due(self) -> None:
        now = monotonic()
        if self._is_told or now - self._told_at < TELL_SECONDS:
            return
        self._is_told, self._told_at = True, now
        if self._has_begun:
            self.text = describe(self._step, self._validation, is_waiting=self._is_waiting)
        self.told.emit(self.status)

    def _on_errored(self) -> None:
        """Start with new weights if what was learned does not fit, such as without a class."""
        self.note = ""
        if self._goes_on and not self._has_begun and not self.is_stopping:
            self.starts_anew, self.start, self.note = True, None, UNFIT

    def _on_finished(self) -> None:
        """Leave the view as the model of the whole training predicts it."""
        self._close()
        self.ended.emit(self)  # first: napari takes some time to remove a layer
        self._preview.close()
        session, trained = self._session, self._segmenter.trained
        is_new = trained is not None and trained is not self._before
        if is_new and session.segmenter is self._segmenter and session.task is None:
            self._predict_view()

    def _on_window_closed(self) -> None:
        self._task.finished.disconnect(self._on_finished)
        self._timer.stop()
        self.is_stopping = True

    def _predict_view(self) -> None:
        image = self.data.image
        if self._session.viewer is None or image not in self._session.viewer.layers:
            return
        try:
            view = self._preview.view()
        except ValueError:  # it is not in view
            return
        if not self._preview.is_large(view):
            level = self._preview.level
            config = PredictConfig(level=level) if level else None
            self._session.predict(image, axes=self.data.axes, config=config, region=view)

    def _close(self) -> None:
        self.is_stopping = True
        self._timer.stop()
        for watcher in self._watchers:
            watcher.close()


def describe(step: TrainStep | None, validation: ValidationStep | None, *, is_waiting: bool) -> str:
    """Such as "Live: step 120, loss 0.31, Dice 0.87 on 1,200 pixels of 1 image."."""
    parts = [] if step is None else [f"step {step.done}, loss {step.loss:.2f}"]
    if validation is not None:
        parts.append(f"Dice {validation.score:.2f} on {validation.basis}")
    parts += ["waits for strokes"] * is_waiting
    return f"Live: {', '.join(parts)}." if parts else "Live: learning …"
