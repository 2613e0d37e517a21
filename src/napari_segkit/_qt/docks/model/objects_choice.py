"""The choice of how a method that gives classes is to give single objects."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit._qt.widgets.model_summary import OBJECTS_BY
from napari_segkit.config import ObjectsBy


class ObjectsChoice(NoWheel, QComboBox):
    """Classes only, or one of the ways in which objects are told apart.

    Attributes
    ----------
    changed : Signal()
        Another choice was made.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(10)
        for place, (value, (text, tip)) in enumerate(OBJECTS_BY.items()):
            self.addItem(text, value)
            self.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        self.currentIndexChanged.connect(self.changed)

    def value(self) -> ObjectsBy | None:
        """The choice as `ModelSpec.objects` takes it."""
        return self.currentData()  # type: ignore[no-any-return]

    def set_value(self, value: ObjectsBy | None) -> None:
        """Show a choice."""
        self.setCurrentIndex(list(OBJECTS_BY).index(value))
