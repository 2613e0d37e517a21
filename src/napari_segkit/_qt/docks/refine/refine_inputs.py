"""The choice of what is refined, and of the image that it belongs to."""

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QGroupBox

from napari_segkit._qt.layers.probability_layers import KIND
from napari_segkit._qt.session.refine_job import RefineRequest, TruthLayer
from napari_segkit._qt.session.refine_source import is_offered
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.axes_choice import AxesChoice
from napari_segkit._qt.widgets.layer_choice import (
    LayerChoice,
    is_prediction,
    is_superpixels,
    is_truth,
)
from napari_segkit._qt.widgets.stack_choice import SLICES, VOLUME, StackChoice
from napari_segkit.config import RefineConfig

from .refine_start import RefineStart

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

NO_LABELS = "No Labels layer: predict something, or open labels."


class RefineInputs(QObject):
    """Layers and how they are taken; a dock lays them out.

    Parameters
    ----------
    session : Session
        Whose viewer's layers are offered.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    changed : Signal()
        Something else is chosen, painted, or known.
    """

    changed = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        labels_or_maps: dict[str, Any] = {"rank": _as_source, "only": is_offered}
        self.layer = LayerChoice(session.viewer, "labels or image", **labels_or_maps)
        self.start = RefineStart(session, self)
        self.image = LayerChoice(session.viewer, "image", rank=self._as_image)
        self.axes = AxesChoice()
        self.stack = StackChoice(self.axes, flat=lambda: self.start.name == "objects")
        self.layer.layer_changed.connect(self._on_layer)
        self.start.changed.connect(self._on_image)
        self.image.layer_changed.connect(self._on_image)
        self.axes.currentIndexChanged.connect(self.changed)
        self.stack.changed.connect(self.changed)
        self._on_layer()

    def order(
        self, config: RefineConfig, truth: TruthLayer | None = None, *, known: bool = False
    ) -> RefineRequest | None:
        """What is to be refined and how; None where nothing is chosen.

        Parameters
        ----------
        config : RefineConfig
            How.
        truth : TruthLayer, optional
            What the result is compared with.
        known : bool
            Only with classes that are known already; None where they are not.
        """
        source = self.start.known if known else self.start.source()
        if source is None:
            return None
        device = self._session.segmenter.device
        return RefineRequest(
            source, self.image.current_layer(), config, self.stack.resolved(), device, truth
        )

    def missing(self) -> str | None:
        """What is missing or does not fit, in words."""
        if self.layer.current_layer() is None:
            return NO_LABELS
        if self.image.current_layer() is not None and self.axes.problem:
            return self.axes.problem
        order = self.order(RefineConfig())
        try:
            if order is not None:
                order.named()
        except (TypeError, ValueError) as problem:
            return str(problem)
        return self.start.problem

    def code(self, config: str) -> str:
        """The arguments of ``session(viewer).refine`` that say the same."""
        image = self.image.current_layer()
        layers = (
            python_snippets.layer(self.layer.current_layer()),
            python_snippets.layer(image) if image else None,
        )
        more = python_snippets.keywords(**self.start.keywords(), axes=self.stack.named())
        return f"{layers[0]}, {layers[1]}, {config}{more}"

    def show_in(self, group: QGroupBox) -> None:
        """Show its rows of a group that count, and hide the others."""
        form: Any = group.layout()
        plain = self.start.name == "labels"
        for widget, counts in (
            (self.start.certainty, plain),
            (self.start.unlabelled, plain),
            (self.stack, self.stack.counts),
        ):
            widget.setVisible(counts)
            form.labelForField(widget).setVisible(counts)

    def _as_image(self, layer: Any) -> int | None:
        """How well a layer suits as the image: best the one that was predicted."""
        chosen, made = self.layer.current_layer(), layer.metadata.get("segkit", {})
        if layer is chosen or made.get("kind") == KIND:
            return None
        source = chosen.metadata.get("segkit", {}).get("source") if chosen is not None else None
        return 0 if source == str(layer.unique_id) else 1

    def _on_layer(self) -> None:
        layer, trained = self.layer.current_layer(), self._session.segmenter.trained
        flat = layer is not None and is_prediction(layer) and trained and trained.ndim == 2
        self.stack.set_value(SLICES if flat else VOLUME)
        self.image.choose_default()
        self.start.set_layer(layer)

    def _on_image(self) -> None:
        source = self.start.source()
        shape = None if source is None else source.shape
        self.axes.set_image(self.image.current_layer(), labels_shape=shape)
        self.changed.emit()


def _as_source(layer: Any) -> int | None:
    """How well a layer suits as what is refined: a prediction best."""
    if not isinstance(layer, Labels) or is_superpixels(layer):
        return None
    made = layer.metadata.get("segkit", {}).get("kind")
    return 2 if is_truth(layer) or made == "refined" else 0 if is_prediction(layer) else 1
