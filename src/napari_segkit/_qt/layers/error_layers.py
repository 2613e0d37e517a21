"""Labels layers that show where a prediction differs from its truth: an error map, contours."""

from collections.abc import Sequence

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_segkit.evaluation.error_map import BLUE, ORANGE
from napari_segkit.images.classes import LabelClass, layer_options
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import AnyArray

from .result_layers import layer_identity
from .snapshots import header_metadata, placement

ERRORS, CONTOURS = "errors", "contours"  # kinds of layers
OPACITY = 0.6
TRUTH_COLOR, PREDICTION_COLOR = BLUE, ORANGE  # as what only the truth, or the prediction, has
TRUTH_WIDTH, PREDICTION_WIDTH = 2, 1  # the prediction is drawn over the truth


def show_errors(
    viewer: ViewerModel,
    prediction: Labels,
    truth: Labels,
    values: AnyArray,
    legend: Sequence[LabelClass],
) -> Labels:
    """Show an error map in the place of its truth, in that of the last one unless it was renamed.

    It cannot be painted on; the layer that is selected stays selected.
    """
    record = LayerMetadata(ERRORS, str(prediction.unique_id), classes=tuple(legend))
    for layer in _own_layers(viewer, ERRORS):
        before = LayerMetadata.of(layer)
        is_same = (before.source, before.classes) == (record.source, record.classes)
        if is_same and layer.data.shape == values.shape:
            layer.data = values
            layer.editable = False  # napari has set it anew
            return layer
    remove_errors(viewer)
    layer = _add(viewer, truth, f"{prediction.name} errors", values, record, legend)
    layer.opacity = OPACITY
    return layer


def remove_errors(viewer: ViewerModel) -> None:
    """Remove the error map, unless it was renamed or copied."""
    for layer in _own_layers(viewer, ERRORS):
        viewer.layers.remove(layer)


def show_contours(viewer: ViewerModel, prediction: Labels, truth: Labels) -> tuple[Labels, Labels]:
    """Draw the contours of a truth, and over them those of a prediction, in a colour each.

    The layers show the very arrays of theirs, which they do not change.
    """
    remove_contours(viewer)
    sides = (
        (truth, "truth", TRUTH_COLOR, TRUTH_WIDTH),
        (prediction, "prediction", PREDICTION_COLOR, PREDICTION_WIDTH),
    )
    shown = []
    for source, role, color, width in sides:
        record = LayerMetadata(CONTOURS, str(source.unique_id))
        layer = _add(viewer, source, f"{source.name}: contours of the {role}", source.data, record)
        layer.colormap = DirectLabelColormap(color_dict={0: "transparent", None: color})
        layer.contour = width
        layer.opacity = 1
        shown.append(layer)
    return shown[1], shown[0]


def remove_contours(viewer: ViewerModel) -> None:
    """Remove what `show_contours` has added."""
    for layer in [x for x in viewer.layers if LayerMetadata.of(x).kind == CONTOURS]:
        viewer.layers.remove(layer)


def _add(
    viewer: ViewerModel,
    like: Labels,
    name: str,
    values: AnyArray,
    record: LayerMetadata,
    legend: Sequence[LabelClass] = (),
) -> Labels:
    """Add a layer in the place of another one, which is not painted on; the selection stays."""
    selected, active = set(viewer.layers.selection), viewer.layers.selection.active
    layer = viewer.add_labels(
        values,
        name=name,
        multiscale=like.multiscale and values is like.data,
        metadata=record.as_metadata() | header_metadata(like),  # the docks read it when it is added
        **layer_options(legend),
        **placement(like),
    )
    layer.editable = False
    LayerMetadata(record.kind, record.source, layer_identity(layer), record.classes).store(layer)
    viewer.layers.selection = selected
    viewer.layers.selection.active = active
    return layer


def _own_layers(viewer: ViewerModel, kind: str) -> list[Layer]:
    """Layers of a kind as they were added: neither renamed nor copied."""
    layers = [(x, LayerMetadata.of(x)) for x in viewer.layers]
    return [x for x, made in layers if made.kind == kind and made.layer == layer_identity(x)]
