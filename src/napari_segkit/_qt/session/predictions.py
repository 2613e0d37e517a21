"""Predictions of image layers as jobs, with what later ones go on with."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QObject

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.live_labels import LiveLabels
from napari_segkit._qt.layers.result_layers import LayerWriter
from napari_segkit._qt.layers.snapshots import Snapshot, at_level, shapes_snapshot, snapshots
from napari_segkit._qt.layers.stored_labels import StoredLabelsWriter
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.jobs.kept_prediction import (
    KeptPrediction,
    PredictionOptions,
    PredictionSettings,
)
from napari_segkit.jobs.predict import ImagePrediction, ImageResult, predict_each, predict_job
from napari_segkit.label_result import LabelResult
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Failure, Finish, Job, Step

from .runner import Runner
from .task import Task


class LayerPrediction:
    """A prediction of image layers, made on the window's thread: its steps and its writer."""

    def __init__(
        self,
        registry: LayerRegistry,
        segmenter: Segmenter,
        image: Image | Mapping[str, Image],
        axes: str | None,
        options: PredictionOptions,
        region: object = None,
    ) -> None:
        copies = _copies(image, options)
        self.source, trained = next(iter(copies.values())), segmenter.trained
        settings = PredictionSettings(
            layers=tuple(x.unique_id for x in copies.values()),
            names=tuple(copies),
            model=repr(segmenter.spec) if trained is None else trained.identity,
            device=segmenter.device,
            axes=axes,
            options=options,
        )
        self.kept = KeptPrediction(settings, registry.prediction_with(settings))
        self.writer = PredictionWriter(registry, self.source, self.kept)
        self.steps: Generator[Step, object, LabelResult] = self.kept.steps(
            segmenter, copies if isinstance(image, Mapping) else self.source, _own_region(region)
        )
        self._registry, self._segmenter = registry, segmenter

    def show_live(self, task: Task) -> None:
        """Show the labels on the canvas while a task predicts them."""
        trained = self._segmenter.trained
        classes = () if trained is None else trained.classes
        live = LiveLabels(self._registry, self.source, self.kept, classes, task)
        task.yielded.connect(live.on_step)
        task.finished.connect(live.remove)


def run_stored(
    runner: Runner,
    segmenter: Segmenter,
    image: Image | Mapping[str, Image],
    axes: str | None,
    options: PredictionOptions,
    region: object,
    folder: Path,
    *,
    overwrite: bool,
) -> Task:
    """Predict image layers into a zarr folder, which is shown when it is complete."""
    copies = _copies(image, options)
    source = next(iter(copies.values()))
    job = predict_job(
        segmenter,
        copies if isinstance(image, Mapping) else source,
        options.tile,
        axes=axes,
        objects=options.objects,
        refine=options.refine,
        config=options.config,
        probabilities=options.probabilities,
        region=_own_region(region),
        cluster=options.cluster,
        out=folder,
        overwrite=overwrite,
    )
    return runner.run(job, writer=StoredLabelsWriter(runner, source, folder))


def _copies(image: Image | Mapping[str, Image], options: PredictionOptions) -> dict[str, Snapshot]:
    return {name: at_level(x, options.level) for name, x in snapshots(image).items()}


def _own_region(region: object) -> object:
    region = unwrapped(region)
    return shapes_snapshot(region) if isinstance(region, Shapes) else region


def run_each(runner: Runner, predictions: Sequence[LayerPrediction]) -> Task:
    """Run predictions one after the other; each is written as soon as it is complete."""
    parts = [ImagePrediction(p.source.name, p.steps, p.writer.prepare) for p in predictions]
    job = Job(f"Predict {len(parts)} images", predict_each(parts), Finish())
    task = runner.run(job)
    task.yielded.connect(_EachWriter(predictions, task).write)
    return task


class _EachWriter(QObject):
    """Writes the results of several predictions as the task sends them."""

    def __init__(self, predictions: Sequence[LayerPrediction], task: Task) -> None:
        super().__init__(task)
        self._predictions = predictions

    def write(self, step: Step) -> None:
        """Write a result; an error is told as one of the prediction."""
        if not isinstance(step, ImageResult):
            return
        prediction, task = self._predictions[step.number], self.parent()
        try:
            layer = prediction.writer.write(step.result)
        except Exception as error:  # noqa: BLE001  the other images are predicted all the same
            task.yielded.emit(Failure(step.done, step.total, error, prediction.source.name))
            return
        if layer is not None:
            task.written.emit(layer)


class PredictionWriter(LayerWriter):
    """Writes a prediction to its layer, and keeps its pixels for a later one to go on with."""

    def __init__(
        self, registry: LayerRegistry, source: Snapshot, prediction: KeptPrediction
    ) -> None:
        super().__init__(registry, source)
        self._kept = prediction

    def prepare(self, result: LabelResult) -> None:
        """As `LayerWriter.prepare`; the layer, which may be painted on, gets pixels of its own."""
        own = replace(result, labels=result.labels.copy()) if self._kept.has_pixels else result
        super().prepare(own)

    def write(self, result: LabelResult) -> Labels | None:
        """As `LayerWriter.write`."""
        layer = super().write(result)
        self._kept.hide()
        if layer is not None and self._kept.has_pixels:
            self._registry.keep_prediction(layer, self._kept)
        return layer
