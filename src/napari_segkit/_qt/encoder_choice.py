"""The choice of an encoder among many."""

from collections.abc import Sequence

from napari.qt import get_current_stylesheet
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter

from .fields import Calm


class EncoderChoice(Calm, QComboBox):
    """Names to choose from, found by any part of them that is typed.

    What is typed counts when Enter is pressed or the box is left; it may be none of the names.

    Attributes
    ----------
    changed : Signal()
        Another encoder was chosen or typed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(editable=True)
        self._value = ""
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        self._complete()
        self.activated.connect(self._on_chosen)
        self.lineEdit().editingFinished.connect(self._on_chosen)
        self.lineEdit().textEdited.connect(self._color_popup)

    def value(self) -> str:
        """The encoder."""
        return self._value

    def set_value(self, value: str | None) -> None:
        """Show an encoder; None stands for the first."""
        value = value or self.itemText(0)
        self.setCurrentIndex(self.findText(value))
        self.setEditText(value)
        if value != self._value:
            self._value = value
            self.changed.emit()

    def set_choices(self, names: Sequence[str]) -> None:
        """Offer other names; what is chosen stays as it is."""
        self.clear()
        self.addItems(names)
        self.setEditText(self._value)

    def _complete(self) -> None:
        completer = QCompleter(self.model(), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.setCompleter(completer)

    def _on_chosen(self) -> None:
        self.set_value(self.currentText().strip() or self._value)

    def _color_popup(self) -> None:
        """The list of what fits is a window of its own, to which napari gives no colours."""
        self.completer().popup().setStyleSheet(get_current_stylesheet())
