"""Which layers are proposed as the prediction and as the truth."""

from napari.layers import Layer

from napari_segkit._qt.layers.belonging import share_image
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.layer_choice import is_prediction, is_superpixels, is_truth
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.layer_metadata import LayerMetadata


def rank_prediction(layer: Layer) -> int | None:
    """Rank as the default prediction, lower is better; None: never."""
    if is_truth(layer) or is_superpixels(layer):
        return None
    return 0 if is_prediction(layer) else 1


def rank_truth(session: Session, prediction: Layer | None, layer: Layer) -> int | None:
    """Rank as the default truth of a prediction, lower is better; None: never."""
    if layer is prediction or is_superpixels(layer):
        return None
    if not _may_be_truth(session, prediction, layer):
        return None
    return 0 if is_truth(layer) else 2 if is_prediction(layer) else 1


def _may_be_truth(session: Session, prediction: Layer | None, layer: Layer) -> bool:
    """Whether a layer is of the image of the prediction, and was not trained on."""
    if str(layer.unique_id) in _training_labels(session, prediction):
        return False
    if prediction is None:
        return True
    same_shape = full_resolution(layer).shape == full_resolution(prediction).shape
    return same_shape and share_image(session, prediction, layer)


def _training_labels(session: Session, prediction: Layer | None) -> frozenset[str]:
    """Those of the model that made the prediction; of the session's if it is unknown."""
    trained = session.segmenter.trained
    made_by = {} if prediction is None else LayerMetadata.of(prediction).provenance
    identity = trained.identity if trained else ""
    return session.training_labels(made_by.get("model", {}).get("id", identity))
