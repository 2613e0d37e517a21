"""Choice of metrics and label semantics, with buttons to correct a wrong choice."""

from collections.abc import Sequence
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit._qt.widgets.label_semantics import LabelSemantics

KINDS = {
    "semantic": ("Classes, pixel by pixel", "IoU and Dice of each class."),
    "instance": (
        "Objects",
        "Objects are matched by overlap: F1, precision, recall and AP for each IoU threshold.",
    ),
    "panoptic": (
        "Panoptic segments",
        "Panoptic quality (PQ) of each class. The features of both layers need the columns index "
        "(label value), class, and kind (thing or stuff).",
    ),
}
REMEDIES = {
    "semantic": {
        "labels_are='objects'": "Merge all objects into one class",
        "labels_are='classes'": "The label values are classes",
        "kind='instance'": "Compare objects",
    },
    "instance": {
        "labels_are='classes'": "Each connected component is an object",
        "labels_are='objects'": "Each label value is one object",
        "kind='semantic'": "Compare classes, pixel by pixel",
    },
}


class MetricsKindChoice(NoWheel, QComboBox):
    """Kind of metrics: suggested by the layers until the user chooses."""

    changed = Signal()
    features_changed = Signal()  # of one of the layers

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for index, (kind, (text, tip)) in enumerate(KINDS.items()):
            self.addItem(text, kind)
            self.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.setToolTip("<p>What to compare. Set from the layers until you choose.</p>")
        self._layers: list[Any] = []
        self._chosen: dict[tuple[str, ...], str] = {}
        self.currentIndexChanged.connect(self.changed)
        self.activated.connect(self._on_activated)

    def value(self) -> str:
        """Argument `kind` of `evaluate`."""
        return str(self.currentData())

    def set_value(self, kind: str) -> None:
        """Choose a kind for the current layers, as the user does."""
        self._chosen[self._layer_ids()] = kind
        self.setCurrentIndex(list(KINDS).index(kind))

    def restore_for(self, *layers: Any) -> None:
        """Show the kind chosen for these layers, or the suggested one."""
        for layer in self._layers:
            layer.events.features.disconnect(self._on_features)
        self._layers = [x for x in dict.fromkeys(layers) if x is not None]
        for layer in self._layers:
            layer.events.features.connect(self._on_features)
        self._update()

    def _layer_ids(self) -> tuple[str, ...]:
        return tuple(str(layer.unique_id) for layer in self._layers)

    def _update(self) -> None:
        kind = self._chosen.get(self._layer_ids()) or suggested_kind(self._layers)
        self.setCurrentIndex(list(KINDS).index(kind))

    def _on_activated(self) -> None:
        self._chosen[self._layer_ids()] = self.value()

    def _on_features(self) -> None:
        if isalive(self):
            self._update()
            self.features_changed.emit()


def suggested_kind(layers: Sequence[Any]) -> str:
    """Suggest a kind from layer metadata and feature columns; the first match decides."""
    for layer in layers:
        metadata, features = layer.metadata.get("segkit", {}), layer.features
        if "kind" in features or metadata.get("kind") == "panoptic":
            return "panoptic"
        if "score" in features or metadata.get("kind") in ("instance", "objects"):
            return "instance"
    return "semantic"


class Remedies(QWidget):
    """A button for each correction that an error proposes; hidden if there is none."""

    chosen = Signal(str, str)  # option and value, such as "kind" and "instance"

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._remedies: dict[str, str] = {}
        self.hide()

    def show_buttons(self, kind: str, remedies: Sequence[str]) -> None:
        """Show buttons for the remedies of a `LabelsError`."""
        while self._column.count():
            self._column.takeAt(0).widget().deleteLater()
        texts = REMEDIES.get(kind, {})
        self._remedies = {texts[r]: r for r in remedies if r in texts}
        for text in self._remedies:
            button = QPushButton(text)
            button.clicked.connect(self._on_clicked)
            self._column.addWidget(button)
        self.setVisible(bool(self._remedies))

    @property
    def offered(self) -> list[str]:
        return list(self._remedies)

    def choose(self, text: str) -> None:
        """Apply the remedy with this button text."""
        name, value = self._remedies[text].split("=")
        self.chosen.emit(name, value.strip("'"))

    def _on_clicked(self) -> None:
        self.choose(self.sender().text())


class MetricsChoice(QObject):
    """Options of an evaluation; a dock lays out the widgets."""

    changed = Signal()
    remedy_applied = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.kind = MetricsKindChoice()
        self.semantics = LabelSemantics(self, unlabelled=None)
        self.remedies = Remedies()
        self.kind.changed.connect(self._on_choice)
        self.semantics.changed.connect(self._on_choice)
        self.remedies.chosen.connect(self._on_remedy)

    def value(self) -> dict[str, Any]:
        """Keyword arguments of `evaluate`."""
        options = {"kind": self.kind.value(), **self.semantics.value()}
        if self.kind.value() == "panoptic":  # label values are always segment ids
            del options["labels_are"]
        return options

    def restore_for(self, *layers: Any) -> None:
        """Show the options chosen for these layers, or their defaults."""
        self.kind.restore_for(*layers)
        self.semantics.restore_for(*layers)
        self._on_choice()

    def show_remedies(self, error: Exception | None = None) -> None:
        """Show buttons that correct an error; hide them without one."""
        self.remedies.show_buttons(self.kind.value(), getattr(error, "remedies", ()))

    def _on_choice(self) -> None:
        self.show_remedies()
        self.semantics.show_texts(objects=self.kind.value() == "instance")
        self.semantics.labels_are.setEnabled(self.kind.value() != "panoptic")
        self.changed.emit()

    def _on_remedy(self, name: str, value: str) -> None:
        if name == "kind":
            self.kind.set_value(value)
        else:
            self.semantics.set_value(self.semantics.value()["unlabelled"], value)
        self.remedy_applied.emit()
