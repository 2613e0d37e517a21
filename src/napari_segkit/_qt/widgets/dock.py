"""Base class of all docks, and small widgets they share."""

from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import TypeVar

from magicgui.widgets import Widget
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.background import Steps, has_pending_calls
from napari_segkit._qt.session.session import Session, session
from napari_segkit._qt.session.task import Task

from .gui_messages import error_text, gui_message
from .section import FLAT, Section, form_layout
from .spare_offer import SpareOffer
from .when_visible import WhenVisible, catch_up

T = TypeVar("T")
MARGIN, SIDE = 4, 2
SECTION_MARGINS = MARGIN, 0, 0, MARGIN
COMPACT = "QComboBox { padding: 3px 0px 3px 4px } QComboBox::drop-down { width: 18px }"
BOLD = f"{FLAT}; font-weight: bold"
GROUP_TIP = "<p>Show or hide these settings.</p>"
WINDOW_SHARE, MAX_WIDTH = 0.22, 340  # of the window that a dock asks for, and pixels
POLL_SECONDS = 0.01


class Dock(QWidget):
    """Scrolling column of titled groups above a footer, for the session of a viewer."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.setStyleSheet(COMPACT)
        self.session = session(napari_viewer)
        self.state = WhenVisible(self, self._update_state)
        self.session.busy_changed.connect(self.state.request)
        unwrapped(napari_viewer).layers.events.removed.connect(self._on_layer_removed)
        body = QWidget()
        self.groups = QVBoxLayout(body)
        self.groups.addStretch(1)
        self.footer = QVBoxLayout()
        self.scroll = _Scroll(self._preferred_width())
        self.scroll.setWidget(body)
        self.spare_offer = SpareOffer(self.session)
        self.groups.insertWidget(0, self.spare_offer)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, MARGIN)
        column.addWidget(self.scroll, 1)
        column.addLayout(self.footer)
        self.groups.setContentsMargins(SIDE, MARGIN, SIDE, MARGIN)
        self.footer.setContentsMargins(MARGIN, 0, MARGIN, 0)

    @property
    def viewer(self) -> Viewer:
        """The viewer; the dock does not keep it alive."""
        return self.session.viewer

    @property
    def is_idle(self) -> bool:
        """Whether the session runs no task and no background call of this dock is pending."""
        return self.session.task is None and not has_pending_calls(self)

    def wait_idle(self, timeout: float = 60.0) -> bool:
        """Process events until idle, for at most `timeout` seconds; return `is_idle`."""
        catch_up(self)
        deadline = monotonic() + timeout
        while not self.is_idle and monotonic() < deadline:
            QApplication.processEvents()
            sleep(POLL_SECONDS)
        return self.is_idle

    def _preferred_width(self) -> int:
        """As wide as is comfortable where half of the window is left to the canvas."""
        window = self.viewer.window.main_menu.window()
        return min(MAX_WIDTH, int(WINDOW_SHARE * window.width()))

    def _update_state(self) -> None:
        """Show what the dock can do now; called by `state`, only while the dock can be seen."""

    def _on_layer_removed(self) -> None:
        """Keep no removed layer alive behind another tab."""
        if isalive(self):
            catch_up(self)

    def scroll_to(self, result: QWidget) -> None:
        """Bring a result into view once it is laid out."""
        QTimer.singleShot(0, partial(self._scroll_now, result))

    def _scroll_now(self, result: QWidget) -> None:
        if isalive(self):
            self.scroll.ensureWidgetVisible(result)

    def add_group(self, title: str, *, opened: bool = True, **rows: QWidget | Widget) -> Section:
        """Add a section with a row per widget, labelled by its name (no label: `_name`).

        It is `opened` until a person closes it, which is remembered.
        """
        content = QWidget()
        form = form_layout(content)
        form.setContentsMargins(*SECTION_MARGINS)
        for name, row in rows.items():
            widget = row.native if isinstance(row, Widget) else row
            if name.startswith("_"):
                form.addRow(widget)
            else:
                form.addRow(name.replace("_", " ").capitalize(), widget)
        key = f"{type(self).__name__}/{title}"
        group = Section(title, content, GROUP_TIP, opened=opened, key=key)
        group.toggleButton().setStyleSheet(BOLD)
        self.groups.insertWidget(self.groups.count() - 1, group)
        return group


class TaskButtons(QWidget):
    """Buttons that start tasks of a session, and a status text that shows their errors."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.status = Note()
        self._title = ""
        self._session = session
        self._state = WhenVisible(self, self._update_state)
        session.busy_changed.connect(self._state.request)

    def _run(self, steps: Steps[T], title: str, slot: Callable[[T], object]) -> Task:
        self.status.setText("")
        self._title = title
        task = self._session.run(steps, title=title)
        task.returned.connect(slot)
        task.errored.connect(self._on_errored)
        return task

    def _on_errored(self, error: BaseException) -> None:
        text = error_text(error, self._title)
        self.status.setText(text)
        self._session.mark_error_shown(self, text)

    def _update_state(self) -> None:
        """Show what can be done now."""


class _Scroll(QScrollArea):
    """Scrolls vertically only: never narrower than its content."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def eventFilter(self, widget: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # the content may need more width
            self.updateGeometry()
        return super().eventFilter(widget, event)

    def minimumSizeHint(self) -> QSize:
        beside = self.verticalScrollBar().sizeHint().width() + 2 * self.frameWidth()
        return QSize(self.widget().minimumSizeHint().width() + beside, 120)

    def sizeHint(self) -> QSize:
        return QSize(
            max(self._width, self.minimumSizeHint().width()), self.widget().sizeHint().height()
        )


class Note(QLabel):
    """Label with wrapped, selectable text that is never cut off; hidden while it is empty.

    Only a `rich` one reads HTML, whose names must be escaped: a layer may be called "<b>".
    """

    def __init__(self, text: str = "", *, rich: bool = False) -> None:
        text_format = Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText
        super().__init__(wordWrap=True, textFormat=text_format)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(text)

    def setText(self, text: str) -> None:
        super().setText(text)
        if not text or self.parent() is not None:  # without a parent it would open as a window
            self.setVisible(bool(text))
        self._reserve_height()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._reserve_height()

    def _reserve_height(self) -> None:
        """Require the height of the text: form layouts may keep that of an earlier text."""
        self.setMinimumHeight(self.heightForWidth(self.width()) if self.text() else 0)


def stack(parent: QWidget, *rows: QWidget | Widget | QLayout | tuple[QWidget, ...]) -> None:
    """Lay out rows below each other, without margins; the widgets of a tuple share a row."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    for row in rows:
        if isinstance(row, tuple):
            line = QHBoxLayout()
            for widget in row:
                line.addWidget(widget)
            column.addLayout(line)
        elif isinstance(row, QLayout):
            column.addLayout(row)
        else:
            column.addWidget(row.native if isinstance(row, Widget) else row)


def show_row(widget: QWidget | Widget, visible: bool) -> None:
    """Show or hide a row of a group: a widget and its label."""
    field = widget.native if isinstance(widget, Widget) else widget
    field.setVisible(visible)
    field.parentWidget().layout().labelForField(field).setVisible(visible)


def validation_error(value: Callable[[], object]) -> str | None:
    """Message of the error that `value()` raises for what it was given; None if it raises none."""
    try:
        value()
    except (TypeError, ValueError) as error:
        return gui_message(str(error))
    return None
