"""The prediction of what is in view, in a temporary layer."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import prod
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.box_labels import BoxLabels
from napari_segkit._qt.layers.prediction_look import predictions_in
from napari_segkit._qt.layers.snapshots import Snapshot, at_level, snapshot
from napari_segkit._qt.layers.view_region import Index, view_region
from napari_segkit._qt.session.session import Session
from napari_segkit.config import PredictConfig, RefineConfig
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution, without_pixels
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.levels import level_like
from napari_segkit.images.regions import union
from napari_segkit.images.types import AnyArray
from napari_segkit.jobs.kept_prediction import (
    KeptPrediction,
    PredictionOptions,
    PredictionSettings,
)
from napari_segkit.models import model_info
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Failure, Step

if TYPE_CHECKING:
    from napari_segkit._qt.session.task import Task
    from napari_segkit.inference.sink import NewestSink
    from napari_segkit.models.pixels.classifier import PixelClassifier
    from napari_segkit.trained_model import TrainedModel

MAX_PIXELS = 2**22  # of a view that is predicted unasked
COARSE_FROM = 2**19  # pixels of a view that the pixel classifier predicts coarsely first
REDRAW_SECONDS = 0.2  # between two drawings of a prediction that is not complete


@dataclass(frozen=True, eq=False)
class PredictedView:
    """Labels of a part of an image, and how much of it is of each class."""

    labels: AnyArray
    start: tuple[int, ...]
    shares: dict[int, float]  # by label value; of objects by id


@dataclass(frozen=True)
class CoarseStep(Step):
    """A view is predicted coarsely; the pixels follow."""

    view: PredictedView
    is_event: ClassVar[bool] = True


class ViewPreview(QObject):
    """Predicts what is in view of an image with one model after the other, one at a time.

    The pixels of an earlier model stay until those of a newer one come.
    """

    shown = Signal(object)  # PredictedView: a whole one
    failed = Signal(object)  # the exception
    finished = Signal()  # of a prediction, for whatever reason

    def __init__(
        self, session: Session, image: Image, labels: Labels, axes: str, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._layer = session, image
        self.level = level_like(image, full_resolution(labels).shape)
        config = PredictConfig(level=self.level)
        self._options = PredictionOptions(refine=RefineConfig(), config=config)
        self._source: Snapshot = at_level(snapshot(image), self.level)
        self._image = without_pixels(as_image(image, axes, level=self.level))
        self._sink: NewestSink | None = None
        self._model: TrainedModel | None = None  # that predicted last
        self._prediction: KeptPrediction | None = None
        self._box: BoxLabels | None = None
        self._task: Task | None = None
        self._drawn = 0.0
        self._hidden: list[Labels] = []  # earlier predictions, which would show through

    @property
    def is_busy(self) -> bool:
        """Whether a prediction runs, perhaps of another image before."""
        return self._session.beside is not None

    def view(self) -> Index:
        """What is in view; ValueError if it is nothing of the image."""
        return view_region(self._session.viewer, self._layer, self._image)

    def is_large(self, view: Index) -> bool:
        """Whether a view has so many pixels that it is predicted only if it is asked for."""
        return self._pixels(view) > MAX_PIXELS

    def _pixels(self, view: Index) -> int:
        return prod(_length(view, axis, self._image) for axis in self._image.label_axes)

    def predict(self, model: "TrainedModel", view: Index) -> None:
        """Predict a view in the background; what this model has predicted already is kept."""
        from napari_segkit.inference.sink import NewestSink

        segmenter = Segmenter(model.spec, device=self._session.segmenter.device)
        segmenter.trained = model
        self._sink = self._sink or NewestSink()
        settings = PredictionSettings(
            layers=(self._source.unique_id,),
            names=(self._source.name,),
            model=model.identity,
            device=segmenter.device,
            axes=self._image.axes,
            options=self._options,
        )
        self._prediction = KeptPrediction(settings, sink=self._sink)
        if self._box is None:
            name = f"{self._source.name} (live)"
            classes = () if model.predicts_objects else model.all_classes
            self._box = BoxLabels(self._session, self._source, name, classes)
            self._hide_earlier()
        first = self._coarse_segmenter(model, view)
        steps = view_steps(self._prediction, segmenter, self._source, view, first)
        self._task = task = self._session.run_beside(steps)
        task.yielded.connect(self._on_step)
        task.returned.connect(self._on_returned)
        task.errored.connect(self.failed)
        task.finished.connect(self._on_finished)

    def show_again(self) -> None:
        """Show the next prediction in a new layer if a person has removed the last one."""
        if self._box is not None and self._box.is_closed:
            self._box = None

    def interrupt(self) -> None:
        """Leave the prediction that runs after its batch of tiles."""
        if self._task is not None:
            self._task.stop()

    def close(self) -> None:
        """Leave the prediction, remove the layer and show earlier predictions again."""
        self.interrupt()
        if self._box is not None:
            self._box.remove()
        for layer in self._hidden:
            layer.visible = True
        self._hidden.clear()

    def _hide_earlier(self) -> None:
        own = self._source.unique_id
        for layer in predictions_in(self._session.viewer):
            if layer.visible and LayerMetadata.of(layer).source == own:
                layer.visible = False
                self._hidden.append(layer)

    def _coarse_segmenter(self, model: "TrainedModel", view: Index) -> Segmenter | None:
        """What predicts a view coarsely first, where that is worth it; it goes to the same sink."""
        is_new, self._model = model is not self._model, model
        is_slow = self._pixels(view) >= COARSE_FROM
        if not (is_new and is_slow and model_info(model.spec.name).training == "pixels"):
            return None
        segmenter = Segmenter(model.spec, device=self._session.segmenter.device)
        other = {**model.provenance, "id": f"{model.identity} coarse"}
        network = cast("PixelClassifier", model.network).coarser()
        segmenter.trained = replace(model, network=network, provenance=other)
        return segmenter

    def _on_step(self, step: Step) -> None:
        if isinstance(step, Failure):
            self.failed.emit(step.error)
        elif isinstance(step, CoarseStep):
            self._on_returned(step.view)
        elif monotonic() - self._drawn >= REDRAW_SECONDS and self._prediction is not None:
            labels, box = self._prediction.labels(), self._prediction.box()
            if labels is not None and box is not None:
                self._draw(labels[box], [side.start for side in box])

    def _on_returned(self, view: PredictedView) -> None:
        self._draw(view.labels, view.start)
        self.shown.emit(view)

    def _draw(self, labels: AnyArray, start: Sequence[int]) -> None:
        if self._box is not None:
            self._box.show(labels, start, self._image.axes)
            self._drawn = monotonic()

    def _on_finished(self) -> None:
        self._task = None
        self.finished.emit()


def view_steps(
    prediction: KeptPrediction,
    segmenter: Segmenter,
    source: Snapshot,
    view: Index,
    first: Segmenter | None = None,
) -> Generator[Step, object, PredictedView]:
    """Predict a view, and measure how much of it is of each class; coarsely `first`."""
    if first is not None:
        coarse = yield from _predicted_view(prediction, first, source, view)
        yield CoarseStep(0, 1, coarse)
    return (yield from _predicted_view(prediction, segmenter, source, view))


def _predicted_view(
    prediction: KeptPrediction, segmenter: Segmenter, source: Snapshot, view: Index
) -> Generator[Step, object, PredictedView]:
    result = yield from prediction.steps(segmenter, source, view)
    assert prediction.region is not None
    box = union([part.box for part in prediction.region.parts])
    labels = result.labels[box].copy()
    values, counts = np.unique(labels, return_counts=True)
    shares = dict(zip(values.tolist(), (counts / labels.size).tolist(), strict=True))
    return PredictedView(labels, tuple(side.start for side in box), shares)


def describe_shares(view: PredictedView, model: "TrainedModel") -> str:
    """Such as "In view: nucleus 12 %, background 88 %", or how many objects there are."""
    if model.predicts_objects:
        count = sum(1 for value in view.shares if value != 0)
        return f"In view: {count} objects" if count != 1 else "In view: 1 object"
    return f"In view: {', '.join(_share(c, view.shares) for c in model.all_classes)}"


def _share(label_class: LabelClass, shares: dict[int, float]) -> str:
    return f"{label_class.name} {100 * shares.get(label_class.value, 0):.3g} %"


def _length(view: Index, axis: str, image: AxesImage) -> int:
    chosen = view.get(axis, slice(0, image.length(axis)))
    return chosen.stop - chosen.start if isinstance(chosen, slice) else 1
