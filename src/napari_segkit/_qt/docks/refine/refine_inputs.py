"""Choice of the layer to refine and of its image."""

from napari.layers import Labels, Layer
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.belonging import pairing_note, rank_of
from napari_segkit._qt.layers.probability_layers import KIND
from napari_segkit._qt.layers.refine_layers import can_refine
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.axes_choice import SLICES, VOLUME, AxesChoice, StackChoice
from napari_segkit._qt.widgets.dock import Note, show_row
from napari_segkit._qt.widgets.following import follow_result
from napari_segkit._qt.widgets.layer_choice import (
    LayerChoice,
    is_prediction,
    is_superpixels,
    is_truth,
)
from napari_segkit._qt.widgets.when_visible import WhenVisible
from napari_segkit.config import RefineConfig
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.jobs.refine import RefineRequest, Truth

from .refine_start import RefineStart

NO_LABELS = "No Labels layer: predict an image or open labels."
LAYER_TIP = "<p>Labels layer, or Image layer of class probabilities, to refine.</p>"
IMAGE_TIP = "<p>Image whose edges guide the smoothing.</p>"


class RefineInputs(QObject):
    """Input layers and options of a refinement; a dock lays out the widgets."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.layer = LayerChoice(
            session.viewer, "labels or image", rank=_rank_source, only=can_refine, tooltip=LAYER_TIP
        )
        self.start = RefineStart(session, self)
        self.image = LayerChoice(session.viewer, "image", rank=self._rank_image, tooltip=IMAGE_TIP)
        self.follower = follow_result(session, self.layer, lambda layer: _rank_source(layer) == 0)
        self.note = Note()
        self.axes = AxesChoice(session.chosen_axes)
        self.stack = StackChoice(self.axes, flat=lambda: self.start.name == "objects")
        self.layer.changed.connect(WhenVisible(self.layer.native, self._on_layer).request)
        self.start.changed.connect(self._on_image)
        self.image.changed.connect(self._on_image)
        self.axes.changed.connect(self._on_option)
        self.stack.changed.connect(self._on_option)
        self._on_layer()

    def request(
        self,
        config: RefineConfig,
        truth: Truth | None = None,
        *,
        with_classes: bool = False,
        copied: bool = False,
    ) -> RefineRequest | None:
        """Build the request; None without a layer, or without classes read if `with_classes`.

        Later painting changes its labels unless they are `copied`.
        """
        start, image = self.start, self.image.value
        source = start.source_with_classes if with_classes else start.source(copied=copied)
        if source is None:
            return None
        device = self._session.segmenter.device
        pixels = None if image is None else snapshot(image)
        return RefineRequest(source, pixels, config, self.stack.resolved(), device, truth)

    def missing(self) -> str | None:
        """Message if an input is missing or does not fit."""
        if self.layer.value is None:
            return NO_LABELS
        if self.image.value is not None and self.axes.problem:
            return self.axes.problem
        request = self.request(RefineConfig())
        try:
            if request is not None:
                request.axes_image()
        except (TypeError, ValueError) as problem:
            return str(problem)
        return self.start.problem

    def code(self, config: str) -> str:
        """Arguments of ``session(viewer).refine`` as Python code."""
        layer, image = python_snippets.layer(self.layer.value), self.image.value
        guide = python_snippets.layer(image) if image else None
        options = python_snippets.keywords(**self.start.keywords(), axes=self.stack.axes_argument())
        return f"{layer}, {guide}, {config}{options}"

    def show_rows(self) -> None:
        """Show the rows that apply and hide the others."""
        from_labels = self.start.name == "labels"
        show_row(self.start.certainty, from_labels)
        show_row(self.start.unlabelled, from_labels)
        show_row(self.stack, self.stack.is_relevant)

    def _rank_image(self, layer: Layer) -> int | None:
        """Rank as the default image: one that the chosen layer belongs to; None: never."""
        chosen = self.layer.value
        if layer is chosen or LayerMetadata.of(layer).kind == KIND:
            return None
        return 0 if chosen is None else rank_of(self._session, chosen, layer)

    def _on_layer(self) -> None:
        layer, trained = self.layer.value, self._session.segmenter.trained
        flat = layer is not None and is_prediction(layer) and trained and trained.ndim == 2
        self.stack.value = SLICES if flat else VOLUME
        self.image.choose_default()
        self.start.set_layer(layer)

    def _on_option(self) -> None:
        self.changed.emit()

    def _on_image(self) -> None:
        source = self.start.source()
        shape = None if source is None else source.shape
        self.axes.set_image(self.image.value, labels_shape=shape)
        layer, image = self.layer.value, self.image.value
        both = layer is not None and image is not None
        self.note.setText(pairing_note(self._session, layer, image) if both else "")
        self.changed.emit()


def _rank_source(layer: Layer) -> int | None:
    """Rank as the default layer to refine: a prediction is best; None: never."""
    if not isinstance(layer, Labels) or is_superpixels(layer):
        return None
    kind = LayerMetadata.of(layer).kind
    return 2 if is_truth(layer) or kind == "refined" else 0 if is_prediction(layer) else 1
