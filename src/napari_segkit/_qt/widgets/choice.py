"""Base class of the combo boxes."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from magicgui.widgets import ComboBox
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QWidget

T = TypeVar("T")


class Choice(ComboBox, Generic[T]):
    """Combo box of texts with their values, None included; ignores the wheel unless focused.

    `letters` fixes the width, however long the texts are; `tips` are the tooltips of the texts.
    """

    value: T
    choices: tuple[T, ...]
    by_hand = False  # whether a person chose the value, or code set it as `value`

    def __init__(
        self,
        choices: Sequence[tuple[str, T]] = (),
        *,
        letters: int | None = None,
        tooltip: str = "",
        tips: Iterable[str] = (),
    ) -> None:
        self._offered = list(choices)
        super().__init__(choices=lambda _: self.offered(), tooltip=tooltip)
        self.native_parent_changed.disconnect(self.reset_choices)  # it would undo changes of items
        box: QComboBox = self.native
        box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.installEventFilter(WheelFilter(box))
        box.activated.connect(self._on_activated)
        for index, tip in enumerate(tips):
            box.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        if letters is not None:
            policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            box.setSizeAdjustPolicy(policy)
            box.setMinimumContentsLength(letters)

    def set_value(self, value: T) -> None:
        """Choose a value as a person does."""
        super().set_value(value)
        self.by_hand = True

    def suggest(self, value: T) -> None:
        """Choose a value until a better one is known; ValueError if not listed."""
        self.value = value
        self.by_hand = False

    def offer(self, choices: Sequence[tuple[str, T]]) -> None:
        """List other choices; the value stays if it is among them."""
        self._offered = list(choices)
        self.reset_choices()

    def add(self, text: str, value: T) -> None:
        """List a further choice, without disturbing a text that is being typed."""
        if value not in self.choices:
            self._offered.append((text, value))
            with self.changed.blocked():
                self.native.addItem(text, value)

    def reset_choices(self, *_: object) -> None:
        """List the choices anew, in their order."""
        if not isalive(self.native):
            return
        before = self.value
        with self.changed.blocked():
            self.native.clear()  # magicgui would keep the earlier order
            super().reset_choices()
            self.select(before)
        if self.value != before:
            self.changed.emit(self.value)

    def offered(self) -> list[tuple[str, T]]:
        """Choices to list."""
        return self._offered

    def select(self, before: T) -> None:
        """Select a value after a change of the choices; `before` was selected."""
        if before in self.choices:
            super().set_value(before)

    def _on_activated(self) -> None:
        self.by_hand = True

    def _on_value_change(self, value: object = None) -> None:
        """Emit `changed` for None, too."""
        self.changed.emit(value)


class WheelFilter(QObject):
    """Lets the mouse wheel scroll the dock instead of changing a widget without focus."""

    def eventFilter(self, widget: QWidget, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not widget.hasFocus():
            event.ignore()
            return True
        return False
