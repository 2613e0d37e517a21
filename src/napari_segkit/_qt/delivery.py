"""From an image layer to a prediction layer, in the background."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segkit.config import TileConfig

from .layers import write_labels
from .session import session
from .snapshots import Snapshot, snapshot

if TYPE_CHECKING:
    from .session import Session
    from .task import Task


class Delivery(QObject):
    """Writes a prediction to where it was asked for, whatever the person looks at by then.

    Parameters
    ----------
    task : Task
        The prediction under way; owns this object.
    session : Session
        Whose viewer gets the layer.
    source : Snapshot
        The image, as it was when asked.

    Attributes
    ----------
    written : Signal(object)
        The Labels layer that shows the prediction.
    """

    written = Signal(object)

    def __init__(self, task: "Task", session: "Session", source: Snapshot) -> None:
        super().__init__(task)
        self._session = session
        self._source = source
        self._classes = session.segmenter.classes
        task.returned.connect(self._write)

    def _write(self, prediction: Any) -> None:
        viewer = self._session.viewer
        if viewer is None:
            return
        layer = write_labels(
            viewer,
            self._source,
            prediction.labels,
            classes=self._classes,
            provenance=prediction.provenance,
        )
        self.written.emit(layer)


def predict_layer(
    viewer: Any, image: Any, tile: TileConfig | None = None, *, axes: str | None = None
) -> "Task":
    """Predict an image layer with the session's model; the result becomes a Labels layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose session holds the model.
    image : napari.layers.Image
        The image.
    tile : TileConfig, optional
        As in `Segmenter.predict`.
    axes : str, optional
        As in `Segmenter.predict`.

    Returns
    -------
    Task
        The work, already running. Its attribute `delivery` tells when the layer is written.
    """
    held, source = session(viewer), snapshot(image)
    steps = held.segmenter.predict_tiles(source, tile, axes=axes)
    task = held.run(steps, title=f"Predict {source.name}")
    task.delivery = Delivery(task, held, source)
    return task
