"""An image through a model, tile by tile: what every kind of prediction shares."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import RefineConfig, TileConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics, measure, require_finite, require_finite_image
from napari_segkit.images.orientation import turn
from napari_segkit.instances.results import Objects
from napari_segkit.refinement.smooth import blocks, sees_image, smoother
from napari_segkit.steps import Step
from napari_segkit.tiling import Grid, Tile, along_axes, explicit, fit, read_mirrored, round_up
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions


@dataclass(frozen=True)
class TileStep(Step):
    """Some more tiles are predicted, or a block is refined."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about an image.

    Parameters
    ----------
    labels : ndarray
        Integers of the image's shape without its channel axis: class values, or ids of objects.
    probabilities : ndarray or None
        float32 ``(classes, *labels.shape)``, where asked for.
    provenance : dict
        Model, tiles, normalisation numbers, device, threads and versions behind it.
    objects : Objects or None
        The objects behind the ids, with all that was found.
    """

    labels: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    provenance: dict[str, Any]
    objects: Objects | None = None

    def turned(self, axes: str, orientation: str, wanted: str) -> "Prediction":
        """The same turned to lie another way, as `data.orientation.turn` does."""
        labels = np.ascontiguousarray(turn(self.labels, axes, orientation, wanted))
        maps = self.probabilities
        if maps is not None:
            maps = np.ascontiguousarray(turn(maps, axes, orientation, wanted))
        objects = None if self.objects is None else self.objects.lying(wanted)
        return replace(self, labels=labels, probabilities=maps, objects=objects)


def plan(model: TrainedModel, image: AxesImage, config: TileConfig) -> Grid:
    """The tiles for an image; ValueError where the image does not suit the model.

    Parameters
    ----------
    model, image, config
        As in `predict_tiles`.

    Returns
    -------
    Grid
        Tiles over the image's spatial axes.
    """
    if image.channels != model.channels:
        raise ValueError(
            f"{image.name} has {image.channels} channel(s) (axes {image.axes}, shape "
            f"{image.shape}), but the model was trained with {model.channels}: choose another "
            "image, or name its axes."
        )
    if model.ndim == 3 and "Z" not in image.axes:
        raise ValueError(
            f"{image.name} has no Z (axes {image.axes}, shape {image.shape}), but the model was "
            "trained on volumes: choose a volume, or name its axes."
        )
    require_finite_image(image)
    strides, lengths = model.strides, image.spatial(model.ndim)
    sizes, overlaps = model.tile_size, model.overlap
    if config.tile_size is not None:
        sizes = explicit(config.tile_size, lengths, strides)
    elif any(grown := _seams(model, lengths)):
        sizes = tuple(2 * n if g else n for n, g in zip(sizes, grown, strict=True))
        overlaps = tuple(n // 2 if g else o for n, o, g in zip(sizes, overlaps, grown, strict=True))
    if config.overlap is not None:
        overlaps = tuple(along_axes(config.overlap, strides))
    if config.tile_size is not None:  # less where the image is thinner than that
        overlaps = tuple(min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True))
    fitted = [fit(*along) for along in zip(sizes, overlaps, strides, strict=True)]
    size, overlap = zip(*fitted, strict=True)
    if model.info.kind == "semantic":
        return Grid(lengths, size, overlap)
    holding = (round_up(n, step) for n, step in zip(lengths, strides, strict=True))
    size = tuple(min(n, whole) for n, whole in zip(size, holding, strict=True))
    overlap = tuple(min(o, n // 2) for o, n in zip(overlap, size, strict=True))
    return Grid(lengths, size, overlap, blended=False)


def _seams(model: TrainedModel, lengths: Sequence[int]) -> list[bool]:
    """Along which axes tiles would meet without overlap: it learned on a thinner stack."""
    along = zip(model.tile_size, model.overlap, model.strides, lengths, strict=True)
    return [size == step and not overlap and end > size for size, overlap, step, end in along]


def run(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    statistics: Statistics | None = None,
) -> "Run":
    """A prediction about to begin; ValueError where the image does not suit the model.

    Parameters
    ----------
    model : TrainedModel
        Its network is on `device`, in evaluation mode.
    image : AxesImage
        Read tile by tile; it need not fit in memory.
    config : TileConfig
        None in it means the model's own tiles.
    device : torch.device
        Where the network runs.
    statistics : Statistics, optional
        Normalisation numbers to use instead of this image's own, such as those of the stack
        that a slice comes from.
    """
    gridded = model.on_its_grid(image)
    grid = plan(model, gridded, config)
    numbers = statistics or model.measure(image)
    scale, total = _intensities(model, image, numbers), steps_in(model, grid, image)
    return Run(model, gridded, grid, numbers, device, config, image, scale, total)


def steps_in(model: TrainedModel, grid: Grid, whole: AxesImage) -> int:
    """Steps of a prediction: one for each tile, and one for each block that is refined.

    Parameters
    ----------
    model : TrainedModel
        The model.
    grid : Grid
        Its tiles.
    whole : AxesImage
        The image as it came; nothing of it is read.
    """
    refining = 0
    if model.refine.smoother or model.refine.clean:
        ndim = model.ndim if whole.length("Z") > 1 else 2
        parts = len(blocks(whole.spatial(ndim), model.refine.smoother, whole.spacing[-ndim:]))
        refining = 1 if model.info.kind == "instance" else parts
    return (len(grid) + refining) * whole.count(model.ndim)


def _intensities(model: TrainedModel, image: AxesImage, known: Statistics) -> Statistics | None:
    """What scales intensities for the smoothing: as `smooth` measures it, over the whole image.

    An image without contrast is no reason not to predict: to the smoothing it is 0 everywhere.
    """
    config = model.refine.smoother
    if config is None:
        return None
    # what cannot be smoothed so is refused here, before any tile is predicted
    smoother(config, len(model.classes), image.spacing[-model.ndim :], "cpu")
    if not sees_image(config):
        return None
    same = model.config.normalise == "image" and not model.nonzero
    return known if same else measure([image], model.ndim, blank=True)


@dataclass
class Run:
    """One prediction under way: a model on an image, with its tiles and numbers.

    Parameters
    ----------
    model : TrainedModel
        The model.
    image : AxesImage
        The image on the grid that the model learned on.
    grid : Grid
        Its tiles.
    statistics : Statistics
        What normalises it.
    device : torch.device
        Where the network runs.
    config : TileConfig
        As it was given.
    whole : AxesImage
        The image as it came.
    intensities : Statistics or None
        What scales it for the smoothing, where that looks at it.
    total : int
        Steps in all.
    done : int
        Steps done so far.
    """

    model: TrainedModel
    image: AxesImage
    grid: Grid
    statistics: Statistics
    device: torch.device
    config: TileConfig
    whole: AxesImage
    intensities: Statistics | None
    total: int
    done: int = 0

    def frames(self) -> Iterator[dict[str, int]]:
        """Every place along the axes that the model walks."""
        return self.image.frames(self.model.ndim)

    def outputs(self, frame: dict[str, int]) -> Generator[TileStep, None, list[tuple[Tile, Any]]]:
        """What the network gives for each tile of a frame; yields after each batch."""
        given: list[tuple[Tile, Any]] = []
        for tiles, outputs in self.batches(frame):
            given += zip(tiles, outputs, strict=True)
            yield self.step(len(tiles))
        return given

    def batches(self, frame: dict[str, int]) -> Iterator[tuple[list[Tile], Any]]:
        """Batches of tiles of a frame, with what the network gives for them."""
        waiting = iter(self.grid)
        while tiles := list(islice(waiting, self.config.batch_size)):
            inputs = torch.from_numpy(np.stack([self._tile(frame, tile) for tile in tiles]))
            yield tiles, self.model.network(inputs.to(self.device))

    def step(self, tiles: int) -> TileStep:
        """Count some more tiles, or blocks."""
        self.done += tiles
        return TileStep(self.done, self.total)

    def _tile(self, frame: dict[str, int], tile: Tile) -> NDArray[np.float32]:
        pixels = read_mirrored(
            lambda region: self.image.read(frame, region),
            tile.start,
            self.grid.size,
            self.grid.shape,
        )
        require_finite(pixels, self.image.name)
        return self.statistics.apply(pixels)

    def provenance(self) -> dict[str, Any]:
        """What the result depends on, as JSON-able values."""
        spec, image, config = self.model.spec, self.image, self.config
        return {
            "model": {"name": spec.name, "encoder": spec.encoder, "id": self.model.identity},
            "kind": self.model.kind,
            "classes": [[c.value, c.name] for c in self.model.all_classes],
            "image": {"name": image.name, "axes": image.axes, "shape": list(image.shape)},
            "normalise": {
                "how": self.model.config.normalise,
                "low": list(self.statistics.low),
                "high": list(self.statistics.high),
            },
            "refine": self._recipe(),
            "voxel_size": self.model.config.voxel_size,
            "tile_size": list(self.grid.size),
            "overlap": list(self.grid.overlap),
            "tiles_changed": config.tile_size is not None or config.overlap is not None,
            "batch_size": config.batch_size,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }

    def _recipe(self) -> dict[str, Any] | None:
        """What was done to the probabilities; None: nothing."""
        if self.model.refine == RefineConfig():
            return None
        scale = self.intensities
        numbers = {"low": list(scale.low), "high": list(scale.high)} if scale else None
        return to_dict(self.model.refine) | {"intensities": numbers}
