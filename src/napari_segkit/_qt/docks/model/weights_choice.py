"""Choice of the initial weights."""

from collections.abc import Sequence

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.model_summary import RANDOM, weights_name

TIP = (
    "<p>Initial weights: random, pretrained on photographs (downloaded once, when training "
    "starts), or from a file.</p>"
)
FILE = "file …"
FILES = "Weights (*.safetensors *.pt *.pth *.bin);;All files (*)"
LETTERS = 10


class WeightsChoice(Choice):
    """Combo box for `ModelSpec.weights`: random, pretrained, or a file."""

    def __init__(self) -> None:
        self._names: Sequence[str] = ()
        self._path: str | None = None
        self._last: str | None = None
        super().__init__(letters=LETTERS, tooltip=TIP)

    @ComboBox.value.setter
    def value(self, value: str | None) -> None:
        """Select weights, None for random; a path that is not listed is added."""
        if value not in self.choices:
            self._path = value
            self.reset_choices()
            self.native.setItemData(len(self) - 2, value, Qt.ItemDataRole.ToolTipRole)
        ComboBox.value.fset(self, value)

    def offer_pretrained(self, names: Sequence[str]) -> None:
        """List other pretrained weights; a selected one that is missing becomes random."""
        self._names = names
        self.reset_choices()

    def offered(self) -> list[tuple[str, object]]:
        paths = [(weights_name(self._path), self._path)] if self._path else []
        return [(RANDOM, None), *zip(self._names, self._names, strict=True), *paths, (FILE, FILE)]

    def _on_value_change(self, value: object = None) -> None:
        """Ask for the file before it counts as chosen."""
        if value != FILE:
            self._last = self.value
            super()._on_value_change(value)
            return
        with self.changed.blocked():
            self.value = self._last
        path = QFileDialog.getOpenFileName(self.native, "Choose a weights file", "", FILES)[0]
        self.value = path or self._last
