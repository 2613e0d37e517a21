"""Choice of what a layer is refined from, and the classes of the layer."""

from dataclasses import replace

from napari.layers import Labels, Layer
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.refine_layers import STARTS, refine_source, refine_starts
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.fields import Number, OptionalField, make_field
from napari_segkit._qt.widgets.forms import tooltips
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.when_visible import WhenVisible
from napari_segkit.config import SoftLabelConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.images.classes import LabelClass
from napari_segkit.jobs.refine import RefineSource

DEBOUNCE_MS = 300  # wait for further strokes
START_TIP = (
    "<p>Input of the refinement: stored probabilities, object masks, or labels. Smoothing changes "
    "most where the input is least certain.</p>"
)


class StartChoice(Choice[str | None]):
    """Choice of the input; the most informative one, which is the first, until the user chooses."""

    def select(self, before: str | None) -> None:
        """Keep what the user chose."""
        if self.by_hand:
            super().select(before)


class RefineStart(QObject):
    """Input of the refinement for one layer; classes are read in the background."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layer: Layer | None = None
        self.source_with_classes: RefineSource | None = None  # None until classes are read
        self.problem: str | None = None
        self.choice = StartChoice(tooltip=START_TIP)
        self.certainty = make_field(config_fields(SoftLabelConfig)["certainty"])
        self.unlabelled = OptionalField(Number(int))
        self.certainty.value = SoftLabelConfig.certainty
        for name, field in (("certainty", self.certainty), ("unlabelled", self.unlabelled)):
            field.tooltip = tooltips(SoftLabelConfig)[name]
        self._starts = WhenVisible(self.choice.native, self._update_starts)
        self._classes = WhenVisible(self.choice.native, self._read)
        self._watch = LayerWatcher(session.viewer, self)
        self._reader = LatestCall(self, wait_ms=DEBOUNCE_MS)
        for signal in (self.choice.changed, self.certainty.changed, self.unlabelled.changed):
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
        return self.choice.value

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Classes read so far."""
        return () if self.source_with_classes is None else self.source_with_classes.classes

    @property
    def soft_labels(self) -> SoftLabelConfig:
        """How labels become probabilities."""
        return SoftLabelConfig(self.certainty.value, self.unlabelled.value)

    def set_layer(self, layer: Layer | None) -> None:
        """Follow this layer, or none."""
        if layer is not self._layer:
            self.source_with_classes = None
        self._layer, self.choice.by_hand = layer, False
        self._watch.watch(layer if isinstance(layer, Labels) else None)
        self._update_starts()

    def source(self, *, copied: bool = False) -> RefineSource | None:
        """Chosen source with the classes named in its metadata; None without a layer."""
        if self._layer is None:
            return None
        options = self.soft_labels
        return refine_source(self._session, self._layer, self.name, options, copied=copied)

    def keywords(self) -> dict[str, object]:
        """Keyword arguments of ``session(viewer).refine``; None for defaults."""
        keywords: dict[str, object] = {
            "start": self.name if self.name != self.choice.choices[0] else None
        }
        if self.name == "labels":
            certainty = self.certainty.value
            keywords["certainty"] = None if certainty == SoftLabelConfig().certainty else certainty
            keywords["unlabelled"] = self.unlabelled.value
        return keywords

    def _update_starts(self) -> None:
        layer = self._layer
        starts = () if layer is None else refine_starts(self._session, layer)
        with self.choice.changed.blocked():
            self.choice.offer([(STARTS[start], start) for start in starts])
        self._read()

    def _on_result_stored(self, layer: Layer) -> None:
        if layer is self._layer:
            self._starts.request()

    def _on_painted(self) -> None:
        if self.name == "labels":
            self._classes.request()

    def _read(self) -> None:
        """Read the classes, in the background if pixels are needed."""
        source, self.problem = self.source(), None
        self._reader.cancel()
        if source is not None and source.start == "labels":
            before = self.source_with_classes
            if before is not None and before.start != source.start:
                self.source_with_classes = None
            self._reader.submit(source.with_classes)
            self.changed.emit()
        else:
            self._set_source(source)

    def _on_read(self, result: RefineSource) -> None:
        on_screen = {c.value: c for c in read_classes(self._layer, result.values)}
        source = self.source()
        classes = tuple(on_screen[value] for value in result.values)
        self._set_source(source and replace(source, classes=classes))

    def _on_error(self, error: BaseException) -> None:
        self.problem = error_text(error, "Reading the classes")
        self._set_source(None)

    def _set_source(self, source: RefineSource | None) -> None:
        self.source_with_classes = source
        self.changed.emit()
