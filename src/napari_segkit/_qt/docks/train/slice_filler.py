"""Button that fills labels in between painted slices."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.canvas_coordinates import canvas_to_data
from napari_segkit._qt.layers.layer_classes import bounds, can_erase, replace_pixels
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit.images import types
from napari_segkit.images.slice_interpolation import interpolate_slices

TIP = (
    "<p>Paint a class on some slices, then fill it in on the slices between them, along the axis "
    "of the slider. Painted pixels stay; undo takes the filling back.</p>"
)
NO_SLICES = "Show the labels in 2D, with a slider for their slices, to fill between slices."
NOT_EDITABLE = "These labels cannot be painted here: they are not in memory, or painting is off."
NOTHING = (
    "Nothing to fill: paint a class on two slices, with slices between them and shapes that "
    "overlap when seen along the slider."
)
NAMED_CLASSES = 5  # more are counted
Region = tuple[int | slice, ...]


@dataclass(frozen=True)
class Filling:
    """Pixels of a region after filling, and what was filled."""

    layer: Labels
    region: Region
    pixels: types.Labels
    unlabelled: int
    text: str


class SliceFiller(QWidget):
    """Fills the labels between painted slices, and says what was filled."""

    def __init__(
        self, session: Session, semantics: LabelSemantics, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._semantics = session, semantics
        self._layer: Labels | None = None
        self.button = QPushButton("Fill between slices", toolTip=TIP)
        self.text = Note()
        self._latest = LatestCall(self)
        stack(self, self.button, self.text)
        self.button.clicked.connect(self.fill)
        self._latest.returned.connect(self._on_filled)
        self._latest.errored.connect(self._on_error)

    def set_layer(self, layer: Labels | None) -> None:
        """Fill this layer."""
        if layer is not self._layer:
            self.text.setText("")
        self._layer = layer
        self.setVisible(layer is not None and layer.ndim > 2)

    def fill(self) -> None:
        """Fill between the painted slices along the slider's axis, in the background."""
        layer = self._layer
        if layer is None or not can_erase(layer):
            self.text.setText(NOT_EDITABLE)
            return
        volume = shown_volume(self._session.viewer, layer)
        if volume is None:
            self.text.setText(NO_SLICES)
            return
        self.text.setText("Filling …")
        unlabelled = self._semantics.value["unlabelled"] or 0
        self._latest.submit(partial(fill_slices, layer, *volume, unlabelled))

    def _on_filled(self, filling: Filling) -> None:
        layer, region = filling.layer, filling.region
        if layer not in self._session.viewer.layers or not can_erase(layer):
            self.text.setText(NOT_EDITABLE)
            return
        if filling.pixels.size:
            now = layer.data[region]  # may have been painted meanwhile
            replace_pixels(layer, region, np.where(now == filling.unlabelled, filling.pixels, now))
        self.text.setText(filling.text)

    def _on_error(self, error: BaseException) -> None:
        self.text.setText(error_text(error, "Filling slices"))


def shown_volume(viewer: ViewerModel, layer: Labels) -> tuple[Region, int] | None:
    """Region of the volume that the last slider goes through, and the slider's axis in it."""
    first = viewer.dims.ndim - layer.ndim
    hidden = [d - first for d in viewer.dims.not_displayed if d >= first]
    if viewer.dims.ndisplay != 2 or not hidden:
        return None
    point = canvas_to_data(layer, viewer.dims.point, viewer.dims.displayed)
    last = np.array(layer.data.shape) - 1
    fixed = {d: int(np.clip(round(point[d]), 0, last[d])) for d in hidden[:-1]}
    region = tuple(fixed.get(d, slice(0, n)) for d, n in enumerate(layer.data.shape))
    return region, sum(d not in fixed for d in range(hidden[-1]))


def fill_slices(layer: Labels, region: Region, axis: int, unlabelled: int) -> Filling:
    """Fill between the painted slices of a region; the layer stays as it is."""
    labels = layer.data[region]
    spacing = [abs(s) for s, i in zip(layer.scale, region, strict=True) if isinstance(i, slice)]
    filled = interpolate_slices(labels, axis, unlabelled=unlabelled, spacing=spacing)
    changed = filled != labels
    text = describe(labels, filled, changed, axis)
    box = iter(bounds(changed))
    part = tuple(next(box) if isinstance(i, slice) else i for i in region)
    return Filling(layer, part, filled[bounds(changed)], unlabelled, text)


def describe(labels: types.Labels, filled: types.Labels, changed: types.AnyArray, axis: int) -> str:
    """How many slices were filled, between how many painted ones, with which classes."""
    if not changed.any():
        return NOTHING
    classes = np.unique(filled[changed])
    slices, painted = (
        int(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis)).sum())
        for mask in (changed, np.isin(labels, classes))
    )
    plural = "" if slices == 1 else "s"
    return f"Filled {slices} slice{plural} between {painted} painted ones, {_listed(classes)}."


def _listed(classes: types.Labels) -> str:
    if len(classes) == 1:
        return f"class {classes[0]}"
    if len(classes) > NAMED_CLASSES:
        return f"{len(classes)} classes"
    return f"classes {', '.join(map(str, classes[:-1]))} and {classes[-1]}"
