"""The choice of how a method that gives classes is to give single objects."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit.config import ObjectsBy

from .fields import Calm

CHOICES: dict[ObjectsBy | None, tuple[str, str]] = {
    None: ("classes only", "A class for every pixel."),
    "components": (
        "pieces (components)",
        "Each connected piece is an object: where objects do not touch.",
    ),
    "boundary": (
        "by their rims (boundary)",
        "Learns the rims of objects, too, and parts those that touch.",
    ),
    "distance": (
        "by their depth (distance)",
        "Learns how deep in its object a pixel lies, and parts those that touch.",
    ),
}


class ObjectsChoice(Calm, QComboBox):
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
        for place, (value, (text, tip)) in enumerate(CHOICES.items()):
            self.addItem(text, value)
            self.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)
        self.currentIndexChanged.connect(self.changed)

    def value(self) -> ObjectsBy | None:
        """The choice as `ModelSpec.objects` takes it."""
        return self.currentData()  # type: ignore[no-any-return]

    def set_value(self, value: ObjectsBy | None) -> None:
        """Show a choice."""
        self.setCurrentIndex(list(CHOICES).index(value))
