"""Choice of what label values mean."""

from ast import literal_eval
from collections.abc import Iterable
from typing import TypedDict

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit.config.training import LabelsAre

from .choice import Choice

SEMANTIC_TEXTS: dict[LabelsAre, str] = {
    "ask": "Class labels (checked)",
    "classes": "Class labels",
    "objects": "Instance ids as one class",
}
INSTANCE_TEXTS: dict[LabelsAre, str] = {
    "ask": "Instance ids (checked)",
    "classes": "Classes, by component",
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
MIN_LETTERS = 14


class LabelOptions(TypedDict):
    """Keyword arguments of `TrainConfig` and `evaluate`."""

    unlabelled: int | None
    labels_are: LabelsAre


class LabelSemantics(QObject):
    """Combo boxes for the unlabelled value and the kind of labels, laid out by the owner."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None, *, unlabelled: int | None = 0) -> None:
        super().__init__(parent)
        self.is_shared = False  # one choice for all layers, as those of a training set have
        self._default = LabelOptions(unlabelled=unlabelled, labels_are="ask")
        self._chosen: dict[tuple[str, ...], LabelOptions] = {}
        self._layers: tuple[str, ...] = ()
        self._texts: dict[int | None, str] = {}
        self.unlabelled: Choice[int | None] = Choice(
            letters=MIN_LETTERS
        )  # fixed width: the texts change
        self.labels_are: Choice[LabelsAre] = Choice(letters=MIN_LETTERS)
        box: QComboBox = self.unlabelled.native
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.setCompleter(None)
        self._values: list[int | None] = list(UNLABELLED_TEXTS)
        self.show_texts(objects=False)
        self.set_value(unlabelled, "ask")
        self.unlabelled.changed.connect(self._on_choice)
        self.labels_are.changed.connect(self._on_choice)
        box.lineEdit().editingFinished.connect(self._on_typed)

    @property
    def value(self) -> LabelOptions:
        return {"unlabelled": self.unlabelled.value, "labels_are": self.labels_are.value}

    def set_value(self, unlabelled: int | None, labels_are: LabelsAre) -> None:
        self._add(unlabelled)
        self.unlabelled.value = unlabelled
        self.labels_are.value = labels_are

    def apply(self, remedy: str) -> None:
        """Make the choice that an error proposes, such as "labels_are='objects'"."""
        name, value = remedy.split("=")
        if name in self.value:
            getattr(self, name).value = literal_eval(value)

    def use_zero_as_background(self) -> None:
        """Leave out no pixels, if those of value 0 are left out."""
        if self.unlabelled.value == 0:
            self.unlabelled.value = None

    def show_texts(self, *, objects: bool) -> None:
        """Word the choices for instance segmentation, or for classes."""
        texts = UNLABELLED_INSTANCE_TEXTS if objects else UNLABELLED_TEXTS
        if texts is self._texts:
            return
        self._texts = texts
        self.unlabelled.offer([(texts.get(v, str(v)), v) for v in self._values])
        names = INSTANCE_TEXTS if objects else SEMANTIC_TEXTS
        self.labels_are.offer([(text, name) for name, text in names.items()])
        self.unlabelled.tooltip = UNLABELLED_INSTANCE_TIP if objects else UNLABELLED_TIP
        self.labels_are.tooltip = LABELS_ARE_INSTANCE_TIP if objects else LABELS_ARE_TIP

    def restore_for(self, *layers: Layer | None) -> None:
        """Show the choices made for these layers before, or else the defaults."""
        if self.is_shared:
            return
        names = tuple(str(getattr(layer, "unique_id", "")) for layer in layers)
        if names != self._layers:
            self._chosen[self._layers] = self.value
            self._layers = names
            self.set_value(**self._chosen.get(names, self._default))

    def add_values(self, values: Iterable[int]) -> None:
        """Offer these as unlabelled value, too."""
        for value in sorted(values)[:MAX_VALUES]:
            self._add(value)

    def _on_choice(self) -> None:
        self.changed.emit()

    def _on_typed(self) -> None:
        """Accept a number or "none", and revert anything else."""
        box: QComboBox = self.unlabelled.native
        text = box.currentText().strip()
        if box.findText(text) >= 0:
            box.setCurrentIndex(box.findText(text))
        elif text.isdecimal():
            self._add(int(text))
            self.unlabelled.value = int(text)
        elif text.lower() == "none":
            self.unlabelled.value = None
        box.setEditText(box.itemText(box.currentIndex()))

    def _add(self, value: int | None) -> None:
        if value not in self._values:
            self._values.append(value)
            self.unlabelled.add(self._texts.get(value, str(value)), value)
