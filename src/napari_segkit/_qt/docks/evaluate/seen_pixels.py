"""The pixels that the model of a prediction was trained on, as far as they can be told."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_segkit._qt.layers.belonging import first_result
from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit.images.axes_image import AxesImage, as_image
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.segmenter import Segmenter

UNKNOWN = "Whether the model was trained on these pixels cannot be told."


class TrainedPixels(NamedTuple):
    """The pixels of an image that a model was trained on; None where that cannot be told."""

    mask: NDArray[np.bool_] | None = None
    problem: str = ""  # why it cannot be told although the model records it


@dataclass(frozen=True)
class Training:
    """The model that made a prediction, its image, and the labels the model was trained on here."""

    labels: frozenset[str] = frozenset()  # `unique_id` and fingerprint of each layer
    identity: str = ""
    model: Segmenter | None = None  # None: it is not in this session
    image: Snapshot | None = None
    axes: str | None = None

    def axes_image(self, shape: tuple[int, ...]) -> AxesImage | None:
        """The image of labels of a shape, as it was predicted."""
        if self.image is None:
            return None
        return as_image(self.image, self.axes, labels_shape=shape)

    def trained_pixels(self, shape: tuple[int, ...]) -> TrainedPixels:
        """The pixels of the image that were trained on."""
        if self.model is None or not self.model.records_training:
            return TrainedPixels()
        try:
            image = self.axes_image(shape)
            return TrainedPixels(None if image is None else self.model.trained_pixels(image))
        except ValueError as error:  # it cannot read the image, such as one of other channels
            return TrainedPixels(None, f"{UNKNOWN} {gui_message(str(error))}")

    def keywords(self, session: Session) -> str:
        """Python code that leaves out what the session's model was trained on; "" of others."""
        own = session.segmenter
        is_own = own.trained is not None and own.trained.identity == self.identity
        if self.image is None or not (is_own and own.records_training):
            return ""
        image = f"viewer.layers[{self.image.name!r}]"
        return f", unseen_by=session(viewer).segmenter, images={image}"


def training_of(session: Session, prediction: Layer | None) -> Training:
    """What is known of the training behind a prediction; of the session's if nothing is."""
    record = {} if prediction is None else LayerMetadata.of(prediction).provenance
    source = (
        "" if prediction is None else LayerMetadata.of(first_result(session, prediction)).source
    )
    own = session.segmenter.trained
    identity = record.get("model", {}).get("id", own.identity if own else "")
    models = [own, *(each.model for each in session.models.all)]
    made_by = next((x for x in models if x is not None and x.identity == identity), None)
    images = (x for x in session.viewer.layers if isinstance(x, Image))
    image = next((x for x in images if str(x.unique_id) == source), None)
    return Training(
        session.training_labels(identity),
        identity,
        None if made_by is None else Segmenter.of_trained(made_by),
        None if image is None else snapshot(image),
        record.get("image", {}).get("axes"),
    )
