"""The dock that measures a prediction against the truth."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Dock, Note
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit._qt.widgets.layer_choice import (
    LayerChoice,
    is_prediction,
    is_superpixels,
    is_truth,
)
from napari_segkit._qt.widgets.run_bar import RunBar

from .metrics_choice import MetricsChoice
from .metrics_table import MetricsTable

if TYPE_CHECKING:
    import napari

    from napari_segkit.evaluation.report import Report


@dataclass(frozen=True)
class Result:
    """Figures and what they were made with.

    Parameters
    ----------
    report : Report
        The figures.
    kind : str
        Which figures they are.
    prints : tuple of str
        What the pixels of prediction and truth, and their classes, looked like.
    chosen : tuple
        The choices in the dock.
    text : str
        The same in words.
    """

    report: "Report"
    kind: str
    prints: tuple[str, ...]
    chosen: tuple[Any, ...]
    text: str


class EvaluateDock(Dock):
    """Compare two Labels layers: their classes, their objects, or segments of classes.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.result: Result | None = None
        self.prediction = LayerChoice(self.viewer, "labels", rank=_as_prediction)
        self.truth = LayerChoice(self.viewer, "labels", rank=self._as_truth)
        self.wanted = MetricsChoice(self)
        self.table = MetricsTable()
        self.readout = Note()
        self.table_button = QPushButton("Copy table")
        self.bar = RunBar(self.session, "Evaluate")
        self._touched = False
        self._watches = LayerWatcher(self.viewer, self), LayerWatcher(self.viewer, self)
        self._prints = LatestCall(self, wait_ms=200)
        self._lay_out()
        self._connect()
        self._on_layers()

    def evaluate(self) -> None:
        """Measure the chosen layers as they are now."""
        prediction = snapshot(self.prediction.current_layer())
        truth = snapshot(self.truth.current_layer())
        self.wanted.offer()
        steps = measure(prediction, truth, self._chosen(), self.wanted.value())
        self.bar.run(steps, f"Evaluate {prediction.name}")

    def code(self) -> str:
        """The Python that measures as the button does."""
        layers = self.prediction.current_layer(), self.truth.current_layer()
        given = ", ".join(map(python_snippets.layer, layers))
        named = {k: v for k, v in self.wanted.value().items() if v not in (None, "ask", "semantic")}
        return python_snippets.with_import(f"evaluate({given}{python_snippets.keywords(**named)})")

    def csv(self) -> str:
        """The table as comma-separated values, with a header line."""
        return "" if self.result is None else self.result.report.table().to_csv(index=False)

    def set_prediction(self, layer: Any) -> None:
        """Choose what is measured, and a truth that is another layer."""
        self.prediction.suggest(layer)

    @property
    def stale(self) -> str | None:
        """Why the figures shown are not those of the layers as they are now; else None."""
        if self.result is None:
            return None
        if self.result.chosen != self._chosen():
            return "Out of date: the choices above have changed. Press Evaluate."
        if self._touched:
            return "Out of date: a layer has changed since. Press Evaluate."
        return None

    def _chosen(self) -> tuple[Any, ...]:
        layers = self.prediction.current_layer(), self.truth.current_layer()
        return (*(str(getattr(x, "unique_id", "")) for x in layers), *self.wanted.value().items())

    def _as_truth(self, layer: Any) -> int | None:
        """How well a layer suits as the truth: what is measured never does."""
        if layer is self.prediction.current_layer() or is_superpixels(layer):
            return None
        return 0 if is_truth(layer) else 2 if is_prediction(layer) else 1

    def _lay_out(self) -> None:
        self.add_group(
            "Compare",
            prediction=self.prediction,
            truth=self.truth,
            kind=self.wanted.kind,
            unlabelled=self.wanted.meaning.unlabelled,
            labels_are=self.wanted.meaning.labels_are,
        )
        self.add_group("Figures", _table=self.table, _readout=self.readout, _copy=self.table_button)
        self.footer.addWidget(self.bar)
        self.footer.addWidget(self.wanted.remedies)

    def _connect(self) -> None:
        self.prediction.layer_changed.connect(self._on_prediction)
        self.truth.layer_changed.connect(self._on_layers)
        for watch in self._watches:
            watch.painted.connect(self._on_painted)
            watch.redrawn.connect(self._on_redrawn)
        self._prints.returned.connect(self._on_prints)
        self.wanted.changed.connect(self._update_state)
        self.wanted.kind.features_changed.connect(self._on_redrawn)
        self.wanted.asked.connect(self._on_asked)
        self.table_button.clicked.connect(self._on_copy_table)
        self.bar.pressed.connect(self.evaluate)
        self.bar.copy_pressed.connect(self._on_copy)
        self.bar.returned.connect(self._on_result)
        self.bar.errored.connect(self._on_error)

    def _on_prediction(self) -> None:
        self.truth.choose_default()
        self._on_layers()

    def _on_layers(self) -> None:
        for watch, choice in zip(self._watches, (self.prediction, self.truth), strict=True):
            watch.watch(choice.current_layer())
        self.wanted.hold_for(*(watch.layer for watch in self._watches))
        self._on_redrawn()
        self._update_state()

    def _on_painted(self) -> None:
        self._touched = True
        self._on_redrawn()
        self._update_state()

    def _on_redrawn(self) -> None:
        """Look closer in the background: it may have been an undo."""
        layers = [watch.layer for watch in self._watches]
        if self.result is not None and None not in layers:
            self._prints.ask(fingerprints, *layers, self.result.kind)

    def _on_prints(self, prints: tuple[str, ...]) -> None:
        self._touched = self.result is not None and prints != self.result.prints
        self._update_state()

    def _on_result(self, result: Result) -> None:
        self.result = result
        self._touched = False
        self._on_redrawn()
        self._update_state()

    def _on_error(self, error: Exception) -> None:
        self.wanted.offer(error)
        self.bar.say(gui_message(self.bar.status.text()))

    def _on_asked(self) -> None:
        if self.bar.reason is None and not self.bar.is_running:
            self.evaluate()

    def _on_copy(self) -> None:
        self.bar.copy(self.code())

    def _on_copy_table(self) -> None:
        python_snippets.copy(self.csv())
        self.bar.say("The table is on the clipboard, as CSV.")

    def _missing(self) -> str | None:
        """Why nothing can be measured, in words."""
        layers = self.prediction.current_layer(), self.truth.current_layer()
        if None in layers:
            return "No Labels layer: predict something, and open its truth."
        if layers[0] is layers[1]:
            return "Prediction and truth are the same layer: choose two."
        return None

    def _update_state(self) -> None:
        missing, stale = self._missing(), self.stale
        self.bar.set_reason(missing)
        self.bar.copy_button.setEnabled(missing is None)
        self.table_button.setEnabled(self.result is not None and stale is None)
        if self.result is not None:
            self.table.show_report(
                self.result.report, kind=self.result.kind, stale=stale is not None
            )
            self.readout.setText("\n".join(filter(None, [stale, self.result.text])))


def _as_prediction(layer: Any) -> int | None:
    """How well a layer suits as what is measured: a truth never does."""
    if is_truth(layer) or is_superpixels(layer):
        return None
    return 0 if is_prediction(layer) else 1


def measure(
    prediction: Snapshot, truth: Snapshot, chosen: tuple[Any, ...], choices: dict[str, Any]
) -> Generator[Any, None, Result]:
    """Evaluate two layers step by step, and remember what the figures were made with."""
    from napari_segkit.evaluation.report import evaluate_blocks

    report = yield from evaluate_blocks(prediction, truth, **choices)
    text = "\n".join([f"{prediction.name} against {truth.name}.", report.summary(), *report.notes])
    kind = choices["kind"]
    return Result(report, kind, fingerprints(prediction, truth, kind), chosen, text)


def fingerprints(prediction: Any, truth: Any, kind: str) -> tuple[str, ...]:
    """What the pixels of two layers look like, and the classes of segments; slow for large ones."""
    layers = (prediction, truth)
    classes = [layer.features.to_csv() for layer in layers] if kind == "panoptic" else []
    return (*(fingerprint(layer.data) for layer in layers), *classes)
