"""From probabilities to labels: smooth, take the likeliest class, clean up."""

from collections.abc import Generator, Sequence
from itertools import count

import numpy as np
from numpy.typing import ArrayLike

from napari_segkit.arguments import as_device, as_label_values
from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import as_config
from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.classes import classes_of, values_of
from napari_segkit.images.labels import from_indices
from napari_segkit.images.types import ImageSource, Labels, LazyArray
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Step, drain, map_steps

from .blocks import Region
from .probability_maps import ProbabilityMaps, as_probability_maps
from .smooth import smooth_frame, smoothing_method


def refine(
    probabilities: LazyArray | ArrayLike,
    image: ImageSource | AxesImage | None = None,
    config: RefineConfig | None = None,
    *,
    values: Sequence[int] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
) -> Labels:
    """Turn probabilities into labels: smooth, take the likeliest class, clean up the classes.

    Parameters
    ----------
    probabilities : array-like
        ``(classes, *shape of the image without its channel axis)``, from 0 to 1, adding up to
        one at every pixel: what `Segmenter.predict_proba` gives.
    image : array-like or napari Image layer, optional
        The image they were predicted from. Not needed where the smoothing does not use it.
    config : RefineConfig, optional
        Smoothing and clean-up. None: only take the likeliest class.
    values : sequence of int, optional
        The label value of each class. None: 0, 1, 2, ...
    axes : str, optional
        One letter of "TCZYX" for each dimension of the image. With Z, refinement is in 3D; call
        that axis T to refine every slice separately.
    spacing : sequence of float, optional
        World units between pixels along Z Y X or Y X. None: the layer's scale, or 1.
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Returns
    -------
    ndarray
        Unsigned integers in the image's shape without its channel axis: values of classes.

    Raises
    ------
    ValueError
        If the probabilities cannot be used, as in `smooth`, or a class to clean up is not among
        the values.
    """
    steps = refine_blocks(
        probabilities,
        image,
        config,
        values=values,
        axes=axes,
        spacing=spacing,
        device=device,
        keep=False,
    )
    return drain(steps).labels


def refine_blocks(
    probabilities: LazyArray | ArrayLike,
    image: ImageSource | AxesImage | None = None,
    config: RefineConfig | None = None,
    *,
    values: Sequence[int] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
    keep: bool = True,
) -> Generator[Step, None, LabelResult]:
    """Refine block by block: the generator behind `refine`.

    Without `keep`, the smoothed probabilities are never in memory as a whole, except for one frame
    at a time where classes are cleaned up.
    """
    config, device = as_config("config", config, RefineConfig), as_device(device)
    maps = as_probability_maps(
        probabilities, image, axes=axes, spacing=spacing, uses_image=config.uses_image
    )
    label_values = class_values(values, maps.probabilities.shape[0], config)
    shape = maps.image.label_shape
    labels = np.zeros(shape, np.min_scalar_type(max(label_values)))
    smoothed = np.zeros((len(label_values), *shape), np.float32) if keep else None
    blocks = len(smoothing_method(config.smoother, maps.spacing).blocks(maps.spatial))
    done, total = count(1), blocks * maps.image.frame_count(maps.ndim)
    for frame in maps.frames():
        steps = refine_frame(maps, frame, config, label_values, device=device, keep=keep)
        refined = yield from map_steps(steps, lambda _: Step(next(done), total))
        maps.image.write(labels, frame, refined.labels)
        if smoothed is not None and refined.probabilities is not None:
            maps.image.write(smoothed, frame, refined.probabilities)
    return LabelResult(labels, maps.image.label_axes, probabilities=smoothed)


def refine_frame(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    config: RefineConfig,
    values: Sequence[int],
    *,
    device: str,
    keep: bool,
    blocks: Sequence[Region] | None = None,
) -> Generator[None, None, LabelResult]:
    """Refine one frame to ``([Z,] Y, X)`` labels; yields after each block."""
    needed = keep or bool(config.clean)
    smoothed = np.empty((len(values), *maps.spatial), np.float32) if needed else None
    likeliest = np.empty(maps.spatial, np.min_scalar_type(len(values)))
    method = smoothing_method(config.smoother, maps.spacing)
    for block, probabilities in smooth_frame(maps, frame, method, device, blocks):
        likeliest[block] = probabilities.argmax(axis=0)
        if smoothed is not None:
            smoothed[(slice(None), *block)] = probabilities
        yield
    labels: Labels = from_indices(likeliest, values)
    if config.clean:
        from .cleanup import clean

        labels = clean(
            labels, config.clean, probabilities=smoothed, values=values, spacing=maps.spacing
        )
    axes = SPATIAL[-maps.ndim :]
    return LabelResult(labels, axes, probabilities=smoothed if keep else None)


def class_values(
    values: Sequence[int] | None, classes: int, config: RefineConfig
) -> tuple[int, ...]:
    """The label value of each class, those to clean up among them."""
    checked = as_label_values(range(classes) if values is None else values, classes)
    values_of([step.value for step in config.clean], classes_of(None, checked))
    return checked
