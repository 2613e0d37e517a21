"""Choice of the encoder."""

from collections.abc import Sequence

from napari.qt import get_current_stylesheet
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter

from napari_segkit._qt.widgets.fields import NoWheel

TIP = (
    "<p>The part of the network that extracts features from the image. Type any part of a name to "
    "search.</p>"
)


class EncoderChoice(NoWheel, QComboBox):
    """Searchable combo box; typed text is accepted on Enter or when focus leaves."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = ""
        self.setToolTip(TIP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        self._allow_typing(True)
        self.activated.connect(self._on_activated)

    def value(self) -> str:
        return self._value

    def set_value(self, value: str | None) -> None:
        """Select an encoder; None selects the default, which is listed first."""
        value = value or self.itemText(0)
        self.setCurrentIndex(self.findText(value))
        self.setEditText(value)
        if value != self._value:
            self._value = value
            self.changed.emit()

    def set_choices(self, names: Sequence[str], *, editable: bool) -> None:
        """Replace the list and keep the value, even if it is not listed."""
        self.clear()
        self.addItems(names)
        if editable != self.isEditable():
            self._allow_typing(editable)
        self.setCurrentIndex(self.findText(self._value))
        self.setEditText(self._value)

    def _allow_typing(self, editable: bool) -> None:
        if not editable:
            self.lineEdit().blockSignals(True)  # removing it would emit editingFinished
        self.setEditable(editable)
        if editable:
            self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            self._add_completer()
            self.lineEdit().editingFinished.connect(self._on_activated)
            self.lineEdit().textEdited.connect(self._style_popup)

    def _add_completer(self) -> None:
        completer = QCompleter(self.model(), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.setCompleter(completer)

    def _on_activated(self) -> None:
        self.set_value(self.currentText().strip() or self._value)

    def _style_popup(self) -> None:
        """Apply napari's style, which a separate window does not inherit."""
        self.completer().popup().setStyleSheet(get_current_stylesheet())
