"""The project of a window: saved, autosaved and opened again."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels
from napari.utils.events import Event
from napari.utils.notifications import show_warning
from qtpy.QtCore import QEvent, QObject, QTimer, Signal

from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.layers.layer_watcher import EditCounter
from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session import unsaved_labels
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.spare_models import SEARCH_WAIT_MS, SpareFile
from napari_segkit._qt.session.training_rows import copied_rows
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.project.project import Project
from napari_segkit.project.store import ChangedError
from napari_segkit.segmenter import Segmenter
from napari_segkit.training_set import TrainingRow, TrainingSet

from .project_work import (
    Opened,
    autosave_labels,
    find_labels,
    light_rows,
    open_project,
    save_project,
)

CHECK_MS = 1000
AUTOSAVE_SECONDS = 20.0
SAVING = "segkit saves labels"  # name of a thread
SHARED = "It is open in another window, too: close it in one of them."
NOTHING = "Nothing to save: choose an image and its labels in the Train dock first."


class WindowProject(QObject):
    """Saves what the docks of a workbench hold as a project, and opens one in them."""

    changed = Signal()  # the project, or whether all of it is saved
    message = Signal(str)
    conflict = Signal(str)  # something else has saved there since
    opened = Signal(object)  # Opened, not yet shown
    found = Signal(object)  # SpareFile or Path: labels that were left behind

    def __init__(self, train: TrainDock, predict: PredictDock, parent: QObject) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self._train, self._predict = train, predict
        self.session = train.session
        self._lock: SpareFile | None = None  # of the project, or the folder of unsaved labels
        self._unsaved: Project | None = None  # labels that are in no project
        self._is_found = False  # those of an earlier window, whose files the rows are
        self._obsolete: SpareFile | None = None  # such files, once they are saved
        self._counters: WeakKeyDictionary[Labels, EditCounter] = WeakKeyDictionary()
        self._copies: WeakKeyDictionary[Labels, tuple[int, Snapshot]] = WeakKeyDictionary()
        self._saved: tuple[object, ...] = self._state()
        self._autosaved = self._saved
        self._was_changed = self._has_failed = False
        self._is_opening = False  # the first row of a project is read
        self._is_kept = True  # what was opened is in its project
        self._last = monotonic()
        self._work, self._autosaves = LatestCall(self), LatestCall(self)
        self._search = LatestCall(self, wait_ms=SEARCH_WAIT_MS)
        self._work.errored.connect(self._on_error)
        self._work.returned.connect(self._on_done)
        self._autosaves.errored.connect(self._on_autosave_error)
        self._autosaves.returned.connect(self._on_autosaved)
        self._search.returned.connect(self._on_found)
        self._search.submit(find_labels)
        self._timer = QTimer(self, interval=CHECK_MS)
        self._timer.timeout.connect(self._check)
        self._timer.start()
        train.data.changed.connect(self._state)  # counts strokes from the first on
        train.training_set.next_image.opened.connect(self._on_row_opened)
        layers = unwrapped(self.session.viewer).layers
        layers.events.inserted.connect(self._on_inserted, position="last")
        self._window = self.session.viewer.window.main_menu.window()
        self._window.installEventFilter(self)

    @property
    def is_busy(self) -> bool:
        """Whether a project is being saved or opened."""
        return self._work.is_busy

    @property
    def has_changed(self) -> bool:
        """Whether labels, rows or model differ from what was saved, or were never saved."""
        return self._state() != self._saved

    @property
    def name(self) -> str:
        """Name of the project's folder; "" if there is none."""
        folder = self.project and self.project.folder
        return folder.name if folder else ""

    def save(self, folder: Path | None = None, *, overwrite: bool = False) -> None:
        """Save in the background, into a new folder or where the project is."""
        project = self.project or self._unsaved or Project(TrainingSet(()))
        try:
            self._update(project)
        except ValueError as error:
            self.message.emit(error_text(error, "Save project"))
            return
        self._submit(partial(save_project, project, folder, overwrite, self._state()))

    def open(self, folder: Path) -> None:
        """Read a project in the background; `opened` tells of it."""
        self._submit(partial(open_project, folder, None))

    def open_unsaved(self, spare: SpareFile) -> None:
        """Read labels that were left behind."""
        self._submit(partial(open_project, spare.path, spare))

    def show(self, opened: Opened, project: Project) -> None:
        """Show a project, `opened` or its `recovered`, in the docks."""
        if not self.has_changed:
            self._train.training_set.next_image.close_layers()
        self._let_go()
        if opened.spare is None:
            self.project, self._unsaved = project, None
            self._hold(project.folder)
        else:
            self.project, self._unsaved, self._lock = None, project, opened.spare
        self._is_found = opened.spare is not None
        if self._obsolete is not None:
            unsaved_labels.remove(self._obsolete)
            self._obsolete = None
        train, predict = self._train, self._predict
        self.session.segmenter = project.segmenter or Segmenter(
            project.spec, device=self.session.segmenter.device
        )
        train.set_config(project.config)
        predict.form.value, predict.network.value = project.tile, project.prediction
        predict.objects.form.value = project.objects
        self.session.training_set = project.training_set
        train.training_set.set_open(len(project.training_set) > 1)
        train.training_set.next_image.open(0)
        self._is_opening, self._is_kept = True, project is opened.project and not opened.spare
        is_shared = self._lock is not None and not self._lock.is_held
        self.message.emit(" ".join([*opened.notes, *[SHARED] * is_shared]))
        self._take_state()

    def _on_row_opened(self) -> None:
        """Labels that were drawn for the first time were not painted on."""
        if self._is_opening:
            self._is_opening = False
            self._take_state()

    def _take_state(self) -> None:
        self._autosaved = self._state()
        self._saved = self._autosaved if self._is_kept else ()
        self.changed.emit()

    def autosave(self) -> None:
        """Write labels that were painted on, in the background: at most once at a time."""
        if self.is_busy or self._autosaves.is_busy:
            return
        self._last = monotonic()
        if (call := self._autosaving()) is not None:
            self._autosaves.submit(call)

    def eventFilter(self, _window: QObject, event: QEvent) -> bool:
        """Keep the last strokes of a window that is closed."""
        is_lost = event.type() == QEvent.Type.Close and self._is_painted()
        if is_lost and (call := self._autosaving()) is not None:
            Thread(target=call, name=SAVING).start()  # Python waits for it
        return False

    def _autosaving(self) -> Callable[[], object] | None:
        """What writes the labels as they are now, in another thread; None if there are none."""
        target = self.project or self._unsaved or Project(TrainingSet(()))
        try:
            self._take_rows(target)
        except ValueError as error:
            self._on_autosave_error(error)
            return None
        with suppress(ValueError):  # settings that do not go together keep no labels from it
            self._take_settings(target)
        if not len(target.training_set):
            return None
        if self.project is not None:
            return partial(autosave_labels, target, None, self._state())
        target.segmenter = None  # kept by itself
        target.training_set = light_rows(target.training_set)
        if not len(target.training_set):
            return None
        if self._lock is None:
            self._lock = unsaved_labels.new_folder()
        return partial(autosave_labels, target, self._lock.path, self._state())

    def _update(self, project: Project) -> None:
        """Give a project what the docks hold now; ValueError if that is not complete."""
        if not self._rows():
            raise ValueError(NOTHING)
        self._take_settings(project)
        self._take_rows(project)

    def _take_settings(self, project: Project) -> None:
        predict = self._predict
        project.config = self._train.config()
        project.tile, project.prediction = predict.form.value, predict.network.value
        project.objects = predict.objects.form.value

    def _take_rows(self, project: Project) -> None:
        rows = self._rows()
        project.classes = self._train.classes.classes if len(rows) == 1 else ()
        project.segmenter = self.session.segmenter
        project.spec = self.session.segmenter.spec
        project.training_set = copied_rows(self.session, map(self._with_copies, rows))

    def _rows(self) -> list[TrainingRow]:
        """The training set, or the chosen image; further labels of images are left out."""
        chosen = self._train.training_set.chosen_row()
        rows = list(self.session.training_set.rows) or ([chosen] if chosen else [])
        listed = {id(unwrapped(row.labels)) for row in rows}
        layers = self.session.viewer.layers
        for labels in self.session.chosen_labels():
            images = self.session.images_of(labels)
            image = next((x for x in layers if str(x.unique_id) in images), None)
            if labels in layers and isinstance(image, Image) and id(labels) not in listed:
                rows.append(TrainingRow(image, labels, "leave out"))
        return rows

    def _with_copies(self, row: TrainingRow) -> TrainingRow:
        labels, classes = self._copy(row.labels), self._copy(row.object_classes)
        return replace(row, labels=labels, object_classes=classes)

    def _copy(self, source: Any) -> Any:
        """A copy of a layer of labels, made anew only if it was painted on."""
        layer = unwrapped(source)
        if not isinstance(layer, Labels):
            return source
        count = self._counter(layer).count
        if layer not in self._copies or self._copies[layer][0] != count:
            self._copies[layer] = count, snapshot(layer)
        return self._copies[layer][1]

    def _counter(self, layer: Labels) -> EditCounter:
        if layer not in self._counters:
            self._counters[layer] = EditCounter(unwrapped(self.session.viewer), layer)
        return self._counters[layer]

    def _on_inserted(self, event: Event) -> None:
        """Count no strokes where napari draws a layer that it adds."""
        counter = self._counters.get(event.value)
        if counter is not None and id(event.value) not in dict(self._autosaved[0]):  # type: ignore[call-overload]
            counter.count = 0

    def _state(self) -> tuple[object, ...]:
        """What changes when something is to be saved."""
        layers = [x for x in self.session.chosen_labels() if isinstance(x, Labels)]
        counts = frozenset((id(x), n) for x in layers if (n := self._counter(x).count))
        rows = tuple((id(r.image), r.role, r.group) for r in self.session.training_set.rows)
        trained = self.session.segmenter.trained
        return counts, rows, trained and trained.identity

    def _check(self) -> None:
        """Tell of changes, and autosave them after a while."""
        if self.session.viewer is None:
            self._timer.stop()
            return
        if self.has_changed != self._was_changed:
            self._was_changed = self.has_changed
            self.changed.emit()
        if self._is_painted() and monotonic() - self._last >= AUTOSAVE_SECONDS:
            self.autosave()

    def _is_painted(self) -> bool:
        """Whether labels were painted on since they were kept last."""
        now, before = dict(self._state()[0]), dict(self._autosaved[0])  # type: ignore[call-overload]
        return any(count > before.get(layer, 0) for layer, count in now.items())

    def _submit(self, call: Callable[[], object]) -> None:
        if not self.is_busy:
            self._work.submit(call)
            self.changed.emit()

    def _on_done(self, result: object) -> None:
        if isinstance(result, Opened):
            self.opened.emit(result)
        elif isinstance(result, tuple):
            self._on_saved(*result)
        self.changed.emit()

    def _on_saved(
        self, project: Project, notes: tuple[str, ...], state: tuple[object, ...]
    ) -> None:
        if self._is_found:
            self._obsolete, self._lock = self._lock, None
        elif self.project is None and self._lock is not None:
            unsaved_labels.remove(self._lock)
        self._let_go()
        self.project, self._unsaved = project, None
        self._hold(project.folder)
        self._saved = self._autosaved = state
        self.message.emit(" ".join([f"Saved in {project.folder}.", *notes]))
        if self._is_found and project.folder is not None:
            self.open(project.folder)  # its rows, in place of files that are removed

    def _on_error(self, error: BaseException) -> None:
        told = self.conflict if isinstance(error, ChangedError) else self.message
        told.emit(error_text(error, "The project"))
        self.changed.emit()

    def _on_autosaved(self, result: tuple[Project, tuple[object, ...]]) -> None:
        self._has_failed = False
        project, self._autosaved = result
        if self.project is None:
            self._unsaved = project

    def _on_autosave_error(self, error: BaseException) -> None:
        """Say it once; it is tried again."""
        if not self._has_failed:
            text = error_text(error, "Autosaving the labels")
            show_warning(f"{text} It is tried again; save the project elsewhere to be sure.")
        self._has_failed = True

    def _on_found(self, found: "SpareFile | Path | None") -> None:
        if found is not None:
            self.found.emit(found)

    def _hold(self, folder: Path | None) -> None:
        if folder is not None:
            self._lock = unsaved_labels.hold_project(folder)
            unsaved_labels.remember_project(folder)

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._lock = None
