"""Shows a row of a training set in the viewer: its layers, or layers opened from its files."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_segkit._qt.layers.belonging import first_result, is_result
from napari_segkit._qt.layers.layer_classes import read_classes, write_classes
from napari_segkit._qt.layers.result_layers import layer_identity, new_labels
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.training_rows import are_layers, channels_of, row_layers
from napari_segkit._qt.widgets.image_and_labels import first_classes
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.models import predicts_objects
from napari_segkit.training_set import TrainingRow

from .row_files import ReadRow, image_layer

TOOLS = ("selected_label", "brush_size", "opacity", "contour", "mode")  # go on to the next labels


@dataclass(frozen=True, eq=False)
class OpenRow:
    """A row that is shown."""

    row: TrainingRow  # as it was before: its labels are those of the file
    image: AxesImage
    labels: Labels
    fingerprint: str  # of the labels as they were opened
    layers: tuple[Layer, ...]  # that were opened for it
    identities: frozenset[tuple[str, str]]  # of these layers as they were opened

    @property
    def has_opened_labels(self) -> bool:
        """Whether the labels are not a layer of the person's."""
        return any(layer is self.labels for layer in self.layers)


class RowView:
    """Layers of one row at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._labels: Labels | None = None  # shown last

    def show(self, row: TrainingRow, read: ReadRow, rows: Sequence[TrainingRow]) -> OpenRow:
        """Show a row and hide the layers of the others; what is no layer is opened as one."""
        own, before = list(row_layers(row)), {id(x) for x in self._viewer.layers}
        for layer in [layer for other in rows for layer in row_layers(other)]:
            layer.visible = any(layer is x for x in own)
        if are_layers(row.image):
            images = [self._with(unwrapped(x)) for x in channels_of(row.image)]
        else:
            images = [self._opened(image) for image in read.images]
        labels = self._labels_layer(row, read, images[0])
        self._viewer.layers.selection.active = labels
        self._take_over_tools(labels)
        self._viewer.reset_view()
        opened = tuple(x for x in (*images, labels) if id(x) not in before and x not in own)
        identities = frozenset(map(layer_identity, opened))
        return OpenRow(row, read.images[0], labels, read.fingerprint, opened, identities)

    def close(self, opened: OpenRow) -> None:
        """Remove the layers that were opened, but those renamed since; hide results of them."""
        ids = {str(x.unique_id) for x in opened.layers}
        layers = self._viewer.layers
        for layer in filter(is_result, layers):
            origin = LayerMetadata.of(first_result(self._session, layer)).source
            layer.visible = layer.visible and origin not in ids
        for layer in opened.layers:
            if layer in layers and layer_identity(layer) in opened.identities:
                layers.remove(layer)

    @property
    def _viewer(self) -> ViewerModel:
        return unwrapped(self._session.viewer)

    def _opened(self, image: AxesImage) -> Image:
        data, options = image_layer(image)
        return self._viewer.add_image(data, **options)

    def _labels_layer(self, row: TrainingRow, read: ReadRow, image: Image) -> Labels:
        layer = unwrapped(row.labels)
        if isinstance(layer, Layer):
            return self._with(layer)
        layer = new_labels(self._viewer, image, None, read.labels)
        classes = read.classes or self._classes(row)
        if classes and not predicts_objects(self._session.segmenter.spec):
            write_classes(layer, classes)
        return layer

    def _with(self, layer: Layer) -> Layer:
        """A layer of a row, which is added again if it was removed."""
        if layer not in self._viewer.layers:
            self._viewer.layers.append(layer)
        return layer

    def _classes(self, row: TrainingRow) -> Sequence[LabelClass]:
        """Those of the labels shown last, or those of new labels; a file's values are not named."""
        if self._labels is not None:
            return read_classes(self._labels)
        return first_classes() if row.labels is None else ()

    def _take_over_tools(self, labels: Labels) -> None:
        before, self._labels = self._labels, labels
        for tool in TOOLS if before is not None else ():
            setattr(labels, tool, getattr(before, tool))
