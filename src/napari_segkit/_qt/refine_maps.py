"""Probabilities of classes: whether they are kept, and as layers."""

import weakref
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import Colormap
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from .fields import BoolField
from .known import ClassMaps
from .proxies import unwrapped
from .snapshots import placement

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session

KIND = "probability"
KEEP = (
    "<p>Remember how likely each class is at each pixel of the next prediction, for Refine: four "
    "bytes for each pixel and class, for as long as there is its layer.</p>"
)
SHOW = "An Image layer for each class, in its colour, of the last prediction that kept them."


class MapsRow(QWidget):
    """Keep the probabilities of the next prediction, or show those of the last.

    Parameters
    ----------
    session : Session
        Where they are kept.

    Attributes
    ----------
    said : Signal(str)
        A sentence about what has happened.
    """

    said = Signal(str)

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self._session = session
        self._layer: Callable[[], Any] = lambda: None
        self.keep = BoolField()
        self.button = QPushButton("Show as layers")
        self.keep.setText("Keep probabilities")
        self.keep.setToolTip(KEEP)
        self.button.setToolTip(SHOW)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.keep, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.show_layers)
        session.probabilities_changed.connect(self._on_probabilities)
        session.viewer.layers.events.removed.connect(self._update_state)
        self._update_state()

    def show_layers(self) -> None:
        """Add or update the layers of the last probabilities."""
        layer = self._layer()
        maps = None if layer is None else self._session.probabilities_of(layer)
        if maps is not None:
            shown = show_maps(self._session.viewer, layer, maps)
            self.said.emit(f"{len(shown)} layers of probabilities.")

    def _on_probabilities(self, layer: Any) -> None:
        self._layer = weakref.ref(layer)
        self._update_state()

    def _update_state(self) -> None:
        if not isalive(self):
            return
        layer, viewer = self._layer(), self._session.viewer
        there = layer is not None and viewer is not None and layer in viewer.layers
        self.button.setEnabled(there and self._session.probabilities_of(layer) is not None)


def show_maps(viewer: Any, layer: Any, kept: ClassMaps) -> list[Any]:
    """Show the probabilities behind a layer, each class in an Image layer of its colour.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to show them.
    layer : napari.layers.Labels
        The prediction.
    kept : ClassMaps
        Its probabilities.

    Returns
    -------
    list of napari.layers.Image
        In the order of the classes; those that show the same already are updated.
    """
    viewer, shown = unwrapped(viewer), stack_of(viewer, str(layer.unique_id))
    for known, pixels in zip(kept.classes, kept.maps, strict=True):
        if known.value in shown:
            shown[known.value].data = pixels
            continue
        made = {"kind": KIND, "source": str(layer.unique_id), "value": known.value}
        made |= {"name": known.name, "color": known.color, "axes": kept.axes}
        shown[known.value] = viewer.add_image(
            pixels,
            name=f"{layer.name}: {known.name}",
            colormap=Colormap(["#000000", known.color], name=f"to {known.color}"),
            contrast_limits=(0, 1),
            blending="additive",
            metadata={"segkit": made},
            **placement(layer),
        )
    return [shown[known.value] for known in kept.classes]


def stack_of(viewer: Any, source: str) -> dict[int, Any]:
    """The layers that show the probabilities behind a layer, by the value of their class.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers they are.
    source : str
        The ``unique_id`` of the prediction.
    """
    found = {}
    for layer in unwrapped(viewer).layers:
        made = layer.metadata.get("segkit", {})
        if (made.get("kind"), made.get("source")) == (KIND, source):
            found[made["value"]] = layer
    return dict(sorted(found.items()))
