"""What a chosen layer is refined from, and the classes that it has."""

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

WAIT_MS = 300  # a person is painting
FROM = "<p>What is known of the layer: smoothing changes most where that is least certain.</p>"
CERTAINTY = (
    "<p>How likely a label is right: less lets the image and the neighbours change more.</p>"
)
UNLABELLED = "<p>The value of pixels that nobody decided: all classes are equally likely there.</p>"


class StartChoice(NoWheel, QComboBox):
    """What is known of a layer that it can be refined from; the best, until a person chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.by_hand = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolTip(FROM)
        self.activated.connect(self._on_activated)

    def offer(self, starts: tuple[str, ...]) -> None:
        """Offer these; what a person chose stays so where it is among them."""
        chosen = self.currentData() if self.by_hand else None
        blocked = self.blockSignals(True)
        self.clear()
        for start in starts:
            self.addItem(STARTS[start], start)
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(blocked)

    def _on_activated(self) -> None:
        self.by_hand = True


class RefineStart(QObject):
    """Follows one layer: from what it is refined, and which classes that has.

    Parameters
    ----------
    session : Session
        Where objects and probabilities of layers are kept.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    choice, certainty, unlabelled : widget
        What is chosen.
    known : RefineSource or None
        What is chosen with all its classes, in the colours on screen; None until they are known.
    problem : str or None
        Why it cannot be refined.
    changed : Signal()
        Something else is chosen, painted, or known.
    """

    changed = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layer: Any = None
        self.known: RefineSource | None = None
        self.problem: str | None = None
        self.choice = StartChoice()
        self.certainty = FloatField({"min": 0.01, "max": 1.0, "step": 0.05})
        self.unlabelled = OptionalField(IntField({"min": 0}))
        self.certainty.set_value(SoftLabelOptions().certainty)
        self.certainty.setToolTip(CERTAINTY)
        self.unlabelled.setToolTip(UNLABELLED)
        self._watch = LayerWatcher(session.viewer, self)
        self._reader = LatestCall(self, wait_ms=WAIT_MS)
        for signal in (
            self.choice.currentIndexChanged,
            self.certainty.changed,
            self.unlabelled.changed,
        ):
            signal.connect(self._read)
        self._watch.painted.connect(self._on_painted)
        self._watch.redrawn.connect(self._on_painted)
        self._reader.returned.connect(self._on_read)
        self._reader.errored.connect(self._on_unfit)
        session.objects_changed.connect(self._on_kept)
        session.probabilities_changed.connect(self._on_kept)

    @property
    def is_busy(self) -> bool:
        """Whether classes are still being read."""
        return self._reader.is_busy

    @property
    def name(self) -> str | None:
        """What is chosen: "objects", "probabilities" or "labels"; None without a layer."""
        return self.choice.currentData()  # type: ignore[no-any-return]

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes, as far as they are known by now."""
        return () if self.known is None else self.known.classes

    def set_layer(self, layer: Any) -> None:
        """Follow another layer, or none."""
        self._layer, self.choice.by_hand = layer, False
        self._watch.watch(layer if isinstance(layer, Labels) else None)
        self._offer()

    def source(self) -> RefineSource | None:
        """What is chosen, with those classes that it is said to have; None without a layer."""
        if self._layer is None:
            return None
        certainty = SoftLabelOptions(self.certainty.value(), self.unlabelled.value())
        return refine_source(self._session, self._layer, self.name, certainty)

    def keywords(self) -> dict[str, Any]:
        """The same, by its names in ``session(viewer).refine``; None for what needs no word."""
        said: dict[str, Any] = {"start": self.name if self.choice.currentIndex() > 0 else None}
        if self.name == "labels":
            certainty = self.certainty.value()
            said["certainty"] = None if certainty == SoftLabelOptions().certainty else certainty
            said["unlabelled"] = self.unlabelled.value()
        return said

    def _offer(self) -> None:
        layer = self._layer
        self.choice.offer(() if layer is None else refine_starts(self._session, layer))
        self._read()

    def _on_kept(self, layer: Any) -> None:
        if layer is self._layer:
            self._offer()

    def _on_painted(self) -> None:
        if self.name == "labels":
            self._read()

    def _read(self) -> None:
        """Find the classes, in the background where pixels are to be looked at."""
        source, self.problem = self.source(), None
        self._reader.forget()
        if source is not None and source.start == "labels":
            if not self._is_of(source):
                self.known = None
            self._reader.ask(_with_classes, source.frozen(copied=False))
            self.changed.emit()
        else:
            self._take(source)

    def _is_of(self, source: RefineSource) -> bool:
        """Whether what is known is of the same layer, so that it may stay until it is read anew."""
        known: Any = self.known
        same = known is not None and known.layer is source.layer
        return same and known.start == source.start

    def _on_read(self, found: RefineSource) -> None:
        shown = {c.value: c for c in read_classes(self._layer, found.values)}
        source = self.source()
        classes = tuple(shown[value] for value in found.values)
        self._take(source and replace(source, classes=classes))

    def _on_unfit(self, error: Exception) -> None:
        self.problem = str(error)
        self._take(None)

    def _take(self, known: RefineSource | None) -> None:
        self.known = known
        self.changed.emit()


def _with_classes(source: RefineSource) -> RefineSource:
    return source.with_classes()
