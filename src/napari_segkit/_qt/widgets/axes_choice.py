"""Combo boxes for the axes of an image or of labels, and for 3D or slice by slice."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from napari.layers import Image, Labels
from qtpy.compat import isalive
from qtpy.QtWidgets import QComboBox

from napari_segkit._qt.layers.chosen_axes import ChosenAxes
from napari_segkit.images.axes_image import as_image, full_resolution
from napari_segkit.images.axis_guess import is_order

from .choice import Choice

AXIS_ORDERS = {
    2: ("YX",),
    3: ("ZYX", "TYX", "CYX", "YXC"),
    4: ("TZYX", "CZYX", "ZCYX", "ZYXC", "TCYX", "CTYX", "TYXC"),
    5: ("TCZYX", "TZCYX", "CTZYX", "TZYXC"),
}
VOLUME, SLICES = "in 3D", "slice by slice"
MIN_LETTERS = 10
AXES_TIP = (
    "<p>The dimensions: T time, C channels, Z slices, Y rows, X columns. Choose an order, or type "
    "one letter for each dimension. The choice is kept with the layer.</p>"
)
STACK_TIP = "<p>Process the stack in 3D, or each slice on its own in 2D.</p>"


class Hints(NamedTuple):
    """What else tells the axes of an image, as `as_image` takes it."""

    labels_shape: Sequence[int] | None = None
    like: str | None = None
    channels: int | None = None


class AxesChoice(Choice[str | None]):
    """Choice of "auto" (None), with what it resolves to, and of axis orders; any can be typed.

    What a person chooses is kept with the layer, and preselected for layers like it.
    """

    def __init__(self, chosen: ChosenAxes) -> None:
        super().__init__(tooltip=AXES_TIP, letters=MIN_LETTERS)
        self._chosen, self._hints = chosen, Hints()
        self._image: Image | Labels | None = None
        self._own: str | None = None  # chosen for the image, when it was shown last
        self._auto: str | None = None
        self._problem: str | None = None
        box: QComboBox = self.native
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.setCompleter(None)
        self.set_image(None)
        self.changed.connect(self._on_choice)
        box.lineEdit().editingFinished.connect(self._on_typed)
        chosen.changed.connect(self._on_chosen)

    def resolved(self) -> str | None:
        """The chosen or automatic axes; None where they are ambiguous."""
        return self.value or self._auto

    @property
    def problem(self) -> str | None:
        """Why the axes are ambiguous; None where they are clear."""
        return None if self.value else self._problem

    def set_image(
        self,
        image: Image | Labels | None,
        *,
        labels_shape: Sequence[int] | None = None,
        like: str | None = None,
        channels: int | None = None,
    ) -> None:
        """Offer the axes an image can have; the hints are those of `as_image`."""
        before, is_other = self.resolved(), image is not self._image
        self._image, self._hints = image, Hints(labels_shape, like, channels)
        self._guess()
        own = None if image is None else self._chosen.of(image)
        alike = None if image is None or own else self._chosen.of_alike(image)
        texts = {order: order for order in (*_orders(image), *filter(None, [own]))}
        if alike is not None:
            texts[alike[0]] = f"{alike[0]} (as for {alike[1]})"
        with self.changed.blocked():
            self.offer([(self._auto_text(), None), *((text, o) for o, text in texts.items())])
            if is_other or own != self._own:
                self.value = own or (alike[0] if alike else None)
        self._own = own
        if self.resolved() != before:
            self.changed.emit(self.value)

    def _guess(self) -> None:
        """Find the axes of "auto", or why they are ambiguous."""
        self._auto = self._problem = None
        labels_shape, like, channels = self._hints
        try:
            if self._image is not None:
                self._auto = as_image(
                    self._image, labels_shape=labels_shape, like=like, channels=channels
                ).axes
        except (TypeError, ValueError) as error:
            self._problem = str(error)

    def _auto_text(self) -> str:
        resolved = self._auto or ("ambiguous: please choose" if self._problem else "")
        return f"auto ({resolved})" if resolved else "auto"

    def _on_choice(self) -> None:
        """Keep the choice with the layer; "auto" is guessed anew without it."""
        if self._image is not None:
            self._chosen.choose(self._image, self.value)

    def _on_chosen(self, image: Image) -> None:
        """Show what was chosen in another dock, or what "auto" is now."""
        if image is self._image and isalive(self.native):
            labels_shape, like, channels = self._hints
            self.set_image(image, labels_shape=labels_shape, like=like, channels=channels)

    def _on_typed(self) -> None:
        """Take axes in any order; else say what is wrong."""
        box: QComboBox = self.native
        text = box.currentText().strip()
        axes = text.upper()
        if box.findText(text) >= 0:
            box.setCurrentIndex(box.findText(text))
        elif self._image is not None and is_order(axes) and len(axes) == _ndim(self._image):
            self.add(axes, axes)
            self.value = axes
        box.setEditText(box.itemText(box.currentIndex()))


def _ndim(image: Image | Labels) -> int:
    return full_resolution(image).ndim


def _orders(image: Image | Labels | None) -> tuple[str, ...]:
    if image is None:
        return ()
    orders = AXIS_ORDERS.get(_ndim(image), ())
    if isinstance(image, Labels):
        return tuple(order for order in orders if "C" not in order)
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
