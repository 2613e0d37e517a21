"""Ground truth to compare a refinement with, and to fit its settings to."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.jobs.refine import RefineRequest, RefineResult, Truth, fit_job

from .change_tables import ChangeTable, TrialTable

if TYPE_CHECKING:
    from napari_segkit.evaluation.parameter_search import SearchResult, Trial

TRUTH_TIP = "<p>Labels layer with the ground truth; scribbles are enough.</p>"
FIT_TIP = (
    "<p>Try about twenty refinement settings and use those with the highest mean IoU where the "
    "truth is labelled. A few scribbles are enough, but the result can only be as good as they "
    "are.</p>"
)


class RefineTruth(QObject):
    """Truth layer, metrics before and after, and the search; a dock lays out the widgets."""

    changed = Signal()
    config_chosen = Signal(object)  # RefineConfig of the best or a clicked trial

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layer = LayerChoice(session.viewer, "labels", none="none", tooltip=TRUTH_TIP)
        self.semantics = LabelSemantics(self, unlabelled=None)
        self.changes = ChangeTable()
        self.trials = TrialTable()
        self.bar = RunBar(session, "Fit to truth", tooltip=FIT_TIP)
        self.layer.changed.connect(self._on_layer)
        self.semantics.changed.connect(self.changed)
        self.trials.chosen.connect(self.config_chosen)
        self.bar.yielded.connect(self._on_trial)
        self.bar.returned.connect(self._on_fit)
        self._on_layer()

    def chosen(self) -> Truth | None:
        """Copy of the chosen truth, if any."""
        layer = self.layer.value
        return None if layer is None else Truth(snapshot(layer), self.unlabelled)

    @property
    def unlabelled(self) -> int | None:
        """Label value that is left out of the metrics."""
        return self.semantics.value["unlabelled"]

    def fit(self, request: RefineRequest) -> None:
        """Start the search."""
        self.trials.show_trials([])
        self.bar.run(fit_job(request))

    def show_result(self, result: RefineResult) -> None:
        """Show the metrics before and after."""
        if result.before is None or result.after is None:
            self.changes.clear_rows()
        else:
            names = result.classes if result.objects is None else ()
            self.changes.show_change(result.before, result.after, names)

    def set_reason(self, missing: str | None, method: str | None, start: str | None) -> None:
        """Show why the search cannot start; `missing`: why refinement cannot."""
        if self.layer.value is None:
            missing = "Choose a truth layer to compare with or to fit the settings to."
        elif start == "objects":
            missing = "Fitting needs labels or probabilities as input, not objects."
        elif missing is None and method is None:
            missing = "Nothing to fit: choose a smoothing method."
        self.bar.set_reason(missing)

    def _on_layer(self) -> None:
        self.semantics.restore_for(self.layer.value)
        self.changes.clear_rows()
        self.changed.emit()

    def _on_trial(self, trial: "Trial") -> None:
        self.trials.show_trials([*self.trials.trials, trial])
        done = f"{trial.done} of {trial.total}{self.bar.time_left}"
        self.bar.show_status(f"{done}: mean IoU {trial.mean_iou:.4f}")

    def _on_fit(self, fit: "SearchResult") -> None:
        unrefined, best = fit.trials[0], fit.best
        self.trials.show_trials(fit.trials, best)
        if best.config.method is None:
            highest = max(trial.mean_iou for trial in fit.trials if trial.config.method)
            self.bar.show_status(
                f"Mean IoU {unrefined.mean_iou:.4f} without smoothing, at most {highest:.4f} with "
                "smoothing. Smoothing is now off."
            )
        else:
            self.bar.show_status(
                f"Mean IoU {best.mean_iou:.4f}, without smoothing {unrefined.mean_iou:.4f}. The "
                "best settings are set above."
            )
        self.config_chosen.emit(best.config)
