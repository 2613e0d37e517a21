"""Which figures are wanted, of what, and buttons where labels do not suit the choice."""

from collections.abc import Sequence
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit._qt.widgets.label_semantics import LabelSemantics

KINDS = {
    "semantic": ("classes, pixel by pixel", "IoU and Dice of each class."),
    "instance": (
        "objects",
        "Objects matched with objects: F1, precision, recall and AP by how well they must overlap.",
    ),
    "panoptic": (
        "segments with classes",
        "Panoptic quality of each class. The features of a layer name the class of each number in "
        "the columns index and class, and say in kind which are thing and which stuff.",
    ),
}
REMEDIES = {
    "semantic": {
        "labels_are='objects'": "Take all objects as one class",
        "labels_are='classes'": "These are classes",
        "kind='instance'": "Compare object with object",
    },
    "instance": {
        "labels_are='classes'": "Each connected piece is an object",
        "labels_are='objects'": "Each value is one object",
        "kind='semantic'": "Compare classes, pixel by pixel",
    },
}


class MetricsKindChoice(NoWheel, QComboBox):
    """The kind of figures: what the layers suggest, unless a person chose.

    Attributes
    ----------
    changed : Signal()
        Another kind is chosen.
    features_changed : Signal()
        The features of one of the layers have changed.
    """

    changed = Signal()
    features_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for place, (kind, (text, tip)) in enumerate(KINDS.items()):
            self.addItem(text, kind)
            self.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        self.setToolTip("<p>What is compared. It follows the layers until you choose.</p>")
        self._layers: list[Any] = []
        self._by_hand: dict[tuple[str, ...], str] = {}
        self.currentIndexChanged.connect(self.changed)
        self.activated.connect(self._on_activated)

    def value(self) -> str:
        """The kind, as `evaluate` takes it."""
        return str(self.currentData())

    def set_value(self, kind: str) -> None:
        """Choose a kind for these layers, as a person does."""
        self._by_hand[self._names()] = kind
        self.setCurrentIndex(list(KINDS).index(kind))

    def hold_for(self, *layers: Any) -> None:
        """Show the kind that was chosen for these layers, or else what they suggest."""
        for layer in self._layers:
            layer.events.features.disconnect(self._on_features)
        self._layers = [x for x in dict.fromkeys(layers) if x is not None]
        for layer in self._layers:
            layer.events.features.connect(self._on_features)
        self._show()

    def _names(self) -> tuple[str, ...]:
        return tuple(str(layer.unique_id) for layer in self._layers)

    def _show(self) -> None:
        kind = self._by_hand.get(self._names()) or suggested_kind(self._layers)
        self.setCurrentIndex(list(KINDS).index(kind))

    def _on_activated(self) -> None:
        self._by_hand[self._names()] = self.value()

    def _on_features(self) -> None:
        if isalive(self):
            self._show()
            self.features_changed.emit()


def suggested_kind(layers: Sequence[Any]) -> str:
    """Tell by what layers say of their values which figures suit them.

    Parameters
    ----------
    layers : sequence of layers
        The first that says something counts.

    Returns
    -------
    str
        "panoptic" where features tell things from stuff, "instance" where they hold scores, or
        where a result is said to be of such a kind; else "semantic".
    """
    for layer in layers:
        made, features = layer.metadata.get("segkit", {}), layer.features
        if "kind" in features or made.get("kind") == "panoptic":
            return "panoptic"
        if "score" in features or made.get("kind") in ("instance", "objects"):
            return "instance"
    return "semantic"


class Remedies(QWidget):
    """A button for each choice that would help; hidden while there is none.

    Attributes
    ----------
    chosen : Signal(str, str)
        Name and value of the choice, such as "kind" and "instance".
    """

    chosen = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._remedies: dict[str, str] = {}
        self.hide()

    def offer(self, kind: str, remedies: Sequence[str]) -> None:
        """Show buttons instead of those before.

        Parameters
        ----------
        kind : str
            The kind of figures that was asked for.
        remedies : sequence of str
            As a `LabelsError` has them.
        """
        while self._column.count():
            self._column.takeAt(0).widget().deleteLater()
        words = REMEDIES.get(kind, {})
        self._remedies = {words[r]: r for r in remedies if r in words}
        for text in self._remedies:
            button = QPushButton(text)
            button.clicked.connect(self._on_clicked)
            self._column.addWidget(button)
        self.setVisible(bool(self._remedies))

    @property
    def offered(self) -> list[str]:
        """What the buttons say."""
        return list(self._remedies)

    def choose(self, text: str) -> None:
        """Do what the button of this text does."""
        name, value = self._remedies[text].split("=")
        self.chosen.emit(name, value.strip("'"))

    def _on_clicked(self) -> None:
        self.choose(self.sender().text())


class MetricsChoice(QObject):
    """Everything that is chosen beside the layers.

    Parameters
    ----------
    parent : QObject
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    kind : MetricsKindChoice
        Which figures.
    meaning : LabelSemantics
        What the values mean.
    remedies : Remedies
        Buttons for another choice, after an error.
    changed : Signal()
        Another choice was made.
    asked : Signal()
        A person chose a remedy: measure again.
    """

    changed = Signal()
    asked = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.kind = MetricsKindChoice()
        self.meaning = LabelSemantics(self, unlabelled=None)
        self.remedies = Remedies()
        self.kind.changed.connect(self._on_choice)
        self.meaning.changed.connect(self._on_choice)
        self.remedies.chosen.connect(self._on_remedy)

    def value(self) -> dict[str, Any]:
        """The choices, by their names in `evaluate`."""
        chosen = {"kind": self.kind.value(), **self.meaning.value()}
        if self.kind.value() == "panoptic":  # its values are numbers of segments
            del chosen["labels_are"]
        return chosen

    def hold_for(self, *layers: Any) -> None:
        """Show what was chosen for these layers, or what suits them."""
        self.kind.hold_for(*layers)
        self.meaning.hold_for(*layers)
        self._on_choice()

    def offer(self, error: Exception | None = None) -> None:
        """Offer what would help after an error; None: nothing."""
        self.remedies.offer(self.kind.value(), getattr(error, "remedies", ()))

    def _on_choice(self) -> None:
        self.offer()
        self.meaning.show_words(of_objects=self.kind.value() == "instance")
        self.meaning.labels_are.setEnabled(self.kind.value() != "panoptic")
        self.changed.emit()

    def _on_remedy(self, name: str, value: str) -> None:
        if name == "kind":
            self.kind.set_value(value)
        else:
            self.meaning.set_value(self.meaning.value()["unlabelled"], value)
        self.asked.emit()
