"""The part of the Superpixels dock that paints: layers, class, and a brush."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.layers.layer_classes import can_erase, read_classes
from napari_segkit._qt.widgets.cleanup_form import ClassChoice
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.fields import BoolField
from napari_segkit._qt.widgets.layer_choice import LayerChoice, is_superpixels
from napari_segkit.images.classes import LabelClass

from .superpixel_brush import SuperpixelBrush

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

NONE_YET = "No superpixels chosen: make some, above, or choose a Labels layer that holds them."
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
NEAR = 0.5  # pixels
SHOWN = ("selected_label", "features", "colormap")
NO_LABELS = "No Labels layer chosen: press New labels for this image."
HOW = "Click or drag on the image. Shift and drag moves the view, Ctrl+Z takes a stroke back."
REPLACE = "<p>Also where something is painted already; else only where nothing is.</p>"
NOTHING = LabelClass(0, "nothing", "#000000")


class SuperpixelPaint(QObject):
    """Gives superpixels a class by clicks and drags; a dock lays the widgets out.

    Parameters
    ----------
    session : Session
        Whose viewer's layers are offered.
    labels : LayerChoice
        The layer that is painted on.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.
    """

    def __init__(
        self, session: "Session", labels: LayerChoice, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.labels = labels
        self.superpixels = LayerChoice(session.viewer, "labels", rank=_as_superpixels)
        self.classes = ClassChoice()
        self.replace = BoolField()
        self.button = QPushButton("Paint whole superpixels", checkable=True)
        self.note = Note()
        self.brush = SuperpixelBrush(session.viewer, self)
        self._heard: list[Any] = []
        self.replace.setText("Replace what is painted")
        self.replace.setToolTip(REPLACE)
        self._connect()
        self._on_layers()

    def missing(self) -> str | None:
        """Why superpixels cannot be painted, in words."""
        labels, superpixels = self.labels.current_layer(), self.superpixels.current_layer()
        if superpixels is None:
            return NONE_YET
        if labels is None:
            return NO_LABELS
        if labels is superpixels:
            return "Labels and superpixels are the same layer: choose two."
        if not can_erase(labels):
            return f"{labels.name} cannot be painted on: its pixels are not in memory."
        if labels.data.shape != superpixels.data.shape:
            return (
                f"{labels.name} has {labels.data.shape} pixels, {superpixels.name} "
                f"{superpixels.data.shape}: choose those of one image."
            )
        if not lie_alike(labels, superpixels):
            return (
                f"{labels.name} and {superpixels.name} lie in different places: give both the same "
                "scale, translation, rotation and units, or choose those of one image."
            )
        return None

    def put_away(self) -> None:
        """End painting."""
        self.button.setChecked(False)

    def _connect(self) -> None:
        self.labels.layer_changed.connect(self._on_layers)
        self.superpixels.layer_changed.connect(self._on_layers)
        self.classes.currentIndexChanged.connect(self._on_class)
        self.replace.changed.connect(self._on_replace)
        self.button.toggled.connect(self._on_toggled)
        self.brush.ended.connect(self.put_away)

    def _on_layers(self) -> None:
        self.put_away()
        for emitter, heard in self._heard:
            emitter.disconnect(heard)
        labels, superpixels = self.labels.current_layer(), self.superpixels.current_layer()
        moved = [e for x in dict.fromkeys((labels, superpixels)) for e in _events(x, PLACE)]
        self._heard = [
            *((emitter, self._on_labels) for emitter in _events(labels, SHOWN)),
            *((emitter, self._on_moved) for emitter in moved),
        ]
        for emitter, heard in self._heard:
            emitter.connect(heard)
        self._on_labels()

    def _on_moved(self, event: Any = None) -> None:
        if isalive(self) and self.missing() is not None:
            self.put_away()
        self._on_labels()

    def _on_labels(self, event: Any = None) -> None:
        if not isalive(self):
            return
        labels, missing = self.labels.current_layer(), self.missing()
        self.button.setEnabled(missing is None)
        self.classes.setEnabled(labels is not None)
        known: tuple[LabelClass, ...] = ()
        if labels is not None:
            known = (NOTHING, *read_classes(labels, [labels.selected_label], without=0))
        self.classes.show_classes(known)
        if labels is not None:
            blocked = self.classes.blockSignals(True)
            self.classes.setCurrentIndex(self.classes.findData(int(labels.selected_label)))
            self.classes.blockSignals(blocked)
        self._say(missing)

    def _say(self, missing: str | None) -> None:
        self.note.setText(missing or (HOW if self.brush.is_on else ""))

    def _on_class(self) -> None:
        labels, value = self.labels.current_layer(), self.classes.currentData()
        if labels is not None and value is not None:
            labels.selected_label = value

    def _on_replace(self) -> None:
        self.brush.replace = self.replace.value()

    def _on_toggled(self, on: bool) -> None:
        if on:
            self.brush.begin(self.labels.current_layer(), self.superpixels.current_layer())
        else:
            self.brush.end()
        self._say(self.missing())


def lie_alike(layer: Any, other: Any) -> bool:
    """Whether the pixels of two layers of one shape lie at the same places in the world.

    Parameters
    ----------
    layer, other : napari layer
        Half a pixel more or less does not count, and units only where they measure the same.
    """
    corners = [np.zeros(layer.ndim), *np.diag(layer.data.shape)]
    units = list(zip(layer.units, other.units, strict=True))
    if any(a != b and a.dimensionality == b.dimensionality for a, b in units):
        return False
    there = [other.world_to_data(layer.data_to_world(corner)) for corner in corners]
    return bool(np.abs(np.subtract(there, corners)).max() < NEAR)


def _events(layer: Any, names: tuple[str, ...]) -> list[Any]:
    return [] if layer is None else [getattr(layer.events, name) for name in names]


def _as_superpixels(layer: Any) -> int | None:
    return 0 if is_superpixels(layer) else None
