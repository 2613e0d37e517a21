"""Which dimension of an image is what."""

from typing import Any

from qtpy.QtWidgets import QComboBox, QWidget

from napari_segkit.data.images import as_image, full_resolution

ORDERS = {
    2: ("YX",),
    3: ("ZYX", "TYX", "CYX", "YXC"),
    4: ("TZYX", "CZYX", "ZCYX", "ZYXC", "TCYX", "CTYX", "TYXC"),
    5: ("TCZYX", "TZCYX", "CTZYX", "TZYXC"),
}


class AxesChoice(QComboBox):
    """Axes of the chosen image: "auto" with what it comes to, or one of the usual orders.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("What each dimension is: T time, C channels, Z slices, Y rows, X columns.")
        self.set_image(None)

    def axes(self) -> str | None:
        """The chosen axes, None for "auto"."""
        return self.currentData()  # type: ignore[no-any-return]

    def set_axes(self, axes: str | None) -> None:
        """Choose axes; what the image cannot have becomes "auto"."""
        self.setCurrentIndex(max(self.findData(axes), 0) if axes else 0)

    def set_image(self, image: Any, **hints: Any) -> None:
        """Offer the axes that an image can have.

        Parameters
        ----------
        image : napari Image layer or None
            The chosen image.
        **hints
            What "auto" goes by: `labels_shape` or `like`, as in `as_image`.
        """
        chosen = self.axes()
        blocked = self.blockSignals(True)
        self.clear()
        for text, axes in _options(image, hints):
            self.addItem(text, axes)
        self.set_axes(chosen)
        self.blockSignals(blocked)
        if self.axes() != chosen:
            self.currentIndexChanged.emit(self.currentIndex())


def _options(image: Any, hints: dict[str, Any]) -> list[tuple[str, str | None]]:
    if image is None:
        return [("auto", None)]
    orders = ORDERS.get(full_resolution(image).ndim, ())
    if getattr(image, "rgb", False):
        orders = tuple(o for o in orders if o.endswith("C"))
    return [(_auto(image, hints), None), *((order, order) for order in orders)]


def _auto(image: Any, hints: dict[str, Any]) -> str:
    try:
        return f"auto ({as_image(image, **hints).axes})"
    except (TypeError, ValueError):  # said in full where the image is used
        return "auto (not clear: choose)"
