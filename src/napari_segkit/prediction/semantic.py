"""A class for every pixel: tiles blended into probabilities, the likeliest class as label."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import TileConfig
from napari_segkit.data.images import Image
from napari_segkit.data.labels import from_indices
from napari_segkit.data.normalise import Statistics, require_finite, require_finite_image
from napari_segkit.data.orientation import turn
from napari_segkit.data.resample import fit_to
from napari_segkit.data.tiling import Grid, Tile, along_axes, explicit, fit, read_mirrored
from napari_segkit.steps import Step
from napari_segkit.trained import TrainedModel
from napari_segkit.versions import versions


@dataclass(frozen=True)
class TileStep(Step):
    """Some more tiles are predicted."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about an image.

    Parameters
    ----------
    labels : ndarray
        Unsigned integers, the image's shape without its channel axis.
    probabilities : ndarray or None
        float32 ``(classes, *labels.shape)``, where asked for.
    provenance : dict
        Model, tiles, normalisation numbers, device, threads and versions behind it.
    """

    labels: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    provenance: dict[str, Any]

    def turned(self, axes: str, orientation: str, wanted: str) -> "Prediction":
        """The same turned to lie another way, as `data.orientation.turn` does."""
        labels = np.ascontiguousarray(turn(self.labels, axes, orientation, wanted))
        maps = self.probabilities
        if maps is not None:
            maps = np.ascontiguousarray(turn(maps, axes, orientation, wanted))
        return replace(self, labels=labels, probabilities=maps)


@torch.inference_mode()
def predict_tiles(
    model: TrainedModel,
    image: Image,
    config: TileConfig,
    device: torch.device,
    *,
    probabilities: bool = False,
    statistics: Statistics | None = None,
) -> Generator[TileStep, None, Prediction]:
    """Predict an image tile by tile.

    Parameters
    ----------
    model : TrainedModel
        Its network is on `device`, in evaluation mode.
    image : Image
        Read tile by tile; it need not fit in memory.
    config : TileConfig
        None in it means the model's own tiles.
    device : torch.device
        Where the network runs.
    probabilities : bool
        Keep the probabilities of all classes.
    statistics : Statistics, optional
        Normalisation numbers to use instead of this image's own, such as those of the stack
        that a slice comes from.

    Yields
    ------
    TileStep
        After each batch of tiles.

    Returns
    -------
    Prediction
        Labels, and probabilities on request.
    """
    whole, image = image, model.on_its_grid(image)
    grid = plan(model, image, config)
    run = _Run(model, image, grid, statistics or model.measure(whole), device)
    labels = np.zeros(whole.without_channels(), np.min_scalar_type(max(model.values)))
    kept = np.zeros((len(model.classes), *labels.shape), np.float32) if probabilities else None
    done, total = 0, len(grid) * image.count(model.ndim)
    for item in image.items(model.ndim):
        blended = np.zeros((len(model.classes), *grid.shape), np.float32)
        for tiles in _batches(grid, config.batch_size):
            for tile, output in zip(tiles, run.probabilities(item, tiles), strict=True):
                inside = tuple(slice(0, r.stop - r.start) for r in tile.region)
                weighted = output[(slice(None), *inside)] * grid.weights(tile)
                blended[(slice(None), *tile.region)] += weighted
            done += len(tiles)
            yield TileStep(done, total)
        blended = fit_to(blended, (len(model.classes), *whole.spatial(model.ndim)))
        whole.write(labels, item, from_indices(blended.argmax(axis=0), model.values))
        if kept is not None:
            whole.write(kept, item, blended)
    return Prediction(labels, kept, run.provenance(config))


def plan(model: TrainedModel, image: Image, config: TileConfig) -> Grid:
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
    return Grid(lengths, size, overlap)


def _seams(model: TrainedModel, lengths: Sequence[int]) -> list[bool]:
    """Along which axes tiles would meet without overlap: it learned on a thinner stack."""
    along = zip(model.tile_size, model.overlap, model.strides, lengths, strict=True)
    return [size == step and not overlap and end > size for size, overlap, step, end in along]


def _batches(tiles: Grid, size: int) -> Iterator[list[Tile]]:
    waiting = iter(tiles)
    while batch := list(islice(waiting, size)):
        yield batch


@dataclass(frozen=True)
class _Run:
    """One prediction: a model on an image, with its tiles and numbers."""

    model: TrainedModel
    image: Image
    grid: Grid
    statistics: Statistics
    device: torch.device

    def probabilities(self, item: dict[str, int], tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Probabilities of a batch of tiles, ``(tiles, classes, *size)``."""
        inputs = torch.from_numpy(np.stack([self._tile(item, tile) for tile in tiles]))
        logits = self.model.network(inputs.to(self.device))
        return np.asarray(logits.float().softmax(dim=1).cpu())

    def _tile(self, item: dict[str, int], tile: Tile) -> NDArray[np.float32]:
        pixels = read_mirrored(
            lambda region: self.image.read(item, region),
            tile.start,
            self.grid.size,
            self.grid.shape,
        )
        require_finite(pixels, self.image.name)
        return self.statistics.apply(pixels)

    def provenance(self, config: TileConfig) -> dict[str, Any]:
        """What the result depends on, as JSON-able values."""
        spec, image = self.model.spec, self.image
        return {
            "model": {"name": spec.name, "encoder": spec.encoder, "id": self.model.identity},
            "image": {"name": image.name, "axes": image.axes, "shape": list(image.shape)},
            "normalise": {
                "how": self.model.config.normalise,
                "low": list(self.statistics.low),
                "high": list(self.statistics.high),
            },
            "voxel_size": self.model.config.voxel_size,
            "tile_size": list(self.grid.size),
            "overlap": list(self.grid.overlap),
            "tiles_changed": config.tile_size is not None or config.overlap is not None,
            "batch_size": config.batch_size,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }
