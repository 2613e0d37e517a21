"""Choice of the level of a multiscale image."""

from math import prod
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit.images.axes_image import AxesImage, as_image
from napari_segkit.images.levels import levels_of
from napari_segkit.images.pixel_sizes import has_pixel_size, nearest_level, size_text

TIP = (
    "<p>Level of the multiscale image that is predicted; 0 is the finest. The labels have its "
    "shape and lie over the image.</p>"
)

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


class LevelChoice(QWidget):
    """Choose a level of a multiscale image; hidden for others, of which it is 0."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.choice: Choice[int] = Choice([("0", 0)], tooltip=TIP)
        self.note = Note()
        self._image: Image | None = None
        stack(self, (QLabel("Level"), self.choice.native), self.note)
        self.setVisible(False)
        self.choice.changed.connect(self._on_choice)

    @property
    def value(self) -> int:
        """The level."""
        return self.choice.value

    def show_levels(
        self, image: Image | None, axes: str | None, model: "TrainedModel | None"
    ) -> None:
        """Offer the levels of an image, and propose one unless a person has chosen."""
        levels = [] if image is None or axes is None else _levels(image, axes)
        if image is not self._image:
            self.choice.by_hand = False
        self._image = image
        before = self.value
        with self.choice.changed.blocked():
            self.choice.offer([(_text(n, x), n) for n, x in enumerate(levels)] or [("0", 0)])
            proposed, why = _propose(levels, model)
            if not self.choice.by_hand:
                self.choice.suggest(proposed)
        self.note.setText(why)
        self.setVisible(len(levels) > 1)
        if self.value != before:
            self.changed.emit()

    def _on_choice(self) -> None:
        self.changed.emit()


def _levels(image: Image, axes: str) -> list[AxesImage]:
    """The levels; one for an image that is not multiscale."""
    count = len(levels_of(image) or (0,))
    return [as_image(image, axes, level=level) for level in range(count)]


def _text(level: int, image: AxesImage) -> str:
    """Such as "1: 512 x 512, 0.5 x 0.5 um"."""
    lengths = " x ".join(map(str, image.label_shape))
    return f"{level}: {lengths}" + f", {size_text(image, 2)}" * has_pixel_size(image)


def _propose(levels: list[AxesImage], model: "TrainedModel | None") -> tuple[int, str]:
    """A level, and why it is not the finest; no text if it is."""
    if len(levels) < 2 or model is None:
        return 0, ""
    from napari_segkit.devices import free_memory  # loads torch, as the model has

    nearest = 0 if model.config.resize else nearest_level(levels, model, model.ndim)
    free = free_memory("cpu")
    fitting = next((n for n, x in enumerate(levels) if prod(x.label_shape) < free), len(levels) - 1)
    if fitting > nearest:
        return fitting, f"Level {fitting} is proposed: the labels of a finer one need more memory."
    if not nearest:
        return 0, ""
    sizes = (size_text(x, model.ndim) for x in (levels[nearest], model))
    own, trained = sizes
    return nearest, (
        f"Level {nearest} is proposed: its pixels, {own}, are nearest in size to those of the "
        f"training, {trained}."
    )
