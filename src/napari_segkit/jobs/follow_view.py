"""The prediction of an image that follows what is looked at."""

from typing import TYPE_CHECKING

from napari_segkit.config import PredictConfig, TileConfig
from napari_segkit.images.axes_image import reorient_image
from napari_segkit.images.channel_sources import channel_sources
from napari_segkit.images.channels import with_channels
from napari_segkit.images.levels import levels_of
from napari_segkit.images.types import ImageSource

from .kept_prediction import PredictionOptions

if TYPE_CHECKING:
    from napari_segkit.inference.view_prediction import ViewPrediction
    from napari_segkit.segmenter import Segmenter


def follow_view(
    segmenter: "Segmenter", image: ImageSource, axes: str | None, options: PredictionOptions
) -> "ViewPrediction":
    """Make the prediction of an image, or of its level that is chosen; no pixel is read.

    ValueError if the image does not suit the model, or its labels depend on more than their tiles.
    """
    from napari_segkit.devices import choose
    from napari_segkit.inference.request import PredictRequest
    from napari_segkit.inference.view_prediction import ViewPrediction
    from napari_segkit.prediction import named_image
    from napari_segkit.trained_model import with_refinement

    model = segmenter.trained
    if model is None:
        raise ValueError(
            "The view can be followed with a model that is trained or loaded: train it, load a "
            "model file, or predict what is in view first."
        )
    if options.refine is not None:
        model = with_refinement(model, options.refine)
    levels = [
        with_channels(named_image(model, image, axes, level=n), model.channels, model.axes)
        for n in range(options.level, _count(image))
    ]
    if reorient_image(levels[0], model.orientation).orientation != levels[0].orientation:
        raise ValueError(
            f"{levels[0].name} is turned for this model, which the view cannot be followed with: "
            "predict what is in view instead."
        )
    request = PredictRequest(
        model,
        levels[0],
        options.tile or TileConfig(),
        choose(segmenter.device),
        probabilities=options.probabilities,
        config=options.config or PredictConfig(),
    )
    return ViewPrediction(request, levels)


def _count(image: ImageSource) -> int:
    """How many levels an image has, or each of its channels."""
    sources = [source for _, source in channel_sources(image) or [("", image)]]
    return min(len(levels_of(source) or (0,)) for source in sources)
