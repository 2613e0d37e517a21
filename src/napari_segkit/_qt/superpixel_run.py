"""From an image layer to a layer of its superpixels, in the background."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit.config import SuperpixelConfig
from napari_segkit.data.images import as_image
from napari_segkit.declare import to_dict

from .layers import write_labels
from .snapshots import Snapshot, snapshot

OPACITY = 0.4
OUTLINES: dict[int | None, str] = {0: "transparent", None: "#ffd92f"}

if TYPE_CHECKING:
    from .session import Session
    from .task import Task


@dataclass(frozen=True)
class Cut:
    """Superpixels, and what they were cut from.

    Parameters
    ----------
    labels : ndarray
        Their numbers.
    source : Snapshot
        The image.
    axes : str
        Of the image.
    provenance : dict
        How they were cut.
    """

    labels: NDArray[Any]
    source: Snapshot
    axes: str
    provenance: dict[str, Any]


def begin(
    session: "Session", image: Any, config: SuperpixelConfig, axes: str | None, mask: Any
) -> "Task":
    """Cut an image in the background; the result becomes a Labels layer.

    Parameters
    ----------
    session : Session
        Where it runs.
    image : napari.layers.Image
        The image.
    config, axes, mask
        As in `superpixels`.

    Returns
    -------
    Task
        The work, already running. Its attribute `delivery` tells when the layer is written.
    """
    source, inside = snapshot(image), None if mask is None else snapshot(mask)
    task = session.run(cutting(source, config, axes, inside), title=f"Superpixels of {source.name}")
    task.delivery = SuperpixelDelivery(task, session)
    return task


def cutting(
    source: Snapshot, config: SuperpixelConfig, axes: str | None, mask: Snapshot | None
) -> Generator[Any, None, Cut]:
    """Cut an image, tile by tile."""
    from napari_segkit.refinement.superpixels import superpixel_tiles

    shape = None if mask is None else mask.data.shape
    image = as_image(source, axes, labels_shape=shape)
    labels = yield from superpixel_tiles(image, config, mask=mask)
    told = {"name": image.name, "axes": image.axes, "shape": list(image.shape)}
    made = {"image": told, "superpixels": to_dict(config)}
    return Cut(labels, source, image.axes, made)


class SuperpixelDelivery(QObject):
    """Writes superpixels to a layer in the image's place.

    Parameters
    ----------
    task : Task
        The work under way; owns this object.
    session : Session
        Whose viewer gets the layer.

    Attributes
    ----------
    written : Signal(object)
        The Labels layer that shows them.
    """

    written = Signal(object)

    def __init__(self, task: "Task", session: "Session") -> None:
        super().__init__(task)
        self._session = session
        task.returned.connect(self._write)

    def _write(self, cut: Cut) -> None:
        viewer = self._session.viewer
        if viewer is None:
            return
        before = set(viewer.layers)
        layer = write_labels(
            viewer,
            cut.source,
            cut.labels,
            classes=(),
            provenance=cut.provenance,
            axes=cut.axes,
            name=f"{cut.source.name} superpixels",
            kind="superpixels",
        )
        if layer not in before:
            layer.contour = 1  # the image, and what is painted, are to be seen inside
            layer.colormap = DirectLabelColormap(color_dict=OUTLINES)
            layer.opacity = OPACITY
        self.written.emit(layer)
