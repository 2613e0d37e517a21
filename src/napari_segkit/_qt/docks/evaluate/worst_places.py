"""Table of the largest errors, each of which the canvas is moved to by a click."""

from collections.abc import Sequence

from napari.components import ViewerModel
from napari.layers import Labels
from pandas import DataFrame

from napari_segkit._qt.layers.move_view import show_box
from napari_segkit._qt.widgets.frame_table import FrameTable
from napari_segkit.evaluation.worst_places import ErrorPlace
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.regions import Box

PLACES_TIP = (
    "<p>The largest connected errors: click one to move the view there. Errors thinner than 3 "
    "pixels are listed only where there are no others.</p>"
)
SMALLEST = 40  # pixels of what the canvas is moved to
WIDTHS = (128, 58, 92)  # of columns


class WorstPlaces(FrameTable):
    """Connected errors of an error map, largest first."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(PLACES_TIP, WIDTHS)
        self._viewer = viewer
        self._places: Sequence[ErrorPlace] = ()
        self._layer: Labels | None = None
        self.chosen.connect(self._on_chosen)

    def show_places(
        self, places: Sequence[ErrorPlace], legend: Sequence[LabelClass], layer: Labels
    ) -> None:
        """List places of an error map, which lies where a layer does."""
        self._places, self._layer = places, layer
        names = {c.value: c.name for c in legend}
        columns = {
            "error": [names[place.value] for place in places],
            "pixels": [place.pixels for place in places],
            "at": [centre_text(place.box) for place in places],
        }
        self.show_frame(DataFrame(columns), {c.name: c.color for c in legend})

    def _on_chosen(self, row: int) -> None:
        if self._layer in self._viewer.layers:
            show_box(self._viewer, self._layer, with_surroundings(self._places[row].box))


def with_surroundings(box: Box) -> Box:
    """A box that is not too small to see what is around it; it may begin before the layer does."""
    margins = (max(0, SMALLEST - side.stop + side.start) // 2 for side in box)
    return tuple(slice(s.start - m, s.stop + m) for s, m in zip(box, margins, strict=True))


def centre_text(box: Box) -> str:
    """The pixel in the middle of a box."""
    return ", ".join(str((side.start + side.stop) // 2) for side in box)
