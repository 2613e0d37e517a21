"""Choice of the layers to measure, of their image and of what is measured."""

from collections.abc import Sequence
from typing import NamedTuple

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.belonging import image_of, rank_of
from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.axes_choice import AxesChoice
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.following import follow_result
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.layer_choice import LayerChoice, is_prediction
from napari_segkit._qt.widgets.place_note import PlaceNote
from napari_segkit._qt.widgets.when_visible import WhenVisible
from napari_segkit.config import MeasureConfig
from napari_segkit.config._schema import to_python
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.geometry import apart
from napari_segkit.images.layer_metadata import LayerMetadata

from .layer_measurement import InputRecord

NO_IMAGE = "no intensities"
ONE, SELECTED, ALL = "this layer", "selected layers", "all Labels layers"
LABELS_TIP = "<p>Labels layer to measure: classes, or ids of objects. No truth is needed.</p>"
IMAGE_TIP = "<p>Image layer whose intensities are measured below the labels.</p>"
LAYERS_TIP = (
    "<p>Measure one layer, the Labels layers selected in the layer list, or all of them, in one "
    "table; each with the image that it belongs to.</p>"
)
NO_LABELS = "No Labels layer: predict an image, or paint or open labels."
NONE_SELECTED = "No Labels layer is selected in the layer list: select some, or choose this layer."
OBJECT_KINDS = ("objects", "panoptic", "superpixels")


class Measured(NamedTuple):
    """A layer to measure, with its image and the axes of that, or of the labels without one."""

    labels: Labels
    image: Image | None
    axes: str | None


class MeasureInputs(QObject):
    """Controls of what is measured, to be laid out by a dock."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        viewer = session.viewer
        self.labels = LayerChoice(viewer, "labels", rank=_rank, tooltip=LABELS_TIP)
        self.follower = follow_result(session, self.labels, lambda _: True)
        self.image = LayerChoice(viewer, "image", none=NO_IMAGE, tooltip=IMAGE_TIP)
        self.axes = AxesChoice(session.chosen_axes)
        self.layers = Choice([(text, text) for text in (ONE, SELECTED, ALL)], tooltip=LAYERS_TIP)
        self.place = PlaceNote(self._apart)
        self.form = Form(MeasureConfig)
        self._update = WhenVisible(parent, self._on_layers)
        self._selection = Listener(self, self._on_selection)
        self._selection.listen([unwrapped(viewer).layers.selection.events.changed])
        self.labels.changed.connect(self._update.request)
        self.image.changed.connect(self._on_image)
        self.axes.changed.connect(self._on_place)
        self.layers.changed.connect(self._on_options)
        self.form.changed.connect(self._on_options)
        self._on_layers()

    def chosen(self) -> list[Measured]:
        """What is measured, in the order of the layer list."""
        pairs = [(layer, self._image_of(layer)) for layer in self._layers_to_measure()]
        return [Measured(layer, image, self._axes_of(layer, image)) for layer, image in pairs]

    def record(self) -> InputRecord:
        """What tells later whether something else was chosen."""
        layers = tuple(
            (str(x.labels.unique_id), "" if x.image is None else str(x.image.unique_id), x.axes)
            for x in self.chosen()
        )
        return InputRecord(layers, self.form.value)

    def missing(self) -> str | None:
        """Message if nothing can be measured."""
        if self.labels.value is None:
            return NO_LABELS
        return (NONE_SELECTED if not self._layers_to_measure() else None) or self.axes.problem

    def code(self) -> str:
        """Python code that measures the same."""
        chosen = self.chosen()
        images = [each.image for each in chosen]
        arguments = [_expression([each.labels for each in chosen])]
        arguments += [_expression(images)] * any(image is not None for image in images)
        settings = to_python(self.form.value).removeprefix("MeasureConfig(").removesuffix(")")
        arguments += [settings] * bool(settings)
        arguments += [f"axes={self.axes.value!r}"] * bool(self.axes.value and len(chosen) == 1)
        return python_snippets.with_import(f"measure({', '.join(arguments)})")

    def _layers_to_measure(self) -> list[Labels]:
        offered = [layer for layer in reversed(self.labels.choices) if layer is not None]
        if self.layers.value == ALL:
            return offered
        if self.layers.value == SELECTED:
            return [x for x in offered if x in self._session.viewer.layers.selection]
        return [] if self.labels.value is None else [self.labels.value]

    def _image_of(self, layer: Labels) -> Image | None:
        """The chosen image; below further layers that which they belong to."""
        if layer is self.labels.value or self.image.value is None:
            return self.image.value
        return image_of(self._session, layer, None)

    def _axes_of(self, layer: Labels, image: Image | None) -> str | None:
        if layer is self.labels.value:
            return self.axes.resolved()
        return self._session.chosen_axes.proposed(layer if image is None else image)

    def _apart(self) -> str | None:
        image, labels = self.image.value, self.labels.value
        both = image is not None and labels is not None
        return apart(image, labels, self.axes.resolved()) if both else None

    def _on_layers(self) -> None:
        """Choose the image and the kind of labels of another layer, unless a person has."""
        labels, image = self.labels.value, self.image.value
        if labels is not None and not self._is_kept(image, labels):
            self.image.suggest(image_of(self._session, labels, image))
        if labels is not None and not self.form.by.by_hand:
            self.form.by.suggest("object" if self._holds_objects(labels) else "class")
        self._on_image()

    def _is_kept(self, image: Image | None, labels: Labels) -> bool:
        """Whether a person chose this image, or none, and it may be that of the labels."""
        fits = image is None or rank_of(self._session, labels, image) is not None
        return self.image.by_hand and fits

    def _holds_objects(self, labels: Labels) -> bool:
        is_known = self._session.objects_of(labels) is not None
        return is_known or LayerMetadata.of(labels).kind in OBJECT_KINDS

    def _on_image(self) -> None:
        labels, image = self.labels.value, self.image.value
        shape = None if labels is None or image is None else full_resolution(labels).shape
        self.axes.set_image(labels if image is None else image, labels_shape=shape)
        self._on_place()

    def _on_place(self) -> None:
        self.place.follow(self.image.value, self.labels.value)
        self.changed.emit()

    def _on_options(self) -> None:
        self.changed.emit()

    def _on_selection(self) -> None:
        if self.layers.value == SELECTED:
            self.changed.emit()


def _rank(layer: Layer) -> int:
    """Rank as the default, lower is better: predictions first."""
    return 0 if is_prediction(layer) else 1


def _expression(layers: Sequence[Layer | None]) -> str:
    """Expression for a layer, or for a list of them."""
    each = ["None" if layer is None else python_snippets.layer(layer) for layer in layers]
    return each[0] if len(each) == 1 else f"[{', '.join(each)}]"
