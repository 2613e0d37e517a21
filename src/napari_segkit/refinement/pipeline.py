"""The recipe from probabilities to labels: smoothed, the likeliest class, tidied."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import RefineConfig
from napari_segkit.images.classes import classes_of, values_of
from napari_segkit.images.labels import from_indices
from napari_segkit.steps import Step, drain, map_steps

from .blocks import Region
from .cleanup import clean
from .probability_maps import ProbabilityMaps, probability_maps
from .smooth import blocks, sees_image, smooth_frame


@dataclass(frozen=True)
class RefinedLabels:
    """What became of probabilities.

    Parameters
    ----------
    labels : ndarray
        Class values, in the image's shape without its channel axis.
    probabilities : ndarray or None
        float32 ``(classes, *labels.shape)``, smoothed; None where they were not kept.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    probabilities: NDArray[np.float32] | None


def refine(
    probabilities: Any,
    image: Any = None,
    config: RefineConfig | None = None,
    *,
    values: Sequence[int] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
) -> NDArray[np.unsignedinteger[Any]]:
    """Make labels of probabilities: smooth them, take the likeliest class, tidy the classes.

    Parameters
    ----------
    probabilities : array-like
        ``(classes, *shape of the image without its channel axis)``, from 0 to 1, adding up to
        one at every pixel: what `Segmenter.predict_proba` gives.
    image : array-like or napari Image layer, optional
        The image they were predicted from. It can be left out where nothing looks at it.
    config : RefineConfig, optional
        What is done. None: the likeliest class, no more.
    values : sequence of int, optional
        The label value of each class. None: 0, 1, 2, ...
    axes : str, optional
        One letter of "TCZYX" for each dimension of the image. What has a Z is refined in 3D; call
        it T to have every slice refined for itself.
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
        If the probabilities cannot be used, as in `smooth`, or a class is to be tidied that is
        not among the values.
    """
    options: Any = {"values": values, "axes": axes, "spacing": spacing, "device": device}
    return drain(refine_blocks(probabilities, image, config, **options, keep=False)).labels


def refine_blocks(
    probabilities: Any,
    image: Any = None,
    config: RefineConfig | None = None,
    *,
    values: Sequence[int] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
    keep: bool = True,
) -> Generator[Step, None, RefinedLabels]:
    """Refine block by block: the generator behind `refine`.

    Parameters
    ----------
    probabilities, image, config, values, axes, spacing, device
        As in `refine`.
    keep : bool
        Keep the smoothed probabilities; without, they are never in memory as a whole, unless
        classes are tidied, which takes one frame (time point) at a time.

    Yields
    ------
    Step
        After each block.

    Returns
    -------
    RefinedLabels
        Labels, and the probabilities where they are kept.
    """
    config = config or RefineConfig()
    looks = sees_image(config.smoother)
    maps = probability_maps(probabilities, image, axes=axes, spacing=spacing, sees_image=looks)
    known = _known(values, maps.probabilities.shape[0], config)
    shape = maps.image.without_channels()
    labels = np.zeros(shape, np.min_scalar_type(max(known)))
    kept = np.zeros((len(known), *shape), np.float32) if keep else None
    parts = len(blocks(maps.spatial, config.smoother, maps.spacing))
    done, total = count(1), parts * maps.image.count(maps.ndim)
    for frame in maps.frames():
        steps = refine_frame(maps, frame, config, known, device=device, keep=keep)
        found = yield from map_steps(steps, lambda _: Step(next(done), total))
        maps.image.write(labels, frame, found.labels)
        if kept is not None and found.probabilities is not None:
            maps.image.write(kept, frame, found.probabilities)
    return RefinedLabels(labels, kept)


def refine_frame(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    config: RefineConfig,
    values: Sequence[int],
    *,
    device: str,
    keep: bool,
    places: Sequence[Region] | None = None,
) -> Generator[None, None, RefinedLabels]:
    """Refine one frame.

    Parameters
    ----------
    maps : ProbabilityMaps
        Probabilities and image.
    frame : dict
        Place along the axes that are walked, as ``maps.frames()`` gives it.
    config : RefineConfig
        What is done; its classes are among the values.
    values : sequence of int
        The label value of each class.
    device : str
        Where it is smoothed.
    keep : bool
        Keep the smoothed probabilities.
    places : sequence of tuple of slice, optional
        The blocks, which cover the frame. None: as `smooth` takes them.

    Yields
    ------
    None
        After each block.

    Returns
    -------
    RefinedLabels
        The frame's labels ``([Z,] Y, X)``, and its probabilities where they are kept.
    """
    whole = keep or bool(config.clean)
    smoothed = np.empty((len(values), *maps.spatial), np.float32) if whole else None
    likeliest = np.empty(maps.spatial, np.min_scalar_type(len(values)))
    for block, part in _smoothed(maps, frame, config, device, places):
        likeliest[block] = part.argmax(axis=0)
        if smoothed is not None:
            smoothed[(slice(None), *block)] = part
        yield
    labels: NDArray[Any] = from_indices(likeliest, values)
    if config.clean:
        more: Any = {"probabilities": smoothed, "values": values}
        labels = clean(labels, config.clean, spacing=maps.spacing, **more)
    return RefinedLabels(labels, smoothed if keep else None)


def _smoothed(
    maps: ProbabilityMaps,
    frame: dict[str, int],
    config: RefineConfig,
    device: str,
    places: Sequence[Region] | None,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    places = places or blocks(maps.spatial, config.smoother, maps.spacing)
    if config.smoother:
        yield from smooth_frame(maps, frame, config.smoother, device, places=places)
    else:
        yield from ((block, maps.read(frame, block)) for block in places)


def _known(values: Sequence[int] | None, classes: int, config: RefineConfig) -> tuple[int, ...]:
    """The label value of each class; ValueError where they cannot be that."""
    known = tuple(range(classes)) if values is None else tuple(int(v) for v in values)
    if not len(known) == len(set(known)) == classes or min(known) < 0:
        raise ValueError(
            f"values={list(known)} cannot be the label values of {classes} classes: give {classes} "
            "different whole numbers of 0 or more, or leave them out."
        )
    values_of([step.value for step in config.clean], classes_of(None, known))
    return known
