"""A truth to compare a refinement with, and to fit it to."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.session.refine_job import RefineRequest, RefineResult, TruthLayer
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.run_bar import RunBar

from .change_tables import ChangeTable, TrialTable

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit.evaluation.parameter_search import SearchResult

FIT = (
    "<p>Tries about twenty recipes and takes the one whose labels agree best with the truth: the "
    "highest mean IoU where that is labelled. A few scribbles are enough, but it can only be as "
    "good as what they show.</p>"
)


class RefineTruth(QObject):
    """The truth, what of it counts, what changed against it, and the search; a dock lays them out.

    Parameters
    ----------
    session : Session
        Whose viewer's layers are offered.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    changed : Signal()
        Another truth is chosen, or other pixels of it count.
    found : Signal(object)
        A RefineConfig that a person may want.
    """

    changed = Signal()
    found = Signal(object)

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layer = LayerChoice(session.viewer, "labels", none="none")
        self.meaning = LabelSemantics(self, unlabelled=None)
        self.changes = ChangeTable()
        self.trials = TrialTable()
        self.bar = RunBar(session, "SearchResult to the truth")
        self.bar.copy_button.hide()
        self.bar.button.setToolTip(FIT)
        self.layer.layer_changed.connect(self._on_layer)
        self.meaning.changed.connect(self.changed)
        self.trials.chosen.connect(self.found)
        self.bar.yielded.connect(self._on_trial)
        self.bar.returned.connect(self._on_fit)
        self._on_layer()

    def chosen(self) -> TruthLayer | None:
        """The truth, as it is chosen; None where there is none."""
        layer = self.layer.current_layer()
        return None if layer is None else TruthLayer(layer, self.meaning.value()["unlabelled"])

    def fit(self, order: RefineRequest) -> None:
        """Search, as layers and numbers are now."""
        self.trials.show_trials([])
        self.bar.run(fitting(order.frozen()), f"Fit {order.source.layer.name}")

    def show_outcome(self, outcome: RefineResult) -> None:
        """Show what has changed against the truth."""
        if outcome.before is None or outcome.after is None:
            self.changes.empty()
        else:
            names = outcome.source.classes
            if outcome.objects is not None:
                names = ()
            self.changes.show_change(outcome.before, outcome.after, names)

    def set_reason(self, missing: str | None, method: str | None, start: str | None) -> None:
        """Say why there is nothing to fit; `missing` is why there is nothing to refine."""
        if self.layer.current_layer() is None:
            missing = "Choose a truth to compare with, or to fit the numbers to."
        elif start == "objects":
            missing = "There is nothing to fit for objects that are smoothed one by one."
        elif missing is None and method is None:
            missing = "Nothing to fit: choose how to smooth."
        self.bar.set_reason(missing)

    def _on_layer(self) -> None:
        self.meaning.hold_for(self.layer.current_layer())
        self.changes.empty()
        self.changed.emit()

    def _on_trial(self, trial: Any) -> None:
        self.trials.show_trials([*self.trials.trials, trial])
        self.bar.say(f"{trial.done} of {trial.total}: mean IoU {trial.mean_iou:.4f}")

    def _on_fit(self, fit: "SearchResult") -> None:
        raw, best = fit.trials[0], fit.best
        self.trials.show_trials(fit.trials, best)
        if best.config.method is None:
            most = max(trial.mean_iou for trial in fit.trials if trial.config.method)
            self.bar.say(
                f"Mean IoU {raw.mean_iou:.4f} without smoothing, at most {most:.4f} with it: "
                "Smooth by is none now."
            )
        else:
            self.bar.say(
                f"Mean IoU {best.mean_iou:.4f}, without smoothing {raw.mean_iou:.4f}. The numbers "
                "are set above."
            )
        self.found.emit(best.config)


def fitting(order: RefineRequest) -> Generator[Any, None, "SearchResult"]:
    """Search for the numbers that agree best with the truth; one step a trial."""
    from napari_segkit.evaluation.parameter_search import refinement_trials

    source, truth = order.source.with_classes(), order.truth
    assert truth is not None
    image = order.named() if order.image is not None else None
    more: Any = {"values": source.values, "unlabelled": truth.unlabelled, "device": order.device}
    if image is None:
        more["axes"] = order.named().axes
    maps = source.probabilities()
    return (yield from refinement_trials(maps, image, truth.layer, order.config, **more))
