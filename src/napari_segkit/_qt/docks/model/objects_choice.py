"""Choice of how a semantic method separates objects."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit._qt.widgets.model_summary import OBJECTS_BY
from napari_segkit.config import ObjectsBy


class ObjectsChoice(NoWheel, QComboBox):
    """Combo box for `ModelSpec.objects`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        for index, (value, (text, tip)) in enumerate(OBJECTS_BY.items()):
            self.addItem(text, value)
            self.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.currentIndexChanged.connect(self.changed)

    def value(self) -> ObjectsBy | None:
        return self.currentData()  # type: ignore[no-any-return]

    def set_value(self, value: ObjectsBy | None) -> None:
        self.setCurrentIndex(list(OBJECTS_BY).index(value))
