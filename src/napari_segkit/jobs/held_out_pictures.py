"""A picture of some images that are held out of a training: image, labels, prediction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_segkit.devices import choose
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.pictures import Overlay, Picture, grid, pictures_of
from napari_segkit.images.regions import as_region
from napari_segkit.inference import predict_tiles_of
from napari_segkit.inference.request import PredictRequest
from napari_segkit.steps import drain
from napari_segkit.trained_model import TrainedModel
from napari_segkit.training.held_out import HeldOutImage

if TYPE_CHECKING:
    from napari_segkit.config.pictures import Style

MAX_IMAGES = 4
Index: TypeAlias = tuple[int | slice, ...]


def picture_of_predictions(
    model: TrainedModel, images: Sequence[HeldOutImage], device: str
) -> Picture:
    """A row for each of some images, the part around what is held out of it, predicted now."""
    model.to(choose(device))
    count = min(MAX_IMAGES, len(images))
    chosen = np.linspace(0, len(images) - 1, count).round().astype(int).tolist()
    return grid([_row(model, images[number], device) for number in chosen])


def _row(model: TrainedModel, held_out: HeldOutImage, device: str) -> list[tuple[str, Picture]]:
    part, index = _part(held_out, model)
    image, values = held_out.image, np.asarray(held_out.values)[index]
    region = as_region(index, image)
    request = PredictRequest(model, image, device=choose(device), region=region)
    predicted = drain(predict_tiles_of(model)(request)).labels[index]
    colors = {} if model.predicts_objects else {c.value: c.color for c in model.classes}
    style: Style = "contours" if model.predicts_objects else "colours"
    overlays = [Overlay(v, colors, style) for v in (values, predicted)]
    pictures = pictures_of(part, overlays)
    return list(zip((part.name, "labels", "prediction"), pictures, strict=True))


def _part(held_out: HeldOutImage, model: TrainedModel) -> tuple[AxesImage, Index]:
    """A tile around the middle of what is held out of an image, in one frame.

    Also where it lies in the labels.
    """
    image, ndim, values = held_out.image, model.ndim, np.asarray(held_out.values)
    inside = values > 0 if held_out.mask is None else held_out.mask
    mask = AxesImage(inside, image.label_axes)
    frames = [f for f, (m,) in mask.read_frames(ndim) if m.any()] or list(image.frames(ndim))
    frame = frames[len(frames) // 2]
    whole = [slice(0, n) for n in image.spatial_shape(ndim)]
    places = np.argwhere(mask.read(frame, whole)[0])
    centre = places[len(places) // 2] if len(places) else [s.stop // 2 for s in whole]
    region = [
        slice(start := max(0, min(int(c) - size // 2, s.stop - size)), min(start + size, s.stop))
        for c, s, size in zip(centre, whole, model.tile_size, strict=True)
    ]
    axes = "".join(a for a in image.axes if a not in frame)
    part = replace(image, data=image.data[image.array_index(frame, region, image.axes)], axes=axes)
    return part, image.array_index(frame, region, image.label_axes)
