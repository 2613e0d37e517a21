"""Choice of the encoder."""

from collections.abc import Sequence

from magicgui.widgets.bases import ValuedContainerWidget
from napari.qt import get_current_stylesheet
from qtpy.QtCore import Qt
from superqt import QSearchableComboBox
from superqt.utils import signals_blocked

from napari_segkit._qt.widgets.choice import WheelFilter

TIP = (
    "<p>The part of the network that extracts features from the image. Type any part of a name to "
    "search.</p>"
)
LETTERS = 10


class EncoderChoice(ValuedContainerWidget):
    """Searchable combo box; typed text is accepted on Enter or when focus leaves."""

    def __init__(self) -> None:
        super().__init__(labels=False, tooltip=TIP)
        self._value = ""
        self.box = box = QSearchableComboBox()
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.installEventFilter(WheelFilter(box))
        box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(LETTERS)
        box.activated.connect(self._on_activated)
        self._connect_line_edit()
        self.margins = 0, 0, 0, 0
        self.native.layout().addWidget(box)

    def get_value(self) -> str:
        return self._value

    def set_value(self, value: str | None) -> None:
        """Select an encoder; None selects the default, which is listed first."""
        value = value or self.box.itemText(0)
        self._show(value)
        if value != self._value:
            self._value = value
            self.changed.emit(value)

    def offer(self, names: Sequence[str], *, editable: bool) -> None:
        """List other encoders and keep the value, even if it is not listed."""
        self.box.clear()
        self.box.addItems(names)
        if editable != self.box.isEditable():
            with signals_blocked(self.box.lineEdit() or self.box):  # it would emit editingFinished
                self.box.setEditable(editable)
            self._connect_line_edit()
        self._show(self._value)

    def _show(self, value: str) -> None:
        self.box.setCurrentIndex(self.box.findText(value))
        self.box.setEditText(value)

    def _connect_line_edit(self) -> None:
        if self.box.isEditable():
            self.box.setCompleter(self.box.completer_object)
            self.box.lineEdit().editingFinished.connect(self._on_activated)
            self.box.lineEdit().textEdited.connect(self._style_popup)

    def _on_activated(self) -> None:
        self.value = self.box.currentText().strip() or self._value

    def _style_popup(self) -> None:
        """Apply napari's style, which a separate window does not inherit."""
        self.box.completer().popup().setStyleSheet(get_current_stylesheet())
