"""Superpixels of an image layer in the background, and their layer."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.result_layers import write_labels
from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import as_image

OPACITY = 0.4
OUTLINES: dict[int | None, str] = {0: "transparent", None: "#ffd92f"}

if TYPE_CHECKING:
    from .task import Task


@dataclass(frozen=True)
class SuperpixelResult:
    """Superpixels and their image."""

    labels: NDArray[Any]
    source: Snapshot  # the image
    axes: str  # of the image
    provenance: dict[str, Any]


def superpixel_steps(
    source: Snapshot, config: SuperpixelConfig, axes: str | None, mask: Snapshot | None
) -> Generator[Any, None, SuperpixelResult]:
    """Compute superpixels, with a step per tile."""
    from napari_segkit.refinement.superpixels.generate import superpixel_tiles

    shape = None if mask is None else mask.data.shape
    image = as_image(source, axes, labels_shape=shape)
    labels = yield from superpixel_tiles(image, config, mask=mask)
    provenance = {
        "image": {"name": image.name, "axes": image.axes, "shape": list(image.shape)},
        "superpixels": to_dict(config),
    }
    return SuperpixelResult(labels, source, image.axes, provenance)


class SuperpixelWriter(QObject):
    """Writes superpixels to a layer in the image's place; owned by the task."""

    written = Signal(object)  # the Labels layer

    def __init__(self, task: "Task", registry: LayerRegistry) -> None:
        super().__init__(task)
        self._registry = registry
        task.returned.connect(self._write)

    def _write(self, result: SuperpixelResult) -> None:
        viewer = self._registry.viewer
        if viewer is None:
            return
        before = set(viewer.layers)
        layer = write_labels(
            viewer,
            result.source,
            result.labels,
            classes=(),
            provenance=result.provenance,
            axes=result.axes,
            name=f"{result.source.name} superpixels",
            kind="superpixels",
        )
        if layer not in before:
            layer.contour = 1  # keeps the image and painted labels visible
            layer.colormap = DirectLabelColormap(color_dict=OUTLINES)
            layer.opacity = OPACITY
        self.written.emit(layer)
