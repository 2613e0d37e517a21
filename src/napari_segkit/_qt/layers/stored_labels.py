"""Labels layers of results in zarr folders, which are read piece by piece."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from napari.layers import Labels

from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.io.zarr.lazy_array import ZarrPixels
from napari_segkit.io.zarr.writer import open_result
from napari_segkit.label_result import LabelResult

from .layer_classes import show_classes
from .layer_registry import LayerRegistry
from .prediction_look import add_prediction, dress
from .snapshots import Snapshot, header_metadata, placement, without_channels
from .uncertainty_layers import show_uncertainty

FOLDER = "folder"  # key of the provenance of such a layer
Levels = list[ZarrPixels]


class StoredLabelsWriter:
    """Shows a result that was written into a zarr folder, once it is complete.

    The layer of a former result in this folder goes. Nothing is painted on the layer.
    """

    def __init__(self, registry: LayerRegistry, source: Snapshot, folder: Path) -> None:
        self._registry, self._source, self._folder = registry, source, folder
        self._labels: Levels = []
        self._uncertainty: Levels = []

    def prepare(self, result: LabelResult) -> None:
        """Open the levels of a complete result."""
        if result.is_partial:
            return
        stored = open_result(self._folder)
        self._labels = self._opened(stored.levels(stored.labels))
        if stored.uncertainty is not None:
            self._uncertainty = self._opened(stored.levels(stored.uncertainty))

    def write(self, result: LabelResult) -> Labels | None:
        """Add the layer, on the window's thread; None if the viewer is closed or it was stopped."""
        viewer = self._registry.viewer
        if viewer is None or not self._labels:
            return None
        for layer in [x for x in viewer.layers if self._is_former(x)]:
            viewer.layers.remove(layer)
        provenance = self._provenance(result)
        record = LayerMetadata(_kind(result), self._source.unique_id, provenance=provenance)
        layer = Labels(
            _pyramid(self._labels),
            name=self._folder.name,
            metadata=record.as_metadata() | header_metadata(self._source),
            **placement(self._source, without_channels(self._source, result.axes)),
        )
        layer.editable = False
        if result.objects is None:
            show_classes(layer, result.classes)
        else:
            layer.features = result.objects.table
        replace(record, classes=result.classes).store(layer)
        dress(layer)
        add_prediction(self._registry, layer, select=True)
        if self._uncertainty:
            show_uncertainty(viewer, layer, _pyramid(self._uncertainty))
        note = f"Written to {self._folder}, shown as the layer {layer.name!r}."
        self._registry.keep_written_note(layer, note)
        return layer

    def _opened(self, levels: Sequence[Any]) -> Levels:
        return [ZarrPixels(array, self._folder, range(array.ndim)) for array in levels]

    def _provenance(self, result: LabelResult) -> dict[str, object]:
        provenance = {**result.provenance, FOLDER: str(self._folder)}
        if result.objects is not None:
            provenance["objects"] = asdict(result.objects.config)
        return provenance

    def _is_former(self, layer: Any) -> bool:
        return LayerMetadata.of(layer).provenance.get(FOLDER) == str(self._folder)


def _kind(result: LabelResult) -> str:
    if result.objects is None:
        return "prediction"
    return "panoptic" if "kind" in result.objects.table else "objects"


def _pyramid(levels: Levels) -> Any:
    return levels if len(levels) > 1 else levels[0]
