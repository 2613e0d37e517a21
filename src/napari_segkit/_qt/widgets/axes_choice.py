"""Which dimension of an image is what."""

from typing import Any

from qtpy.QtWidgets import QComboBox, QWidget

from napari_segkit.images.axes_image import as_image, full_resolution

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
        self._image: Any = None
        self._auto: str | None = None
        self._unclear: str | None = None
        self.setToolTip("What each dimension is: T time, C channels, Z slices, Y rows, X columns.")
        self.set_image(None)

    def axes(self) -> str | None:
        """The chosen axes, None for "auto"."""
        return self.currentData()  # type: ignore[no-any-return]

    def resolved(self) -> str | None:
        """The axes on screen, those of "auto" too; None where they are not clear."""
        return self.axes() or self._auto

    @property
    def problem(self) -> str | None:
        """Why the axes are not known, in words; None where they are."""
        return None if self.axes() else self._unclear

    def set_axes(self, axes: str | None) -> None:
        """Choose axes; what the image cannot have becomes "auto"."""
        self.setCurrentIndex(max(self.findData(axes), 0) if axes else 0)

    def set_image(self, image: Any, **hints: Any) -> None:
        """Offer the axes that an image can have; what was chosen holds for that image only.

        Parameters
        ----------
        image : napari Image layer or None
            The chosen image.
        **hints
            What "auto" goes by: `labels_shape` or `like`, as in `as_image`.
        """
        chosen, before = self.axes(), self.resolved()
        blocked = self.blockSignals(True)
        self.clear()
        self._look_at(image, hints)
        for order in _orders(image):
            self.addItem(order, order)
        self.set_axes(chosen if image is self._image else None)
        self._image = image
        self.blockSignals(blocked)
        if self.resolved() != before:
            self.currentIndexChanged.emit(self.currentIndex())

    def _look_at(self, image: Any, hints: dict[str, Any]) -> None:
        """Add "auto", with what it comes to."""
        self._auto, self._unclear = None, None
        try:
            self._auto = None if image is None else as_image(image, **hints).axes
        except (TypeError, ValueError) as error:
            self._unclear = str(error)
        known = self._auto or ("not clear: choose" if self._unclear else "")
        self.addItem(f"auto ({known})" if known else "auto", None)


def _orders(image: Any) -> tuple[str, ...]:
    if image is None:
        return ()
    orders = ORDERS.get(full_resolution(image).ndim, ())
    return tuple(o for o in orders if o.endswith("C")) if getattr(image, "rgb", False) else orders
