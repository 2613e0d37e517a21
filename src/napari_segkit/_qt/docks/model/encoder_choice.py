"""The choice of an encoder among many."""

from collections.abc import Sequence

from napari.qt import get_current_stylesheet
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter

from napari_segkit._qt.widgets.fields import NoWheel

TIP = "<p>The part of the network that reads the image. Type any part of a name to find it.</p>"


class EncoderChoice(NoWheel, QComboBox):
    """Names to choose from, found by any part of them that is typed.

    What is typed counts when Enter is pressed or the box is left; it may be none of the names.

    Attributes
    ----------
    changed : Signal()
        Another encoder was chosen or typed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._value = ""
        self.setToolTip(TIP)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        self._let_type(True)
        self.activated.connect(self._on_chosen)

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

    def set_choices(self, names: Sequence[str], *, typed: bool) -> None:
        """Offer other names; what is chosen stays as it is.

        Parameters
        ----------
        names : sequence of str
            The first is the default.
        typed : bool
            Whether a person may type, and other names than these.
        """
        self.clear()
        self.addItems(names)
        if typed != self.isEditable():
            self._let_type(typed)
        self.setCurrentIndex(self.findText(self._value))
        self.setEditText(self._value)

    def _let_type(self, typed: bool) -> None:
        if not typed:
            self.lineEdit().blockSignals(True)  # it goes, and its end is no choice
        self.setEditable(typed)
        if typed:
            self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            self._complete()
            self.lineEdit().editingFinished.connect(self._on_chosen)
            self.lineEdit().textEdited.connect(self._color_popup)

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
