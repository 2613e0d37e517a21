"""From an image layer to a prediction layer, in the background."""

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
    from napari_segkit.inference.tiled import Prediction
    from napari_segkit.instances.results import Objects

    from .task import Task

MEASURED = "extent"  # a column that only `Objects.measured` gives


@dataclass(frozen=True)
class FilteredObjects:
    """Objects, ready to be shown.

    Parameters
    ----------
    objects : Objects
        Those to show.
    before : Objects
        Those they were chosen from.
    labels : ndarray
        Their labels, for the layer alone: a person may paint on it.
    table : DataFrame
        What is known of each.
    total : int
        How many the model has found, before any was left out.
    """

    objects: "Objects"
    before: "Objects"
    labels: NDArray[Any]
    table: "DataFrame"
    total: int

    def __str__(self) -> str:
        """How many of how many, in words."""
        return f"{len(_things(self.table)):,} of {self.total:,} objects kept"


def keep(objects: "Objects", config: "ObjectConfig", *, measured: bool) -> FilteredObjects:
    """Choose among what was found; slow for large images.

    Parameters
    ----------
    objects : Objects
        What was found.
    config : ObjectConfig
        What is to be kept of it.
    measured : bool
        Measure what is kept.
    """
    kept = objects if config == objects.config else objects.filtered(config)
    everything = replace(config, score=0.0, min_size=0.0, max_size=None, border=True)
    found = objects.candidates.select(everything)
    total = len(found.scores) - (0 if found.stuff is None else int(found.stuff.sum()))
    table = kept.measured() if measured else kept.table
    return FilteredObjects(kept, objects, kept.labels.copy(), table, total)


def with_object_tables(
    steps: Generator[Any, None, "Prediction"],
) -> Generator[Any, None, "Prediction"]:
    """The same steps; where objects are found, all that a layer shows of them is made here.

    Parameters
    ----------
    steps : generator
        What `Segmenter.predict_tiles` gives.
    """
    prediction = yield from steps
    objects = prediction.objects
    if objects is None:
        return prediction
    labels, _ = objects.labels.copy(), objects.table  # a person may paint on these labels
    return replace(prediction, labels=labels)


class PredictionWriter(QObject):
    """Writes a prediction to where it was asked for, whatever the person looks at by then.

    Parameters
    ----------
    task : Task
        The prediction under way; owns this object.
    registry : LayerRegistry
        Whose viewer gets the layer.
    source : Snapshot
        The image, as it was when asked.
    classes : tuple of LabelClass
        The classes of the model.

    Attributes
    ----------
    written : Signal(object)
        The Labels layer that shows the prediction.
    """

    written = Signal(object)

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
        made, objects = prediction.provenance, prediction.objects
        shown: dict[str, Any] = {"provenance": made, "axes": made["image"]["axes"]}
        if objects is None:
            viewer, labels = self._registry.viewer, prediction.labels
            layer = write_labels(viewer, self._source, labels, classes=self._classes, **shown)
        else:
            told = objects, prediction.labels, objects.table
            layer = write_objects(self._registry, self._source, *told, **shown)
        self._registry.keep_probabilities(layer, self._maps(prediction))
        self.written.emit(layer)

    def _maps(self, prediction: Any) -> LayerProbabilities | None:
        if prediction.probabilities is None:
            return None
        axes = prediction.provenance["image"]["axes"].replace("C", "")
        return LayerProbabilities(prediction.probabilities, self._classes, axes)


def rewrite(registry: LayerRegistry, layer: Any, kept: FilteredObjects) -> Any:
    """Show other objects where those before were shown, or in a new layer.

    Parameters
    ----------
    registry : LayerRegistry
        Whose viewer it is.
    layer : napari.layers.Labels
        The result so far; it is left alone where a person has painted on it or renamed it.
    kept : FilteredObjects
        What is to be shown.

    Returns
    -------
    napari.layers.Labels
        The layer that shows it, in the place where the one before stands now.
    """
    made = layer.metadata.get("segkit", {})
    image = made.get("image", {}).get("name", layer.name)
    source = replace(snapshot(layer, pixels=False), unique_id=made.get("source", ""), name=image)
    told = kept.objects, kept.labels, kept.table
    return write_objects(
        registry, source, *told, provenance=made, axes=kept.objects.image.label_axes
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
    """Show objects, and remember them with their layer.

    Parameters
    ----------
    registry : LayerRegistry
        Whose viewer it is.
    source : Snapshot
        What they were found in.
    objects : Objects
        Them.
    labels : ndarray
        For the layer alone.
    table : DataFrame
        What is known of each.
    provenance : dict
        How they were found.
    axes : str
        What each dimension of the source's data is.
    name : str, optional
        Of a new layer. None: the source's, and "objects".

    Returns
    -------
    napari.layers.Labels
        The layer that shows them.
    """
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


def _things(table: "DataFrame") -> "DataFrame":
    """Without areas that are no single objects."""
    return table[table["kind"] != "stuff"] if "kind" in table else table
