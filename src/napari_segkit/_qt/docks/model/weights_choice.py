"""Choice of the initial weights."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit._qt.widgets.model_summary import RANDOM, weights_name

TIP = (
    "<p>Initial weights: random, pretrained on photographs (downloaded once, when training "
    "starts), or from a file.</p>"
)
FILE = "file …"
FILES = "Weights (*.safetensors *.pt *.pth *.bin);;All files (*)"


class WeightsChoice(NoWheel, QComboBox):
    """Combo box for `ModelSpec.weights`: random, pretrained, or a file."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value: str | None = None
        self.setToolTip(TIP)
        self._names: Sequence[str] = ()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        self.set_choices(())
        self.activated.connect(self._on_activated)

    def value(self) -> str | None:
        return self._value

    def set_value(self, value: str | None) -> None:
        """Select weights, None for random; a path that is not listed is added."""
        if self._find(value) < 0:
            self.insertItem(self.count() - 1, weights_name(value), value)
            self.setItemData(self._find(value), value, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(self._find(value))
        if value != self._value:
            self._value = value
            self.changed.emit()

    def set_choices(self, names: Sequence[str]) -> None:
        """List other pretrained weights; a selected one that is missing becomes random."""
        missing = self._value in self._names and self._value not in names
        self._names = names
        self.clear()
        for text, value in ((RANDOM, None), *zip(names, names, strict=True), (FILE, FILE)):
            self.addItem(text, value)
        self.set_value(None if missing else self._value)

    def _find(self, value: str | None) -> int:
        """Index of a value; Qt's own findData does not find None."""
        return next((i for i in range(self.count()) if self.itemData(i) == value), -1)

    def _on_activated(self) -> None:
        chosen = self.currentData()
        if chosen == FILE:
            path = QFileDialog.getOpenFileName(self, "Choose a weights file", "", FILES)[0]
            chosen = path or self._value
        self.set_value(chosen)
