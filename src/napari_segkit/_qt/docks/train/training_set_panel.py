"""The training set in the Train dock: its table, buttons and what is missing."""

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from napari.layers import Image, Labels
from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.belonging import is_result
from napari_segkit._qt.layers.layer_watcher import LayerWatcher, Listener
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.label_semantics import LabelOptions
from napari_segkit._qt.widgets.question import Answers
from napari_segkit._qt.widgets.section import Section
from napari_segkit.config import TrainConfig
from napari_segkit.images.label_stats import LabelStats
from napari_segkit.io.training_roles import Role
from napari_segkit.models import predicts_objects
from napari_segkit.segmenter import Segmenter, Start
from napari_segkit.training_set import TrainingRow, TrainingSet

from .add_files import AddFiles
from .annotation_panel import AnnotationPanel
from .next_image import NextImage
from .row_counts import RowCounts
from .set_check import FIT, SetCheck
from .training_rows import (
    fitted,
    image_name,
    missing_file,
    row_key,
)
from .training_set_table import Shown, TrainingSetModel, TrainingSetTable

TITLE = "Training set"
TITLE_TIP = (
    "<p>Images that are trained on together. Without any, Train uses the image and the labels "
    "that are chosen above.</p>"
)
EMPTY = "Drop files or folders here, or add the layers chosen above, to train on several images."
ADD_LAYERS = (
    "<p>Add the image and the labels chosen above. If several images are selected in the layer "
    "list, they become the channels of one image.</p>"
)
FIT_TIP = "<p>Resample masks of another size to their images, by the nearest neighbour.</p>"
REMOVE = "Take the selected rows out of the training set; layers and files stay."
UNKNOWN = LabelStats({}, 0)
MAX_CLASSES = 6  # in the summary


class TrainingSetPanel(Section):
    """Shows and changes the session's training set; closed while it is empty."""

    changed = Signal()  # rows, counts, or what is missing

    def __init__(self, session: Session, data: ImageAndLabels, annotation: AnnotationPanel) -> None:
        body = QWidget()
        super().__init__(TITLE, body, TITLE_TIP)
        self._session, self._data, self._annotation = session, data, annotation
        self.counts = RowCounts(self)
        self.check = SetCheck(session, self.counts)
        self.model = TrainingSetModel(self._shown, self)
        self.table = TrainingSetTable(self.model)
        self.next_image = NextImage(session)
        self.files = AddFiles()
        self.add_button = QPushButton("Add these layers", toolTip=ADD_LAYERS)
        self.remove_button = QPushButton("Remove", toolTip=REMOVE)
        self.summary, self.answers = Note(), Answers()
        self._watch = LayerWatcher(session.viewer, self)
        self._selection = Listener(self, self._on_selection)
        self._open_layers = Listener(self, self.changed.emit)
        buttons = self.add_button, self.files.button, self.remove_button
        stack(body, buttons, self.files, self.table, self.summary, self.answers, self.next_image)
        self._connect()
        self._on_set()
        self._on_selection()

    @property
    def rows(self) -> tuple[TrainingRow, ...]:
        return tuple(self._session.training_set.rows)

    @property
    def is_used(self) -> bool:
        """Whether Train trains on the set."""
        return bool(self.rows)

    def add_layers(self) -> None:
        """Add the image and labels that are chosen; of several selected images, all as channels."""
        if (row := self.chosen_row()) is not None:
            self.add(TrainingSet([row]))

    def chosen_row(self) -> TrainingRow | None:
        """The image and labels that are chosen; None if they are not complete."""
        image, labels, _ = self._data.layers
        if image is None or labels is None:
            return None
        channels = self._channels(image)
        annotation = self._annotation.annotation
        return TrainingRow(
            channels if len(channels) > 1 else image,
            labels,
            object_classes=annotation.class_layer(),
            regions=annotation.regions.value if annotation.active else None,
        )

    def add(self, added: TrainingSet) -> None:
        """Add rows that are not in the set yet."""
        known = {row_key(row) for row in self.rows}
        rows = [row for row in added.rows if row_key(row) not in known]
        self._session.training_set = TrainingSet([*self.rows, *rows])
        double = len(added) - len(rows)
        self.files.status.setText(f"{counted(double)} in the set already." if double else "")

    def remove_selected(self) -> None:
        """Take the selected rows out of the set."""
        selected = set(self.table.selected_rows())
        rows = [row for i, row in enumerate(self.rows) if i not in selected]
        self._session.training_set = TrainingSet(rows)

    def fit_masks(self) -> None:
        """Resample masks of another size to their images."""
        misfits = set(map(row_key, self.check.misfits))
        rows = [fitted(row) if row_key(row) in misfits else row for row in self.rows]
        self._session.training_set = TrainingSet(rows)

    def count_text(self) -> str:
        """How many images are trained on, such as "12 images"."""
        return counted(len(self._session.training_set.with_role("train")))

    def axes(self) -> str:
        """Axes of the images, as far as a model depends on them; volumes if they are not known."""
        counts = [self.counts.of(row) for row in self._session.training_set.with_role("train")]
        flat = [count and len(count.shape) == 2 for count in counts]
        return "YX" if any(flat) else "ZYX"

    def missing(self) -> str | None:
        """Why the set cannot be trained on; None if nothing is known to be wrong."""
        return self.check.missing()

    def show_error(self, error: BaseException) -> None:
        """Offer what the training proposes against an error."""
        if self.is_used:
            remedies = getattr(error, "remedies", ())
            self._annotation.label_stats.show_set(replace(UNKNOWN, remedies=remedies))

    def _connect(self) -> None:
        self.add_button.clicked.connect(self.add_layers)
        self.remove_button.clicked.connect(self.remove_selected)
        self.files.found.connect(self.add)
        self.table.opened.connect(self.next_image.open)
        self.table.selectionModel().selectionChanged.connect(self._update_buttons)
        self.model.edited.connect(self._on_edited)
        self.counts.changed.connect(self._show_counts)
        self.next_image.opened.connect(self._on_opened)
        self._data.changed.connect(self._update_buttons)
        self._annotation.label_stats.semantics.changed.connect(self._show_counts)
        self._session.training_set_changed.connect(self._on_set)
        self._session.segmenter_changed.connect(self._show_counts)
        self._watch.painted.connect(self._on_painted)
        self._watch.redrawn.connect(self._on_painted)
        layers = unwrapped(self._session.viewer).layers
        self._selection.listen([layers.selection.events.active])
        self._open_layers.listen([layers.events.inserted, layers.events.removed])

    def _on_set(self) -> None:
        self.model.set_rows(self.rows)
        self.counts.set_rows(self.rows)
        if self.is_used and self.table.isHidden():
            self.expand(animate=False)
        self.table.setVisible(self.is_used)
        self._annotation.label_stats.semantics.is_shared = self.is_used
        self._update_buttons()
        self._show_counts()

    def _on_edited(self, number: int, field: str, value: str) -> None:
        """Set a role or group in this row, and in all selected ones if it is among them."""
        selected = self.table.selected_rows()
        numbers = selected if number in selected else [number]
        changed = [
            edited_row(row, field, value) if i in numbers else row
            for i, row in enumerate(self.rows)
        ]
        self._session.training_set = TrainingSet(changed)

    def _on_selection(self) -> None:
        layer = unwrapped(self._session.viewer).layers.selection.active
        self._watch.watch(layer if isinstance(layer, Labels) else None)

    def _on_painted(self) -> None:
        if self._watch.layer is not None:
            self.next_image.on_painted(self._watch.layer)
            self.counts.forget(self._watch.layer)

    def _on_opened(self) -> None:
        if self.next_image.number is not None:
            self.table.selectRow(self.next_image.number)
        self.model.refresh()

    def _show_counts(self) -> None:
        self.model.refresh()
        self.check.update(self._semantics)
        stats = (self.check.stats or UNKNOWN) if self.is_used else None
        self._annotation.label_stats.show_set(stats)
        self.summary.setText(self._summary() if self.is_used else EMPTY)
        self.answers.offer({FIT: self.fit_masks} if self.check.misfits else {}, tips={FIT: FIT_TIP})
        self.set_title(f"{TITLE}: {counted(len(self.rows))}" if self.is_used else TITLE)
        self.changed.emit()

    def _summary(self) -> str:
        """Images by role, and labelled pixels of all that are counted."""
        roles = Counter(row.role for row in self.rows)
        lines = [", ".join(f"{n:,} to {role}" for role, n in roles.items()) + "."]
        if self.counts.is_counting:
            done = sum(self.counts.of(row) is not None for row in self.rows)
            lines.append(f"Counting the labels: {done:,} of {len(self.rows):,}.")
        elif (stats := self.check.stats) and 0 < len(stats.counts) <= MAX_CLASSES:
            texts = [f"{n:,} of {value}" for value, n in sorted(stats.counts.items())]
            lines.append(f"Labelled pixels: {', '.join(texts)}.")
        return " ".join(lines)

    @property
    def _semantics(self) -> LabelOptions:
        return self._annotation.label_stats.semantics.value

    def _shown(self, row: TrainingRow) -> Shown:
        count, objects = self.counts.of(row), predicts_objects(self._session.segmenter.spec)
        text = "" if count is None else count.text(self._semantics["unlabelled"], objects=objects)
        return Shown(text, count, self.next_image.is_open(row))

    def _channels(self, image: Image) -> list[Image]:
        """The images selected in the layer list, if the chosen one is among several."""
        layers = unwrapped(self._session.viewer).layers
        selected = [x for x in layers if x in layers.selection]
        images = [x for x in selected if isinstance(x, Image) and not is_result(x)]
        return images if image in images else [image]

    def _update_buttons(self) -> None:
        reason = self._data.missing()
        self.add_button.setEnabled(reason is None)
        self.add_button.setToolTip(ADD_LAYERS if reason is None else reason)
        self.remove_button.setEnabled(bool(self.table.selected_rows()))
        self.remove_button.setVisible(self.is_used)

    def take_drops_on(self, dock: QWidget) -> None:
        """Add files and folders that are dropped anywhere on a dock."""
        dock.setAcceptDrops(True)
        dock.installEventFilter(self)

    def eventFilter(self, _dock: QObject, event: QEvent) -> bool:
        kinds = QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop
        if event.type() not in kinds or not event.mimeData().hasUrls():
            return False
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            urls = event.mimeData().urls()
            self.expand(animate=False)  # errors and questions are shown there
            self.files.add([Path(url.toLocalFile()) for url in urls if url.isLocalFile()])
        return True


def train_set(
    segmenter: Segmenter,
    training_set: TrainingSet,
    config: TrainConfig | None,
    *,
    axes: str | None,
    resume: Path | None,
    start: Start | None,
) -> Generator[Any, Any, Any]:
    """Train on a set whose files are all there."""
    require_files(training_set)
    steps = segmenter.train_epochs(
        training_set, config=config, axes=axes, resume=resume, start=start
    )
    return (yield from steps)


def require_files(training_set: TrainingSet) -> None:
    """Refuse a set with a file that is gone."""
    for number, row in enumerate(training_set.rows, 1):
        if (file := missing_file(row)) is not None:
            raise ValueError(
                f"{image_name(row)} of the training set (row {number}): there is no file {file}. "
                "Bring it back, or remove the row."
            )


def edited_row(row: TrainingRow, field: str, value: str) -> TrainingRow:
    """A row with another role or group."""
    if field == "group":
        return replace(row, group=value)
    return replace(row, role=next(role for role in get_args(Role) if role == value))


def counted(number: int) -> str:
    """A number of images in words."""
    return "1 image" if number == 1 else f"{number:,} images"
