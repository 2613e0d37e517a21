"""Dock that evaluates a prediction against ground truth."""

from functools import partial

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.snapshots import shared_snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Dock, Note
from napari_segkit._qt.widgets.following import follow_result
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.layer_choice import (
    LayerChoice,
    is_prediction,
)
from napari_segkit._qt.widgets.place_note import PlaceNote
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit._qt.widgets.when_visible import WhenVisible, catch_up
from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.class_map import class_map_text
from napari_segkit.evaluation.left_out import ONLY_SEEN
from napari_segkit.images.geometry import apart

from .errors_panel import ErrorsPanel
from .layer_evaluation import (
    MARK,
    EvaluationRequest,
    EvaluationResult,
    evaluate_layers,
    fingerprints,
)
from .layer_ranks import rank_prediction, rank_truth
from .live_evaluation import LiveEvaluation
from .metrics_choice import COLUMNS as SEMANTIC_COLUMNS
from .metrics_choice import MetricsChoice
from .metrics_figure import MetricsFigure
from .metrics_table import MetricsTable
from .pixels_choice import PixelsChoice
from .seen_pixels import training_of

PREDICTION_TIP = "<p>Labels layer to evaluate.</p>"
TRUTH_TIP = "<p>Labels layer with the ground truth.</p>"
TABLE_TIP = "<p>Copy all metrics to the clipboard as CSV, for a spreadsheet.</p>"
EVALUATE_TIP = "<p>Compute the metrics of the prediction against the truth.</p>"

NO_LABELS = "No Labels layer: predict an image and open its ground truth."
COUNT_SEEN = "Count all pixels"
OPTIONS_CHANGED = "Out of date: the options have changed."
OTHER_LAYERS = "Out of date: other layers are chosen."
LAYER_CHANGED = "Out of date: a layer has changed."
NO_TRUTH = (
    "No truth of this image: open it, or choose a layer. Labels of the training are taken only if "
    "chosen."
)


class EvaluateDock(Dock):
    """Compare two Labels layers by classes, objects or panoptic segments."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.result: EvaluationResult | None = None
        viewer = self.viewer
        self.prediction = LayerChoice(
            viewer, "labels", rank=rank_prediction, tooltip=PREDICTION_TIP
        )
        self.follower = follow_result(
            self.session, self.prediction, lambda layer: rank_prediction(layer) == 0
        )
        self.truth = LayerChoice(viewer, "labels", rank=self._rank_truth, tooltip=TRUTH_TIP)
        self.place = PlaceNote(lambda: apart(*self._chosen_layers()))
        self.metrics = MetricsChoice(self)
        self.pixels = PixelsChoice(self.session, self, self._may_be_region)
        self.live = LiveEvaluation(self, self._layers_to_follow, self._request)
        self.table = MetricsTable()
        self.figure = MetricsFigure(self.viewer)
        self.summary = Note()
        self.table_button = QPushButton("Copy table", toolTip=TABLE_TIP)
        self.bar = RunBar(
            self.session, "Evaluate", tooltip=EVALUATE_TIP, unit="Part", code=self.code
        )
        self.errors = ErrorsPanel(self.session, self._request)
        self._edited = False
        self._problem: str | None = None  # why it is unknown whether a layer was edited
        self._layers = WhenVisible(self, self._on_layers)
        self._watches = LayerWatcher(self.viewer, self), LayerWatcher(self.viewer, self)
        self._fingerprints = LatestCall(self, wait_ms=200)
        self._lay_out()
        self._connect()
        self._on_layers()

    def evaluate(self) -> None:
        """Evaluate the chosen layers in the background."""
        catch_up(self)
        if self._missing():
            return
        self.metrics.show_remedies()
        self.live.cancel()
        self.bar.run(evaluate_layers(self._request()))

    def code(self) -> str:
        """Python code that does the same as the button."""
        catch_up(self)
        arguments = ", ".join(map(python_snippets.layer, self._chosen_layers()))
        training = training_of(self.session, self.prediction.value)
        seen = training.keywords(self.session) if self.pixels.seen.value else ""
        keywords = f"{self.metrics.keywords()}{self.pixels.keywords()}{seen}"
        return python_snippets.with_import(f"evaluate({arguments}{keywords})")

    def csv(self) -> str:
        """Metrics table as CSV with a header line."""
        if self.result is None:
            return ""
        table = self.result.report.table()
        marked = table.assign(data="training") if self.result.on_training_data else table
        return marked.to_csv(index=False)

    def set_prediction(self, layer: Layer) -> None:
        """Choose the prediction, unless pinned; the truth becomes another layer."""
        if not self.follower.pin.isChecked():
            self.prediction.suggest(layer)

    @property
    def stale(self) -> str | None:
        """Message if the metrics no longer match the layers and options."""
        if self.result is None:
            return None
        key = self._key()
        if self.result.key != key:
            changed = OPTIONS_CHANGED if self.result.key[0] == key[0] else OTHER_LAYERS
        elif self._edited:
            changed = LAYER_CHANGED
        else:
            return self._problem
        return f"{changed} {'Computing …' if self.live.is_busy else 'Press Evaluate again.'}"

    def _key(self) -> tuple[object, ...]:
        """Differs where other metrics are asked for."""
        layers = tuple(str(getattr(x, "unique_id", "")) for x in self._chosen_layers())
        return layers, self.metrics.value, self.pixels.key

    def _request(self) -> EvaluationRequest:
        """What is chosen, for a worker."""
        prediction, truth = self.prediction.value, self.truth.value
        return EvaluationRequest(
            shared_snapshot(prediction),
            shared_snapshot(truth),
            self.metrics.value,
            self._key(),
            self.pixels.region_snapshot(),
            training_of(self.session, prediction),
            self.pixels.seen.value,
        )

    def _layers_to_follow(self) -> list[Layer]:
        """The layers that the metrics follow; none if nothing can be compared."""
        return [] if self._missing() else [x for x in self._chosen_layers() if x is not None]

    def _chosen_layers(self) -> tuple[Layer | None, Layer | None]:
        return self.prediction.value, self.truth.value

    def _may_be_region(self, layer: Layer) -> bool:
        return layer not in self._chosen_layers() and not is_prediction(layer)

    def _rank_truth(self, layer: Layer) -> int | None:
        return rank_truth(self.session, self.prediction.value, layer)

    def _lay_out(self) -> None:
        self.add_group(
            "Layers to compare",
            prediction=self.follower,
            truth=self.truth,
            _place=self.place,
            kind=self.metrics.kind,
            unlabelled=self.metrics.semantics.unlabelled,
            labels_are=self.metrics.semantics.labels_are,
            region=self.pixels.region,
            trained_pixels=self.pixels.seen,
        )
        self.add_group(
            "Metrics",
            show=self.metrics.columns,
            _table=self.table,
            _readout=self.summary,
            _figure=self.figure,
            _copy=self.table_button,
        )
        self.add_group("Errors", _errors=self.errors)
        self.footer.addWidget(self.live.switch)
        self.footer.addWidget(self.bar)
        self.footer.addWidget(self.metrics.remedies)

    def _connect(self) -> None:
        self.prediction.changed.connect(self._on_prediction)
        self.session.segmenter_changed.connect(self._on_prediction)  # other training labels
        self.truth.changed.connect(self._layers.request)
        for watch in self._watches:
            watch.painted.connect(self._on_edited)
            watch.redrawn.connect(self._on_redrawn)
        self._fingerprints.returned.connect(self._on_fingerprints)
        self._fingerprints.errored.connect(self._on_unknown)
        self.errors.found.connect(self.state.request)
        self.errors.listed.connect(partial(self.scroll.ensureWidgetVisible, self.errors))
        self.metrics.changed.connect(self._on_choice)
        self.pixels.changed.connect(self._on_choice)
        self.live.returned.connect(self._on_result)
        self.live.errored.connect(self._on_live_error)
        self.live.changed.connect(self.state.request)
        self.metrics.features_changed.connect(self._on_redrawn)
        self.metrics.remedy_applied.connect(self._on_remedy)
        self.table_button.clicked.connect(self._on_copy_table)
        self.bar.pressed.connect(self.evaluate)
        self.bar.returned.connect(self._on_result)
        self.bar.errored.connect(self._on_error)

    def _on_prediction(self) -> None:
        self.truth.choose_default()  # never the prediction
        self._layers.request()

    def _on_layers(self) -> None:
        for watch, choice in zip(self._watches, (self.prediction, self.truth), strict=True):
            watch.watch(choice.value)
        self.metrics.restore_for(*(watch.layer for watch in self._watches))
        self.place.follow(*self._chosen_layers())
        self.pixels.region.reset_choices()  # neither of these
        self.errors.set_layers(*self._chosen_layers())
        self._on_redrawn()
        self._on_choice()

    def _on_choice(self) -> None:
        """Follow what is chosen, unless that is shown already."""
        if self.result is None or self.stale:
            self.live.update()
        self.state.request()

    def _on_edited(self) -> None:
        self._edited = True
        self.live.update()
        self._on_redrawn()
        self.state.request()

    def _on_redrawn(self) -> None:
        """Compare fingerprints in the background: an undo may have restored the layer."""
        prediction, truth = (watch.layer for watch in self._watches)
        if self.result is not None and prediction is not None and truth is not None:
            self._fingerprints.submit(
                partial(fingerprints, prediction, truth, self.result.options.kind)
            )

    def _on_fingerprints(self, current: tuple[str, ...]) -> None:
        self._problem = None
        before = self._edited
        self._edited = self.result is not None and current != self.result.fingerprints
        if self._edited and not before:
            self.live.update()
        self.state.request()

    def _on_unknown(self, error: BaseException) -> None:
        """Say that the metrics may be out of date."""
        self._problem = error_text(error, "Comparing the layers")
        self.state.request()

    def _on_result(self, result: EvaluationResult) -> None:
        self.result = result
        self.bar.show_status("")
        proposed = result.class_map
        answer = partial(self.metrics.use_class_map, proposed)
        texts = {f"Take {class_map_text(proposed)} of the truth": answer} if proposed else {}
        self.metrics.show_remedies(others=texts)
        self._edited, self._problem = False, None
        self.errors.search()
        self._on_redrawn()
        self.state.request()

    def _on_error(self, error: BaseException) -> None:
        is_seen = ONLY_SEEN in getattr(error, "remedies", ())
        self.metrics.show_remedies(error, {COUNT_SEEN: self._count_seen} if is_seen else {})

    def _count_seen(self) -> None:
        self.pixels.seen.value = False
        self._on_remedy()

    def _on_live_error(self, error: BaseException) -> None:
        """Say what keeps the metrics from following, where the button says it."""
        self._on_error(error)
        self.bar.show_status(error_text(error, "Evaluate"))
        self.state.request()

    def _on_remedy(self) -> None:
        if self.bar.reason is None and not self.bar.is_running:
            self.evaluate()

    def _on_copy_table(self) -> None:
        python_snippets.copy(self.csv())
        self.bar.show_status("Table copied to the clipboard as CSV.")

    def _missing(self) -> str | None:
        """Message if evaluation cannot start."""
        layers = self._chosen_layers()
        if None in layers:
            return NO_TRUTH if layers[0] else NO_LABELS
        if layers[0] is layers[1]:
            return "Prediction and truth are the same layer: choose two different layers."
        return self.pixels.problem

    def _columns(self, options: EvaluateConfig) -> str:
        """Those that are asked for, if the result has them."""
        shown = self.metrics.shown
        if options.kind != "semantic":
            return options.kind
        is_there = shown in SEMANTIC_COLUMNS and (shown != "distances" or options.distances)
        return shown if is_there else "overlap"

    def _update_state(self) -> None:
        stale = self.stale
        self.bar.set_reason(self._missing())
        self.errors.set_state(self._missing(), stale=stale is not None)
        self.table_button.setEnabled(self.result is not None and stale is None)
        if self.result is not None:
            self.table.show_report(
                self.result.report,
                columns=self._columns(self.result.options),
                stale=stale is not None,
                mark=MARK * self.result.on_training_data,
                unit=self.result.unit,
            )
            self.figure.show_report(self.result.report, stale=stale is not None)
            self.summary.setText("\n".join(filter(None, [stale, self.result.text])))
