"""Which methods are trained to be compared, on which labels, and for how long."""

from magicgui.widgets import FloatSpinBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton

from napari_segkit.models import list_models

NAME = Qt.ItemDataRole.UserRole
ROWS = 6
FIRST = ("unet", "segnet", "pixels")
METHODS_TIP = "<p>Methods that are trained one after the other with the same settings.</p>"
MINUTES_TIP = "<p>Time for the training of each; the Train dock has the other settings.</p>"
TRAIN_TIP = (
    "<p>Train each of the ticked methods on the training set (without one, on the labels chosen "
    "here), then compare them on pixels that none of them was trained on.</p>"
)


class MethodChoice(QListWidget):
    """Methods with a tick each."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(toolTip=METHODS_TIP)
        self.minutes = FloatSpinBox(value=5.0, min=0.1, max=10_000, step=1.0, tooltip=MINUTES_TIP)
        self.button = QPushButton("Train these and compare", toolTip=TRAIN_TIP)
        self.setFixedHeight(ROWS * self.fontMetrics().height() + ROWS * 4)
        for info in list_models():
            item = QListWidgetItem(info.title, self)
            item.setData(NAME, info.name)
            item.setToolTip(f"<p>{info.about}</p>")
            ticked = info.name in FIRST
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
        self.itemChanged.connect(self.changed)

    def ticked(self) -> list[str]:
        """Names of the methods that are ticked."""
        items = [self.item(row) for row in range(self.count())]
        return [i.data(NAME) for i in items if i.checkState() == Qt.CheckState.Checked]

    def tick(self, names: list[str]) -> None:
        """Tick these methods and no others."""
        for row in range(self.count()):
            item = self.item(row)
            ticked = item.data(NAME) in names
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
