"""Prediction of an image layer in the background, and its result layer."""

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_registry import LayerProbabilities, LayerRegistry
from napari_segkit._qt.layers.result_layers import write_labels
from napari_segkit._qt.layers.snapshots import snapshot

if TYPE_CHECKING:
    from pandas import DataFrame

    from napari_segkit._qt.layers.snapshots import Snapshot
    from napari_segkit.config import ObjectConfig
    from napari_segkit.images.classes import LabelClass
    from napari_segkit.instances.results import Objects
    from napari_segkit.label_result import LabelResult

    from .task import Task

MEASURED = "extent"  # a column only of `Objects.measured`


@dataclass(frozen=True)
class FilteredObjects:
    """Selected objects, ready to be shown."""

    objects: "Objects"
    before: "Objects"  # that they were selected from
    labels: NDArray[Any]  # owned by the layer
    table: "DataFrame"
    total: int  # predicted by the model

    def __str__(self) -> str:
        return f"{len(_single_objects(self.table)):,} of {self.total:,} objects kept"


def filter_objects(
    objects: "Objects", config: "ObjectConfig", *, measured: bool
) -> FilteredObjects:
    """Select objects, and measure them if `measured`; slow for large images."""
    selected = objects if config == objects.config else objects.filtered(config)
    everything = replace(config, score=0.0, min_size=0.0, max_size=None, border=True)
    candidates = objects.candidates.select(everything)
    total = len(candidates.scores)
    total -= 0 if candidates.stuff is None else int(candidates.stuff.sum())
    table = selected.measured() if measured else selected.table
    return FilteredObjects(selected, objects, selected.labels.copy(), table, total)


def with_object_tables(
    steps: Generator[Any, None, "LabelResult"],
) -> Generator[Any, None, "LabelResult"]:
    """The same steps; labels and table of objects are computed off the GUI thread."""
    prediction = yield from steps
    objects = prediction.objects
    if objects is None:
        return prediction
    labels, _ = objects.labels.copy(), objects.table  # a copy, as the layer may be painted on
    return replace(prediction, labels=labels)


class PredictionWriter(QObject):
    """Writes a prediction to a layer in the image's place; owned by the task."""

    written = Signal(object)  # the Labels layer

    def __init__(
        self,
        task: "Task",
        registry: LayerRegistry,
        source: "Snapshot",
        classes: tuple["LabelClass", ...],
    ) -> None:
        super().__init__(task)
        self._registry = registry
        self._source = source
        self._classes = classes
        task.returned.connect(self._write)

    def _write(self, prediction: Any) -> None:
        if self._registry.viewer is None:
            return
        provenance, objects = prediction.provenance, prediction.objects
        if objects is None:
            layer = write_labels(
                self._registry.viewer,
                self._source,
                prediction.labels,
                classes=self._classes,
                provenance=provenance,
                axes=provenance["image"]["axes"],
            )
        else:
            layer = write_objects(
                self._registry,
                self._source,
                objects,
                prediction.labels,
                objects.table,
                provenance=provenance,
                axes=provenance["image"]["axes"],
            )
        self._registry.keep_probabilities(layer, self._probabilities(prediction))
        self.written.emit(layer)

    def _probabilities(self, prediction: Any) -> LayerProbabilities | None:
        if prediction.probabilities is None:
            return None
        axes = prediction.provenance["image"]["axes"].replace("C", "")
        return LayerProbabilities(prediction.probabilities, self._classes, axes)


def update_objects_layer(registry: LayerRegistry, layer: Any, selected: FilteredObjects) -> Any:
    """Show other objects in the same layer, or a new one if that was edited or renamed."""
    metadata = layer.metadata.get("segkit", {})
    name = metadata.get("image", {}).get("name", layer.name)
    source = replace(snapshot(layer, pixels=False), unique_id=metadata.get("source", ""), name=name)
    return write_objects(
        registry,
        source,
        selected.objects,
        selected.labels,
        selected.table,
        provenance=metadata,
        axes=selected.objects.image.label_axes,
    )


def write_objects(
    registry: LayerRegistry,
    source: "Snapshot",
    objects: "Objects",
    labels: NDArray[Any],
    table: "DataFrame",
    *,
    provenance: dict[str, Any],
    axes: str,
    name: str | None = None,
) -> Any:
    """Show objects in a Labels layer, and store them for the layer."""
    layer = write_labels(
        registry.viewer,
        source,
        labels,
        classes=objects.classes,
        provenance={**provenance, "objects": asdict(objects.config)},
        axes=axes,
        name=name or f"{source.name} objects",
        kind="panoptic" if "kind" in table else "objects",
        table=table,
    )
    registry.keep_objects(layer, objects)
    return layer


def _single_objects(table: "DataFrame") -> "DataFrame":
    """The rows of single objects, without stuff."""
    return table[table["kind"] != "stuff"] if "kind" in table else table
