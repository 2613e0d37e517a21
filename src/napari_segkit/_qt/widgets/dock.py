"""What every dock is made of: titled groups that scroll, and a footer that stays in view."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QGroupBox,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_segkit._qt.session.session import session

from .gui_messages import gui_message

if TYPE_CHECKING:
    import napari

MARGIN = 6


class Dock(QWidget):
    """A scrolling column of groups above a footer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose session the dock shows.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self.session = session(napari_viewer)
        body = QWidget()
        self.groups = QVBoxLayout(body)
        self.groups.addStretch(1)
        self.footer = QVBoxLayout()
        scroll = _Scroll()
        scroll.setWidget(body)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, MARGIN)
        column.addWidget(scroll, 1)
        column.addLayout(self.footer)
        self.groups.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.footer.setContentsMargins(MARGIN, 0, MARGIN, 0)

    @property
    def viewer(self) -> Any:
        """The viewer, not kept alive by the dock."""
        return self.session.viewer

    def add_group(self, title: str, **rows: QWidget) -> QGroupBox:
        """Add a titled group with a row for each widget, labelled by its name.

        Widgets whose name starts with an underscore take the whole width.
        """
        group = QGroupBox(title)
        form = QFormLayout(group)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, widget in rows.items():
            if name.startswith("_"):
                form.addRow(widget)
            else:
                form.addRow(name.replace("_", " ").capitalize(), widget)
        self.groups.insertWidget(self.groups.count() - 1, group)
        return group


class _Scroll(QScrollArea):
    """Scrolls up and down only: never narrower than its content."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        """As wide as the content needs."""
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(self.widget().minimumSizeHint().width() + bar, 120)

    def sizeHint(self) -> QSize:
        """As high as the content, where the window has room."""
        return QSize(max(320, self.minimumSizeHint().width()), self.widget().sizeHint().height())


class Note(QLabel):
    """Words that break their lines and can be copied; it takes no room while it has none."""

    def __init__(self, text: str = "") -> None:
        super().__init__(wordWrap=True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show other words."""
        super().setText(text)
        if not text or self.parent() is not None:  # shown without a parent it would be a window
            self.setVisible(bool(text))


def problem_of(value: Callable[[], object]) -> str | None:
    """The sentence with which a form refuses its numbers; None where they go together."""
    try:
        value()
    except ValueError as error:
        return gui_message(str(error))
    return None
