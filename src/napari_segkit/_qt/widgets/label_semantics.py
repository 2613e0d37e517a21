"""Choice of what label values mean."""

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QComboBox

SEMANTIC_TEXTS = {
    "ask": "Class labels (checked)",
    "classes": "Class labels",
    "objects": "Instance ids, as one class",
}
INSTANCE_TEXTS = {
    "ask": "Instance ids (checked)",
    "classes": "Class labels, by component",
    "objects": "Instance ids",
}
UNLABELLED_TEXTS: dict[int | None, str] = {
    0: "0 (not painted)",
    None: "none (all labelled)",
    255: "255",
}
UNLABELLED_INSTANCE_TEXTS = UNLABELLED_TEXTS | {
    0: "0 is background",
    None: "none (0 is background)",
}
UNLABELLED_TIP = (
    "Value of pixels that are left out of training and metrics: choose one, type a number, or none."
)
UNLABELLED_INSTANCE_TIP = (
    "<p>0 is background, and is trained on. Pixels of a value chosen or typed here are left out of "
    "training and metrics: it is unknown which objects are there.</p>"
)
LABELS_ARE_TIP = (
    "<p>Meaning of the label values: classes, or an id for each object, all merged into one "
    "foreground class. Checked: labels that look like instance ids are refused.</p>"
)
LABELS_ARE_INSTANCE_TIP = (
    "<p>Meaning of the label values: an id for each object, or classes whose connected components "
    "are the objects. Checked: labels that look like classes are refused.</p>"
)
MAX_VALUES = 20  # offered besides the usual ones
MIN_LETTERS = 17


class LabelSemantics(QObject):
    """Combo boxes for the unlabelled value and the kind of labels, laid out by the owner."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None, *, unlabelled: int | None = 0) -> None:
        super().__init__(parent)
        self.unlabelled = QComboBox(editable=True)
        self.unlabelled.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.unlabelled.setCompleter(None)
        self._default = {"unlabelled": unlabelled, "labels_are": "ask"}
        self._choices: dict[tuple[str, ...], dict[str, Any]] = {}
        self._layers: tuple[str, ...] = ()
        self._texts = UNLABELLED_TEXTS
        self.labels_are = QComboBox()
        for name, text in SEMANTIC_TEXTS.items():
            self.labels_are.addItem(text, name)
        for box in (self.unlabelled, self.labels_are):  # fixed width: the texts change
            box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(MIN_LETTERS)
        self.add_values(())
        self.show_texts(objects=False)
        self.set_value(unlabelled, "ask")
        self.unlabelled.currentIndexChanged.connect(self.changed)
        self.labels_are.currentIndexChanged.connect(self.changed)
        self.unlabelled.lineEdit().editingFinished.connect(self._on_typed)

    def value(self) -> dict[str, Any]:
        """The choices as keyword arguments of `TrainConfig` and `evaluate`."""
        return {
            "unlabelled": self.unlabelled.currentData(),
            "labels_are": self.labels_are.currentData(),
        }

    def set_value(self, unlabelled: int | None, labels_are: str) -> None:
        self._add(unlabelled)
        self.unlabelled.setCurrentIndex(_find(self.unlabelled, unlabelled))
        self.labels_are.setCurrentIndex(_find(self.labels_are, labels_are))

    def show_texts(self, *, objects: bool) -> None:
        """Word the choices for instance segmentation, or for classes."""
        self._texts = UNLABELLED_INSTANCE_TEXTS if objects else UNLABELLED_TEXTS
        for value, text in self._texts.items():
            self.unlabelled.setItemText(_find(self.unlabelled, value), text)
        for name, text in (INSTANCE_TEXTS if objects else SEMANTIC_TEXTS).items():
            self.labels_are.setItemText(_find(self.labels_are, name), text)
        self.unlabelled.setToolTip(UNLABELLED_INSTANCE_TIP if objects else UNLABELLED_TIP)
        self.labels_are.setToolTip(LABELS_ARE_INSTANCE_TIP if objects else LABELS_ARE_TIP)

    def restore_for(self, *layers: Any) -> None:
        """Show the choices made for these layers before, or else the defaults."""
        names = tuple(str(getattr(layer, "unique_id", "")) for layer in layers)
        if names != self._layers:
            self._choices[self._layers] = self.value()
            self._layers = names
            self.set_value(**self._choices.get(names, self._default))

    def add_values(self, values: Iterable[int]) -> None:
        """Offer the usual values and these as unlabelled value."""
        for value in (*UNLABELLED_TEXTS, *sorted(values)[:MAX_VALUES]):
            self._add(value)

    def _on_typed(self) -> None:
        """Accept a number or "none", and revert anything else."""
        text = self.unlabelled.currentText().strip()
        index = self.unlabelled.findText(text)
        if index < 0 and text.isdecimal():
            self._add(int(text))
            index = _find(self.unlabelled, int(text))
        elif text.lower() == "none":
            index = _find(self.unlabelled, None)
        index = index if index >= 0 else self.unlabelled.currentIndex()
        self.unlabelled.setCurrentIndex(index)
        self.unlabelled.setEditText(self.unlabelled.itemText(index))

    def _add(self, value: int | None) -> None:
        if _find(self.unlabelled, value) < 0:
            blocked = self.unlabelled.blockSignals(True)
            self.unlabelled.addItem(self._texts.get(value, str(value)), value)
            self.unlabelled.blockSignals(blocked)


def _find(box: QComboBox, value: Any) -> int:
    """Index of a value; Qt's findData does not find None."""
    return next((i for i in range(box.count()) if box.itemData(i) == value), -1)
