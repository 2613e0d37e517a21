"""The choice of what label values mean."""

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QComboBox

KINDS = {"ask": "classes (ask about objects)", "classes": "classes", "objects": "objects"}
KINDS_OF_OBJECTS = {
    "ask": "objects (ask about classes)",
    "classes": "classes: pieces are objects",
    "objects": "objects",
}
USUAL: dict[int | None, str] = {
    0: "0 (not painted)",
    None: "none: every pixel counts",
    255: "255",
}
USUAL_OF_OBJECTS = USUAL | {0: "0 is background", None: "none: 0 is background"}
UNLABELLED = "The one value that is never learned nor counted: choose it, or type a number or none."
UNLABELLED_OF_OBJECTS = (
    "<p>0 is background and learned as such. A value chosen or typed here is left out: nobody said "
    "which objects are there.</p>"
)
LABELS_ARE = "What the label values mean: classes, or ids of objects."
LABELS_ARE_OF_OBJECTS = (
    "<p>What the label values mean: a number for each object, or classes, of which each connected "
    "piece is an object.</p>"
)
OFFERED = 20
WIDTH = 17  # of letters as wide as an X: the longest words that are usual


class LabelSemantics(QObject):
    """Which value is unlabelled, and whether values are classes or objects.

    What the choices are called depends on whether classes or objects are wanted; the choices
    themselves do not.

    Parameters
    ----------
    unlabelled : int or None
        The value chosen at first.
    parent : QObject, optional
        Owner of this object; the two combo boxes belong to whoever lays them out.

    Attributes
    ----------
    unlabelled, labels_are : QComboBox
        The choices.
    changed : Signal()
        Another choice was made.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None, *, unlabelled: int | None = 0) -> None:
        super().__init__(parent)
        self.unlabelled = QComboBox(editable=True)
        self.unlabelled.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.unlabelled.setCompleter(None)
        self._default = {"unlabelled": unlabelled, "labels_are": "ask"}
        self._kept: dict[tuple[str, ...], dict[str, Any]] = {}
        self._layers: tuple[str, ...] = ()
        self._usual = USUAL
        self.labels_are = QComboBox()
        for name, text in KINDS.items():
            self.labels_are.addItem(text, name)
        for box in (self.unlabelled, self.labels_are):  # no wider than the dock: words change
            box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(WIDTH)
        self.offer(())
        self.show_words(of_objects=False)
        self.set_value(unlabelled, "ask")
        self.unlabelled.currentIndexChanged.connect(self.changed)
        self.labels_are.currentIndexChanged.connect(self.changed)
        self.unlabelled.lineEdit().editingFinished.connect(self._on_typed)

    def value(self) -> dict[str, Any]:
        """The choices, by their names in `TrainConfig` and `evaluate`."""
        return {
            "unlabelled": self.unlabelled.currentData(),
            "labels_are": self.labels_are.currentData(),
        }

    def set_value(self, unlabelled: int | None, labels_are: str) -> None:
        """Make both choices."""
        self._add(unlabelled)
        self.unlabelled.setCurrentIndex(_find(self.unlabelled, unlabelled))
        self.labels_are.setCurrentIndex(_find(self.labels_are, labels_are))

    def show_words(self, *, of_objects: bool) -> None:
        """Call the choices by what they mean where objects are wanted, or where classes are."""
        self._usual = USUAL_OF_OBJECTS if of_objects else USUAL
        for value, text in self._usual.items():
            self.unlabelled.setItemText(_find(self.unlabelled, value), text)
        for name, text in (KINDS_OF_OBJECTS if of_objects else KINDS).items():
            self.labels_are.setItemText(_find(self.labels_are, name), text)
        self.unlabelled.setToolTip(UNLABELLED_OF_OBJECTS if of_objects else UNLABELLED)
        self.labels_are.setToolTip(LABELS_ARE_OF_OBJECTS if of_objects else LABELS_ARE)

    def hold_for(self, *layers: Any) -> None:
        """Show the choices that were made for these layers; the defaults where there are none."""
        names = tuple(str(getattr(layer, "unique_id", "")) for layer in layers)
        if names != self._layers:
            self._kept[self._layers] = self.value()
            self._layers = names
            self.set_value(**self._kept.get(names, self._default))

    def offer(self, values: Iterable[int]) -> None:
        """Offer the usual values and these."""
        for value in (*USUAL, *sorted(values)[:OFFERED]):
            self._add(value)

    def _on_typed(self) -> None:
        """Take a number or "none"; anything else is not taken."""
        text = self.unlabelled.currentText().strip()
        place = self.unlabelled.findText(text)
        if place < 0 and text.isdecimal():
            self._add(int(text))
            place = _find(self.unlabelled, int(text))
        elif text.lower() == "none":
            place = _find(self.unlabelled, None)
        place = place if place >= 0 else self.unlabelled.currentIndex()
        self.unlabelled.setCurrentIndex(place)
        self.unlabelled.setEditText(self.unlabelled.itemText(place))

    def _add(self, value: int | None) -> None:
        if _find(self.unlabelled, value) < 0:
            blocked = self.unlabelled.blockSignals(True)
            self.unlabelled.addItem(self._usual.get(value, str(value)), value)
            self.unlabelled.blockSignals(blocked)


def _find(box: QComboBox, value: Any) -> int:
    """The place of a value; Qt's own findData does not find None."""
    return next((i for i in range(box.count()) if box.itemData(i) == value), -1)
