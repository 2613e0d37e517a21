"""Choice of what is predicted: the layer, the slice, the view, regions, or several layers."""

from enum import Enum

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.layers.view_region import slice_in_view, view_region
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit.images.axes_image import AxesImage

WHERE_TIP = (
    "<p>What is predicted. A part goes to the same layer as the parts predicted before, so that "
    "view after view fills it.</p>"
)
SHAPES_TIP = "<p>Shapes layer: what lies inside its rectangles, ellipses and polygons.</p>"
DRAW = "Draw regions in a Shapes layer first: rectangles, ellipses or polygons."


class Place(Enum):
    """What is predicted."""

    LAYER = "Whole layer"
    SLICE = "This slice"
    VIEW = "In view"
    FOLLOW = "As I look (follows the view)"
    REGIONS = "Inside regions"
    SELECTED = "Selected images"
    FILES = "Files …"


TIPS = {
    Place.LAYER: "All of the image.",
    Place.SLICE: "The slice at the sliders; of a model of volumes, the volume there.",
    Place.VIEW: "What the canvas shows of the slice at the sliders; in 3D all that is displayed.",
    Place.FOLLOW: "Whatever is in view, wherever you look: for images too large to predict.",
    Place.REGIONS: "What lies inside the shapes of a Shapes layer.",
    Place.SELECTED: "All Image layers that are selected in the layer list, one after the other.",
    Place.FILES: "Image files, a folder with its sub-folders, a pattern or a list, into a folder.",
}


class WhereChoice(QWidget):
    """Choose what is predicted of an image layer."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        choices = [(place.value, place) for place in Place]
        self.place = Choice(choices, tooltip=WHERE_TIP, tips=TIPS.values())
        self.shapes = LayerChoice(session.viewer, "shapes", tooltip=SHAPES_TIP)
        self.note = Note()
        stack(self, self.place, self.shapes, self.note)
        self.place.changed.connect(self._on_place)
        self.shapes.changed.connect(lambda _: self.changed.emit())
        self._selection = Listener(self, self._on_selection)
        self._selection.listen([unwrapped(session.viewer).layers.selection.events.changed])
        self._on_place()

    @property
    def images(self) -> list[Image]:
        """The selected images, in the order of the layer list."""
        layers = self._session.viewer.layers
        return [x for x in layers if isinstance(x, Image) and x in layers.selection]

    @property
    def is_several(self) -> bool:
        """Whether the selected images are predicted."""
        return self.place.value is Place.SELECTED

    @property
    def is_files(self) -> bool:
        """Whether files are predicted."""
        return self.place.value is Place.FILES

    @property
    def follows(self) -> bool:
        """Whether what is in view is predicted, wherever a person looks."""
        return self.place.value is Place.FOLLOW

    @property
    def is_one_result(self) -> bool:
        """Whether a result of the chosen image is predicted, of all or a part of it."""
        return not (self.is_several or self.is_files or self.follows)

    def region(self, layer: Image, image: AxesImage, ndim: int) -> object:
        """The region of an image layer, as predictions take it; None: all of it.

        ValueError if there is none.
        """
        viewer = self._session.viewer
        if self.place.value is Place.SLICE:
            return slice_in_view(viewer, layer, image, ndim) or None
        if self.place.value is Place.VIEW:
            return view_region(viewer, layer, image)
        if self.place.value is not Place.REGIONS:
            return None
        if self.shapes.value is None or not len(self.shapes.value.data):
            raise ValueError(DRAW)
        return self.shapes.value

    def _on_place(self) -> None:
        self.shapes.native.setVisible(self.place.value is Place.REGIONS)
        self._on_selection()

    def _on_selection(self) -> None:
        names = ", ".join(image.name for image in self.images) or "no image"
        self.note.setText(f"Selected: {names}." if self.is_several else "")
        self.changed.emit()
