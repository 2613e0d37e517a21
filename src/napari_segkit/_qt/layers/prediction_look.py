"""How predictions are shown: below the labels that are painted on, in a look that is remembered."""

from typing import NamedTuple

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QSettings

from napari_segkit.images.layer_metadata import LayerMetadata

from .add_layer import add_unselected
from .belonging import is_result, rank_of
from .layer_registry import LayerRegistry

KEY = "predictions_shown_as"
IN_VIEW = "in view"  # kind of a layer that follows what is looked at
KINDS = ("prediction", "refined", "objects", "panoptic", "preview", IN_VIEW)


class Look(NamedTuple):
    """How a Labels layer is drawn."""

    opacity: float
    contour: int  # width of the contours; 0: filled


LOOKS = {"filled": Look(0.4, 0), "contours": Look(0.9, 2)}


def remembered_look() -> str:
    """The name of the look of new predictions."""
    name = str(_settings().value(KEY, "filled"))
    return name if name in LOOKS else "filled"


def choose_look(viewer: ViewerModel, name: str) -> None:
    """Remember a look, and give it to the predictions that have another one of `LOOKS`."""
    _settings().setValue(KEY, name)
    for layer in predictions_in(viewer):
        if (layer.opacity, layer.contour) in LOOKS.values():  # else it is a person's
            dress(layer)


def dress(layer: Labels) -> None:
    """Give a layer the remembered look."""
    layer.opacity, layer.contour = LOOKS[remembered_look()]


def predictions_in(viewer: ViewerModel) -> list[Labels]:
    """The layers of predictions, topmost first."""
    layers = (x for x in reversed(viewer.layers) if isinstance(x, Labels))
    return [x for x in layers if LayerMetadata.of(x).kind in KINDS]


def add_prediction(registry: LayerRegistry, layer: Labels, *, select: bool) -> None:
    """Add a new prediction below the labels of its image that are painted on, if there are any.

    With `select`, it is selected, unless these labels are.
    """
    viewer = registry.viewer
    layers, active = viewer.layers, viewer.layers.selection.active
    painted = _painted_labels(registry, layer, active)
    index = min(map(layers.index, painted), default=len(layers))
    if select and active not in painted:
        layers.insert(index, layer)
    else:
        add_unselected(viewer, layer, index)


def _painted_labels(registry: LayerRegistry, layer: Labels, active: Layer | None) -> list[Labels]:
    """The labels above a prediction's image that are selected, and those last chosen for it."""
    layers = registry.viewer.layers
    image = _image_of(registry, layer)
    if image is None:
        return []
    labels = (active, registry.last_labels_of(image))
    mine = [x for x in labels if isinstance(x, Labels) and x in layers and not is_result(x)]
    above = [x for x in mine if layers.index(x) > layers.index(image)]
    return [x for x in above if rank_of(registry, x, image) is not None]


def _image_of(registry: LayerRegistry, layer: Layer) -> Image | None:
    """The image that a result was made from, perhaps by way of other results."""
    by_id = {str(x.unique_id): x for x in registry.viewer.layers}
    source = by_id.get(LayerMetadata.of(layer).source)
    while source is not None and is_result(source):
        source = by_id.get(LayerMetadata.of(source).source)
    return source if isinstance(source, Image) else None


def _settings() -> QSettings:
    """What this package remembers of its layers."""
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-segkit", "layers"
    )
