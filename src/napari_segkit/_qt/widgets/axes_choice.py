"""Combo boxes for the axes of an image, and for 3D or slice by slice."""

from collections.abc import Callable, Sequence

from napari.layers import Image

from napari_segkit.images.axes_image import as_image, full_resolution

from .choice import Choice

AXIS_ORDERS = {
    2: ("YX",),
    3: ("ZYX", "TYX", "CYX", "YXC"),
    4: ("TZYX", "CZYX", "ZCYX", "ZYXC", "TCYX", "CTYX", "TYXC"),
    5: ("TCZYX", "TZCYX", "CTZYX", "TZYXC"),
}
VOLUME, SLICES = "in 3D", "slice by slice"
AXES_TIP = "The dimensions: T time, C channels, Z slices, Y rows, X columns."
STACK_TIP = "<p>Process the stack in 3D, or each slice on its own in 2D.</p>"


class AxesChoice(Choice[str | None]):
    """Choice of "auto" (None), with what it resolves to, and the usual axis orders of an image."""

    def __init__(self) -> None:
        super().__init__(tooltip=AXES_TIP)
        self._image: Image | None = None
        self._auto: str | None = None
        self._ambiguity: str | None = None
        self.set_image(None)

    def resolved(self) -> str | None:
        """The chosen or automatic axes; None where they are ambiguous."""
        return self.value or self._auto

    @property
    def problem(self) -> str | None:
        """Why the axes are ambiguous; None where they are clear."""
        return None if self.value else self._ambiguity

    def set_image(
        self,
        image: Image | None,
        *,
        labels_shape: Sequence[int] | None = None,
        like: str | None = None,
        channels: int | None = None,
    ) -> None:
        """Offer the axes an image can have; the hints are those of `as_image`."""
        before = self.resolved()
        with self.changed.blocked():
            if image is not self._image:
                self.value = None
            self._image, self._auto, self._ambiguity = image, None, None
            try:
                if image is not None:
                    self._auto = as_image(
                        image, labels_shape=labels_shape, like=like, channels=channels
                    ).axes
            except (TypeError, ValueError) as error:
                self._ambiguity = str(error)
            self.offer([(self._auto_text(), None), *((o, o) for o in _orders(image))])
        if self.resolved() != before:
            self.changed.emit(self.value)

    def _auto_text(self) -> str:
        resolved = self._auto or ("ambiguous: please choose" if self._ambiguity else "")
        return f"auto ({resolved})" if resolved else "auto"


def _orders(image: Image | None) -> tuple[str, ...]:
    if image is None:
        return ()
    orders = AXIS_ORDERS.get(full_resolution(image).ndim, ())
    return tuple(o for o in orders if o.endswith("C")) if image.rgb else orders


class StackChoice(Choice[str]):
    """3D or slice by slice; `flat` tells whether slices are processed one by one anyway."""

    def __init__(self, axes: AxesChoice, flat: Callable[[], bool] = lambda: False) -> None:
        super().__init__([(VOLUME, VOLUME), (SLICES, SLICES)], tooltip=STACK_TIP)
        self._axes, self._flat = axes, flat

    @property
    def is_relevant(self) -> bool:
        """Whether the image has slices that can be processed together."""
        axes = self._axes.resolved() or ""
        return "Z" in axes and "T" not in axes and not self._flat()

    def resolved(self) -> str | None:
        """Axes of the image, with Z renamed to T for slice by slice."""
        axes = self._axes.resolved()
        return axes.replace("Z", "T") if axes and self._by_slice else axes

    def axes_argument(self) -> str | None:
        """The `axes` argument for Python code; None if it can be left out."""
        return self.resolved() if self._by_slice else self._axes.value

    @property
    def _by_slice(self) -> bool:
        return self.is_relevant and self.value == SLICES
