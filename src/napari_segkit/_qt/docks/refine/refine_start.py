"""Choice of what a layer is refined from, and the classes of the layer."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.refine_source import (
    STARTS,
    RefineSource,
    SoftLabelOptions,
    refine_source,
    refine_starts,
)
from napari_segkit._qt.widgets.fields import FloatField, IntField, NoWheel, OptionalField
from napari_segkit.images.classes import LabelClass

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

DEBOUNCE_MS = 300  # wait for further strokes
START_TIP = (
    "<p>Input of the refinement: stored probabilities, object masks, or labels. Smoothing changes "
    "most where the input is least certain.</p>"
)
CERTAINTY_TIP = (
    "<p>Probability that a label is correct. A lower value lets smoothing change more pixels.</p>"
)
UNLABELLED_TIP = "<p>Value of pixels without a label: all classes start equally likely there.</p>"


class StartChoice(NoWheel, QComboBox):
    """Choice of the input; the most informative one until the user chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen_by_user = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolTip(START_TIP)
        self.activated.connect(self._on_activated)

    def set_starts(self, starts: tuple[str, ...]) -> None:
        """Offer these inputs; a choice of the user is kept if it is among them."""
        chosen = self.currentData() if self.chosen_by_user else None
        blocked = self.blockSignals(True)
        self.clear()
        for start in starts:
            self.addItem(STARTS[start], start)
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(blocked)

    def _on_activated(self) -> None:
        self.chosen_by_user = True


class RefineStart(QObject):
    """Input of the refinement for one layer; classes are read in the background."""

    changed = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layer: Any = None
        self.source_with_classes: RefineSource | None = None  # None until classes are read
        self.problem: str | None = None
        self.choice = StartChoice()
        self.certainty = FloatField({"min": 0.01, "max": 1.0, "step": 0.05})
        self.unlabelled = OptionalField(IntField({"min": 0}))
        self.certainty.set_value(SoftLabelOptions().certainty)
        self.certainty.setToolTip(CERTAINTY_TIP)
        self.unlabelled.setToolTip(UNLABELLED_TIP)
        self._watch = LayerWatcher(session.viewer, self)
        self._reader = LatestCall(self, wait_ms=DEBOUNCE_MS)
        for signal in (
            self.choice.currentIndexChanged,
            self.certainty.changed,
            self.unlabelled.changed,
        ):
            signal.connect(self._read)
        self._watch.painted.connect(self._on_painted)
        self._watch.redrawn.connect(self._on_painted)
        self._reader.returned.connect(self._on_read)
        self._reader.errored.connect(self._on_error)
        session.objects_changed.connect(self._on_result_stored)
        session.probabilities_changed.connect(self._on_result_stored)

    @property
    def is_busy(self) -> bool:
        return self._reader.is_busy

    @property
    def name(self) -> str | None:
        """Return "objects", "probabilities" or "labels"; None without a layer."""
        return self.choice.currentData()  # type: ignore[no-any-return]

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Classes read so far."""
        return () if self.source_with_classes is None else self.source_with_classes.classes

    def set_layer(self, layer: Any) -> None:
        """Follow this layer, or none."""
        self._layer, self.choice.chosen_by_user = layer, False
        self._watch.watch(layer if isinstance(layer, Labels) else None)
        self._update_starts()

    def source(self) -> RefineSource | None:
        """Chosen source with the classes named in its metadata; None without a layer."""
        if self._layer is None:
            return None
        certainty = SoftLabelOptions(self.certainty.value(), self.unlabelled.value())
        return refine_source(self._session, self._layer, self.name, certainty)

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of ``session(viewer).refine``; None for defaults."""
        keywords: dict[str, Any] = {"start": self.name if self.choice.currentIndex() > 0 else None}
        if self.name == "labels":
            certainty = self.certainty.value()
            keywords["certainty"] = None if certainty == SoftLabelOptions().certainty else certainty
            keywords["unlabelled"] = self.unlabelled.value()
        return keywords

    def _update_starts(self) -> None:
        layer = self._layer
        self.choice.set_starts(() if layer is None else refine_starts(self._session, layer))
        self._read()

    def _on_result_stored(self, layer: Any) -> None:
        if layer is self._layer:
            self._update_starts()

    def _on_painted(self) -> None:
        if self.name == "labels":
            self._read()

    def _read(self) -> None:
        """Read the classes, in the background if pixels are needed."""
        source, self.problem = self.source(), None
        self._reader.cancel()
        if source is not None and source.start == "labels":
            if not self._has_classes_of(source):
                self.source_with_classes = None
            self._reader.submit(_with_classes, source.frozen(copied=False))
            self.changed.emit()
        else:
            self._set_source(source)

    def _has_classes_of(self, source: RefineSource) -> bool:
        """Whether the classes read before belong to this layer, and stay until read again."""
        before: Any = self.source_with_classes
        same = before is not None and before.layer is source.layer
        return same and before.start == source.start

    def _on_read(self, result: RefineSource) -> None:
        on_screen = {c.value: c for c in read_classes(self._layer, result.values)}
        source = self.source()
        classes = tuple(on_screen[value] for value in result.values)
        self._set_source(source and replace(source, classes=classes))

    def _on_error(self, error: Exception) -> None:
        self.problem = str(error)
        self._set_source(None)

    def _set_source(self, source: RefineSource | None) -> None:
        self.source_with_classes = source
        self.changed.emit()


def _with_classes(source: RefineSource) -> RefineSource:
    return source.with_classes()
