"""Painting part of the Superpixels dock: layers, class and brush."""

from magicgui.widgets import CheckBox
from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_segkit._qt.layers.layer_classes import can_erase, read_classes
from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.cleanup_form import ClassChoice
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.layer_choice import LayerChoice, is_superpixels
from napari_segkit._qt.widgets.place_note import TRANSFORM_EVENTS
from napari_segkit._qt.widgets.single_click_button import SingleClickButton
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.geometry import apart

from .superpixel_brush import SuperpixelBrush

NO_SUPERPIXELS = "No superpixels: compute them above, or choose a Labels layer that holds them."
DISPLAY_EVENTS = ("selected_label", "features", "colormap")
NO_LABELS = "No Labels layer chosen: press New labels for this image."
PAINT_HELP = "Click or drag on the image. Shift+drag moves the view, Ctrl+Z undoes a stroke."
SUPERPIXELS_TIP = "<p>Labels layer that holds the superpixels.</p>"
CLASS_TIP = "<p>Class to paint with.</p>"
PAINT_TIP = "<p>Label entire superpixels by clicks and drags. Press again to stop.</p>"
REPLACE_TIP = "<p>Also overwrite labels painted before. Off: paint only where labels are 0.</p>"
ERASE = LabelClass(0, "erase", "#000000")


class SuperpixelPaint(QObject):
    """Labels superpixels by clicks and drags; a dock lays out the widgets."""

    def __init__(
        self, session: Session, labels: LayerChoice, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.labels = labels
        self.superpixels = LayerChoice(
            session.viewer, "labels", rank=_rank_superpixels, tooltip=SUPERPIXELS_TIP
        )
        self.classes = ClassChoice(CLASS_TIP)
        self.replace = CheckBox(text="Overwrite existing labels", tooltip=REPLACE_TIP)
        self.button = SingleClickButton("Paint superpixels", checkable=True, toolTip=PAINT_TIP)
        self.note = Note()
        self.brush = SuperpixelBrush(session.viewer, self)
        self._display_events = Listener(self, self._on_labels)
        self._transform_events = Listener(self, self._on_transform)
        self._connect()

    def missing(self) -> str | None:
        """Message if superpixels cannot be painted."""
        labels, superpixels = self.labels.value, self.superpixels.value
        if superpixels is None:
            return NO_SUPERPIXELS
        if labels is None:
            return NO_LABELS
        if labels is superpixels:
            return "Labels and superpixels are the same layer: choose two different layers."
        if not can_erase(labels):
            return f"{labels.name} cannot be painted: its pixels are not in memory."
        if labels.data.shape != superpixels.data.shape:
            return (
                f"{labels.name} has shape {labels.data.shape}, {superpixels.name} has shape "
                f"{superpixels.data.shape}: choose layers of the same image."
            )
        found = apart(labels, superpixels)
        return f"{found} Choose layers of the same image." if found else None

    def stop_painting(self) -> None:
        self.button.setChecked(False)

    def _connect(self) -> None:
        self.labels.changed.connect(self.update_layers)
        self.superpixels.changed.connect(self.update_layers)
        self.classes.changed.connect(self._on_class)
        self.replace.changed.connect(self._on_replace)
        self.button.toggled.connect(self._on_toggled)
        self.brush.ended.connect(self.stop_painting)

    def update_layers(self) -> None:
        """Follow the chosen layers; to be called once the widgets are laid out."""
        self.stop_painting()
        labels, superpixels = self.labels.value, self.superpixels.value
        self._display_events.listen(emitters_of(labels, *DISPLAY_EVENTS))
        placed = (labels, superpixels)
        self._transform_events.listen(e for x in placed for e in emitters_of(x, *TRANSFORM_EVENTS))
        self._on_labels()

    def _on_transform(self) -> None:
        if self.missing() is not None:
            self.stop_painting()
        self._on_labels()

    def _on_labels(self) -> None:
        labels, missing = self.labels.value, self.missing()
        self.button.setEnabled(missing is None)
        self.classes.enabled = labels is not None
        classes: tuple[LabelClass, ...] = ()
        if labels is not None:
            classes = (ERASE, *read_classes(labels, [labels.selected_label], without=0))
        self.classes.show_classes(classes)
        if labels is not None:
            with self.classes.changed.blocked():
                self.classes.value = int(labels.selected_label)
        self._show_note(missing)

    def _show_note(self, missing: str | None) -> None:
        self.note.setText(missing or (PAINT_HELP if self.brush.is_on else ""))

    def _on_class(self) -> None:
        labels, value = self.labels.value, self.classes.value
        if labels is not None and value is not None:
            labels.selected_label = value

    def _on_replace(self) -> None:
        self.brush.replace = self.replace.value

    def _on_toggled(self, on: bool) -> None:
        if on:
            self.brush.begin(self.labels.value, self.superpixels.value)
        else:
            self.brush.end()
        self._show_note(self.missing())


def _rank_superpixels(layer: Layer) -> int | None:
    return 0 if is_superpixels(layer) else None
