"""The choice of what a network's weights start from."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit._qt.widgets.model_summary import RANDOM, name_of

TIP = (
    "<p>What training starts from: random numbers, weights that others have learned on photographs "
    "(fetched once, when a training starts), or a file of weights.</p>"
)
FILE = "file …"
FILES = "Weights (*.safetensors *.pt *.pth *.bin);;All files (*)"


class WeightsChoice(NoWheel, QComboBox):
    """Random numbers, weights that others have learned, or a file of weights.

    Attributes
    ----------
    changed : Signal()
        Another choice was made.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value: str | None = None
        self.setToolTip(TIP)
        self._words: Sequence[str] = ()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        self.set_choices(())
        self.activated.connect(self._on_activated)

    def value(self) -> str | None:
        """The choice as `ModelSpec.weights` takes it: None for random numbers."""
        return self._value

    def set_value(self, value: str | None) -> None:
        """Show a choice; a path that was not offered so far is added."""
        if self._find(value) < 0:
            self.insertItem(self.count() - 1, name_of(value), value)
            place = self._find(value)
            self.setItemData(place, value, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(self._find(value))
        if value != self._value:
            self._value = value
            self.changed.emit()

    def set_choices(self, words: Sequence[str]) -> None:
        """Offer other words; a word that is not among them becomes random, a file stays."""
        held = None if self._value in self._words and self._value not in words else self._value
        self._words = words
        self.clear()
        for text, value in ((RANDOM, None), *zip(words, words, strict=True), (FILE, FILE)):
            self.addItem(text, value)
        self.set_value(held)

    def _find(self, value: str | None) -> int:
        """The place of a value; Qt's own findData does not find None."""
        return next((i for i in range(self.count()) if self.itemData(i) == value), -1)

    def _on_activated(self) -> None:
        chosen = self.currentData()
        if chosen == FILE:
            path = QFileDialog.getOpenFileName(self, "Choose a file of weights", "", FILES)[0]
            chosen = path or self._value
        self.set_value(chosen)
