"""List of what can be compared: models of the session, files, predictions of the image."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_segkit._qt.layers.belonging import rank_of
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.layer_choice import is_prediction, is_preview
from napari_segkit.models import model_info
from napari_segkit.segmenter import Segmenter

SOURCE = Qt.ItemDataRole.UserRole
ROWS = 6  # in view
TIP = (
    "<p>What is compared: the models that were trained since the window was opened, model files, "
    "and predictions of the image. Tick those to compare.</p>"
)


class ComparedList(QListWidget):
    """Models and predictions with a tick each; what was ticked stays so while it is there."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(toolTip=TIP)
        self._session = session
        self._files: list[Path] = []
        self._unticked: set[object] = set()
        self._image: Image | None = None
        self._show_predictions = True
        self.setFixedHeight(ROWS * self.fontMetrics().height() + ROWS * 4)
        self.itemChanged.connect(self._on_ticked)

    def show_image(self, image: Image | None, *, predictions: bool) -> None:
        """List what there is for an image; predictions only where it is compared alone."""
        self._image, self._show_predictions = image, predictions
        self.update_list()

    def add_files(self, files: list[Path]) -> None:
        """List model files."""
        self._files += [file for file in files if file not in self._files]
        self.update_list()

    def update_list(self) -> None:
        """List anew what there is now."""
        self.blockSignals(True)
        self.clear()
        for key, text, source in self._offered():
            item = QListWidgetItem(text, self)
            item.setData(SOURCE, (key, source))
            ticked = key not in self._unticked
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            item.setToolTip(text)
        self.blockSignals(False)
        self.changed.emit()

    def ticked(self) -> dict[str, Any]:
        """Names, and models, files or copies of layers, as `compare` takes them."""
        found: dict[str, Any] = {}
        device = self._session.segmenter.device
        for item in self._items():
            source = item.data(SOURCE)[1]
            if item.checkState() == Qt.CheckState.Checked:
                found[item.text()] = _copied(source, device)
        return found

    def names(self) -> list[str]:
        """Names of what is ticked."""
        return [i.text() for i in self._items() if i.checkState() == Qt.CheckState.Checked]

    def _items(self) -> Iterator[QListWidgetItem]:
        return (self.item(row) for row in range(self.count()))

    def _offered(self) -> Iterator[tuple[object, str, object]]:
        """Key, text and source of each; texts differ."""
        taken: set[str] = set()
        for key, text, source in self._sources():
            numbers = (f"{text} ({n})" for n in range(2, 1000))
            name = next(t for t in (text, *numbers) if t not in taken)
            taken.add(name)
            yield key, name, source

    def _sources(self) -> Iterator[tuple[object, str, object]]:
        for trained in self._session.models.all:
            name = self._session.model_name(trained.model.identity)
            title = name or model_info(trained.model.spec.name).title
            yield trained.model.identity, f"{title}, {trained.ended:%H:%M}", trained.model
        current = self._session.segmenter.trained
        if current is not None and self._session.models.number_of(current) is None:
            name = self._session.model_name(current.identity)
            yield current.identity, name or model_info(current.spec.name).title, current
        for file in self._files:
            yield file, file.name, file
        if self._show_predictions and self._image is not None:
            for layer in self._predictions(self._image):
                yield str(layer.unique_id), layer.name, layer

    def _predictions(self, image: Image) -> Iterator[Labels]:
        """Predictions of an image, topmost first, without those that were made to be looked at."""
        for layer in reversed(self._session.viewer.layers):
            if not isinstance(layer, Labels) or not is_prediction(layer) or is_preview(layer):
                continue
            if rank_of(self._session, layer, image) is not None:
                yield layer

    def _on_ticked(self, item: QListWidgetItem) -> None:
        key = item.data(SOURCE)[0]
        ticked = item.checkState() == Qt.CheckState.Checked
        (self._unticked.discard if ticked else self._unticked.add)(key)
        self.changed.emit()


def _copied(source: Any, device: str) -> Any:
    """A model with its own segmenter, the path of a file, or a copy of a layer."""
    if isinstance(source, Labels):
        return snapshot(source)
    return source if isinstance(source, Path) else Segmenter.of_trained(source, device=device)
