"""From an image layer to a prediction layer, in the background."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from .layers import write_labels

if TYPE_CHECKING:
    from .session import Session
    from .snapshots import Snapshot
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

    def __init__(self, task: "Task", session: "Session", source: "Snapshot") -> None:
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
            axes=prediction.provenance["image"]["axes"],
        )
        self.written.emit(layer)
