"""Panel that shows where a prediction is wrong: error map, contours, worst places, objects."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import NamedTuple

from napari.layers import Labels
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.error_layers import (
    PREDICTION_COLOR,
    TRUTH_COLOR,
    remove_errors,
    show_errors,
)
from napari_segkit._qt.layers.hidden_layers import HiddenLayers
from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.closed_dock import ClosedDock
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.evaluation.error_map import ErrorMap, find_errors
from napari_segkit.evaluation.worst_places import ErrorPlace
from napari_segkit.steps import drain

from .contours import Contours
from .layer_evaluation import EvaluationRequest, limited_pair
from .object_table import ObjectTable
from .worst_places import WorstPlaces

ERRORS, ERRORS_TIP = (
    "Show errors",
    "<p>Show a layer that says of each pixel or object whether it is right, and list the worst "
    "places, until it is pressed again. It follows each evaluation; the two layers are hidden "
    "meanwhile. Rename the new one to keep it.</p>",
)
CONTOURS, CONTOURS_TIP = (
    "Contours",
    "<p>Draw the contours of truth and prediction over the image, until it is pressed again. The "
    "two layers are hidden meanwhile, and not changed.</p>",
)
SEARCHING = "Looking for errors …"
NO_ERRORS = "No errors."
OUT_OF_DATE = "Out of date: press Evaluate again."


class Found(NamedTuple):
    """The errors of a prediction, and the worst places of them."""

    errors: ErrorMap
    places: list[ErrorPlace]
    ids_are_values: bool  # the ids of objects are the label values of the layers


class ErrorsPanel(QWidget):
    """Shows the errors of the layers that a dock compares; `request` asks for them."""

    found = Signal()  # errors; `set_state` says then whether they are out of date
    listed = Signal()  # errors are shown that were not before

    def __init__(self, session: Session, request: Callable[[], EvaluationRequest]) -> None:
        super().__init__()
        self._viewer = viewer = unwrapped(session.viewer)
        self._request = request
        self._found: Found | None = None
        self._layer: Labels | None = None  # the error map
        self._hidden = HiddenLayers()
        self._removals = Listener(self, self._on_removed)
        self._removals.listen([viewer.layers.events.removed])
        self._layers: tuple[Labels | None, Labels | None] = None, None
        self.errors_button = QPushButton(ERRORS, checkable=True, toolTip=ERRORS_TIP)
        self.contours_button = QPushButton(CONTOURS, checkable=True, toolTip=CONTOURS_TIP)
        self.legend = Note(rich=True)
        self.text = Note()
        self.places, self.objects = WorstPlaces(viewer), ObjectTable(viewer)
        self._contours = Contours(viewer, self)
        self._dock = ClosedDock(self)
        self._search = LatestCall(self)
        stack(
            self,
            (self.errors_button, self.contours_button),
            self.text,
            self.legend,
            self.places,
            self.objects,
        )
        self._clear()
        self.errors_button.toggled.connect(self._on_errors)
        self.contours_button.toggled.connect(self._on_contours)
        self._search.returned.connect(self._on_found)
        self._search.errored.connect(self._on_error)
        self._contours.ended.connect(self._on_contours_ended)
        self._contours.changed.connect(self._on_shown)
        self._dock.closed.connect(self.hide_all)

    def set_layers(self, prediction: Labels | None, truth: Labels | None) -> None:
        """Show the errors and contours of other layers, as far as they are shown."""
        if (prediction, truth) == self._layers:
            return
        self._layers = prediction, truth
        if self.contours_button.isChecked():
            self._on_contours(True)
        if self.errors_button.isChecked():
            self._clear()
            self.search()

    def set_state(self, missing: str | None, *, stale: bool) -> None:
        """Tell why nothing can be shown, or that what is shown is out of date."""
        for button, tip in ((self.errors_button, ERRORS_TIP), (self.contours_button, CONTOURS_TIP)):
            button.setEnabled(missing is None or button.isChecked())
            button.setToolTip(missing or tip)
        if self._found is not None:
            self.text.setText(OUT_OF_DATE if stale else "" if self._found.places else NO_ERRORS)
            for table in (self.places, self.objects):
                table.setEnabled(not stale)

    def search(self) -> None:
        """Find the errors in the background, if they are to be shown."""
        prediction, truth = self._layers
        if self.errors_button.isChecked() and prediction is not None and truth is not None:
            self.text.setText(SEARCHING)
            self._search.submit(partial(_find, self._request()))

    def hide_all(self) -> None:
        """Show the layers as they were."""
        self.errors_button.setChecked(False)
        self.contours_button.setChecked(False)

    def _on_errors(self, shown: bool) -> None:
        self._dock.watch(self)
        self._clear()
        if shown:
            self.search()
        else:
            self._search.cancel()

    def _on_found(self, found: Found) -> None:
        prediction, truth = self._layers
        if prediction not in self._viewer.layers or truth not in self._viewer.layers:
            return
        is_first, errors, self._found = self._found is None, found.errors, found
        self._layer = None  # it may be replaced
        self._layer = show_errors(self._viewer, prediction, truth, errors.values, errors.classes)
        if errors.objects is not None:
            linked = found.ids_are_values
            self.objects.show_objects(errors.objects, prediction, truth, linked=linked)
        else:
            self.places.show_places(found.places, errors.classes, truth)
        self.objects.setVisible(errors.objects is not None)
        self.places.setVisible(errors.objects is None and bool(found.places))
        self._on_shown()
        self.found.emit()
        if is_first:
            QTimer.singleShot(0, self.listed.emit)  # when they are laid out

    def _on_error(self, error: BaseException) -> None:
        self.errors_button.setChecked(False)
        self.text.setText(error_text(error, ERRORS))

    def _on_removed(self) -> None:
        """A person removed the error map: it is not shown again by the next evaluation."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self.errors_button.setChecked(False)

    def _on_contours(self, shown: bool) -> None:
        self._dock.watch(self)
        prediction, truth = self._layers
        self._contours.hide()
        if shown and prediction is not None and truth is not None:
            self._contours.show(prediction, truth)
        self.contours_button.setChecked(self._contours.are_shown)

    def _on_contours_ended(self) -> None:
        self.contours_button.setChecked(False)

    def _clear(self) -> None:
        self._found = self._layer = None
        remove_errors(self._viewer)
        self.text.setText("")
        self.places.hide()
        self.objects.hide()
        self._on_shown()

    def _on_shown(self) -> None:
        """Say what the colours mean, and hide the layers that are shown in these."""
        entries = [] if self._found is None else _legend(self._found.errors)
        if self._contours.are_shown:
            entries += [
                (TRUTH_COLOR, "contour of the truth"),
                (PREDICTION_COLOR, "of the prediction"),
            ]
        self.legend.setText(" &nbsp;".join(_entry(*entry) for entry in entries))
        self._hidden.keep([x for x in self._layers if x is not None] if entries else [])


def _find(request: EvaluationRequest) -> Found:
    pair, limits, _ = limited_pair(request.copied())
    errors = drain(find_errors(pair, request.config, limits))
    return Found(errors, errors.worst_places(), request.config.labels_are != "classes")


def _legend(errors: ErrorMap) -> list[tuple[str, str]]:
    """Colours and names of what there is, with the number of objects or pixels."""
    counts = errors.pixels if errors.objects is None else errors.objects.counts
    return [(c.color, f"{c.name} {counts[c.name]:,}") for c in errors.classes if counts[c.name]]


def _entry(color: str, text: str) -> str:
    """A line of the legend, which is not broken."""
    words = escape(text).replace(" ", "&nbsp;")
    return f"<span style='color:{color}'>■</span>&nbsp;{words}"
