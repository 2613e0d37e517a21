"""Combo box for the axes of an image."""

from typing import Any

from qtpy.QtWidgets import QComboBox, QWidget

from napari_segkit.images.axes_image import as_image, full_resolution

AXIS_ORDERS = {
    2: ("YX",),
    3: ("ZYX", "TYX", "CYX", "YXC"),
    4: ("TZYX", "CZYX", "ZCYX", "ZYXC", "TCYX", "CTYX", "TYXC"),
    5: ("TCZYX", "TZCYX", "CTZYX", "TZYXC"),
}


class AxesChoice(QComboBox):
    """Combo box of "auto", with what it resolves to, and the usual axis orders of an image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: Any = None
        self._auto: str | None = None
        self._ambiguity: str | None = None
        self.setToolTip("The dimensions: T time, C channels, Z slices, Y rows, X columns.")
        self.set_image(None)

    def axes(self) -> str | None:
        """The chosen axes, None for "auto"."""
        return self.currentData()  # type: ignore[no-any-return]

    def resolved(self) -> str | None:
        """The chosen or automatic axes; None where they are ambiguous."""
        return self.axes() or self._auto

    @property
    def problem(self) -> str | None:
        """Why the axes are ambiguous; None where they are clear."""
        return None if self.axes() else self._ambiguity

    def set_axes(self, axes: str | None) -> None:
        """Choose axes; "auto" if the image cannot have them."""
        self.setCurrentIndex(max(self.findData(axes), 0) if axes else 0)

    def set_image(self, image: Any, **hints: Any) -> None:
        """Offer the axes an image can have; `hints` are `labels_shape` or `like` of `as_image`."""
        chosen, before = self.axes(), self.resolved()
        blocked = self.blockSignals(True)
        self.clear()
        self._add_auto(image, hints)
        for order in _orders(image):
            self.addItem(order, order)
        self.set_axes(chosen if image is self._image else None)
        self._image = image
        self.blockSignals(blocked)
        if self.resolved() != before:
            self.currentIndexChanged.emit(self.currentIndex())

    def _add_auto(self, image: Any, hints: dict[str, Any]) -> None:
        self._auto, self._ambiguity = None, None
        try:
            self._auto = None if image is None else as_image(image, **hints).axes
        except (TypeError, ValueError) as error:
            self._ambiguity = str(error)
        resolved = self._auto or ("ambiguous: please choose" if self._ambiguity else "")
        self.addItem(f"auto ({resolved})" if resolved else "auto", None)


def _orders(image: Any) -> tuple[str, ...]:
    if image is None:
        return ()
    orders = AXIS_ORDERS.get(full_resolution(image).ndim, ())
    return tuple(o for o in orders if o.endswith("C")) if getattr(image, "rgb", False) else orders
