"""Score a model on images that it was not trained on, while it is trained."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from .config import TrainConfig
from .evaluation.report import evaluate
from .images.labels import IGNORE
from .images.types import AnyArray
from .inference import predict_tiles_of
from .inference.request import PredictRequest
from .steps import drain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .trained_model import TrainedModel
    from .training.dataset import LabelledImage

NOT_ANNOTATED = np.iinfo(np.int32).max  # stands for object id -1, as metrics take no negative ids


def score(
    pairs: "Sequence[LabelledImage]",
    config: TrainConfig,
    device: torch.device,
    model: "TrainedModel",
) -> float:
    """Mean Dice of the classes, or F1 of the objects at IoU 0.5, of all images together.

    Parameters
    ----------
    pairs : sequence of (AxesImage, ndarray)
        Images in the orientation of the training images, and their class values or object ids.
    config : TrainConfig
        Which value means unlabelled.
    device : device
        Where to predict.
    model : TrainedModel
        The model, on the device.

    Returns
    -------
    float
        The score, from 0 to 1; more is better.
    """
    predict_tiles = predict_tiles_of(model)
    requests = (PredictRequest(model, image, device=device) for image, _ in pairs)
    predictions = [drain(predict_tiles(request)).labels for request in requests]
    truths = [truth for _, truth in pairs]
    if not model.predicts_objects:
        report = evaluate(predictions, truths, unlabelled=config.unlabelled, labels_are="classes")
        return float(report.mean_dice)
    report = evaluate(
        predictions,
        [_without_negative_ids(np.asarray(ids)) for ids in truths],
        kind="instance",
        unlabelled=NOT_ANNOTATED,
        labels_are="objects",
        thresholds=(0.5,),
    )
    return float(report.f1[0.5])


def _without_negative_ids(ids: AnyArray) -> AnyArray:
    return np.where(ids == IGNORE, NOT_ANNOTATED, ids)
