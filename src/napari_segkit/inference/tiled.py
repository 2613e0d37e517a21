"""Run a model over an image tile by tile: shared by all kinds of prediction."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import RefineConfig, TileConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import (
    Statistics,
    measure_statistics,
    require_finite,
    require_finite_image,
)
from napari_segkit.refinement.smooth import frame_blocks, make_smoother, uses_image
from napari_segkit.steps import Step
from napari_segkit.tiling import (
    Grid,
    Tile,
    fit_to_stride,
    length_per_axis,
    read_mirrored,
    round_up,
    tile_shape_from_size,
)
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions


@dataclass(frozen=True)
class TileStep(Step):
    """Progress of a prediction: a batch of tiles was predicted, or a block was refined."""


def plan_tiles(model: TrainedModel, image: AxesImage, config: TileConfig) -> Grid:
    """Divide an image into tiles; ValueError if the image does not suit the model."""
    if image.channels != model.channels:
        raise ValueError(
            f"{image.name} has {image.channels} channel(s) (axes {image.axes}, shape "
            f"{image.shape}), but the model was trained with {model.channels}: choose another "
            "image, or specify its axes."
        )
    if model.ndim == 3 and "Z" not in image.axes:
        raise ValueError(
            f"{image.name} has no Z (axes {image.axes}, shape {image.shape}), but the model was "
            "trained on volumes: choose a volume, or specify its axes."
        )
    require_finite_image(image)
    strides, lengths = model.strides, image.spatial_shape(model.ndim)
    sizes, overlaps = model.tile_size, model.overlap
    if config.tile_size is not None:
        sizes = tile_shape_from_size(config.tile_size, lengths, strides)
    elif any(doubled := _axes_without_overlap(model, lengths)):
        sizes = tuple(2 * n if g else n for n, g in zip(sizes, doubled, strict=True))
        overlaps = tuple(
            n // 2 if g else o for n, o, g in zip(sizes, overlaps, doubled, strict=True)
        )
    if config.overlap is not None:
        overlaps = tuple(length_per_axis(config.overlap, strides))
    if config.tile_size is not None:  # less where the image is thinner than a tile
        overlaps = tuple(min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True))
    fitted = [fit_to_stride(*axis) for axis in zip(sizes, overlaps, strides, strict=True)]
    size, overlap = zip(*fitted, strict=True)
    if model.info.kind == "semantic":
        return Grid(lengths, size, overlap)
    padded = (round_up(n, step) for n, step in zip(lengths, strides, strict=True))
    size = tuple(min(pair) for pair in zip(size, padded, strict=True))
    overlap = tuple(min(o, n // 2) for o, n in zip(overlap, size, strict=True))
    return Grid(lengths, size, overlap, blended=False)


def _axes_without_overlap(model: TrainedModel, lengths: Sequence[int]) -> list[bool]:
    """Axes along which tiles would not overlap: trained on a thin stack, used on a taller one."""
    axes = zip(model.tile_size, model.overlap, model.strides, lengths, strict=True)
    return [
        size == stride and not overlap and length > size for size, overlap, stride, length in axes
    ]


def start_inference(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    statistics: Statistics | None = None,
) -> "TiledInference":
    """Plan the tiles and measure the image; ValueError if it does not suit the model."""
    resampled = model.resample_image(image)
    grid = plan_tiles(model, resampled, config)
    statistics = statistics or model.measure(image)
    return TiledInference(
        model=model,
        image=resampled,
        grid=grid,
        statistics=statistics,
        device=device,
        config=config,
        original=image,
        intensities=_smoothing_statistics(model, image, statistics),
        total=count_steps(model, grid, image),
    )


def count_steps(model: TrainedModel, grid: Grid, original: AxesImage) -> int:
    """Number of steps of a prediction: one per tile and per refined block."""
    refining = 0
    if model.refine.smoother or model.refine.clean:
        ndim = model.ndim if original.length("Z") > 1 else 2
        count = len(
            frame_blocks(
                original.spatial_shape(ndim), model.refine.smoother, original.spacing[-ndim:]
            )
        )
        refining = 1 if model.info.kind == "instance" else count
    return (len(grid) + refining) * original.frame_count(model.ndim)


def _smoothing_statistics(
    model: TrainedModel, image: AxesImage, statistics: Statistics
) -> Statistics | None:
    """Statistics that scale intensities for the smoothing, measured as `smooth` does.

    An image without contrast is still predicted; the smoothing then sees 0 everywhere.
    """
    config = model.refine.smoother
    if config is None:
        return None
    # refuse impossible settings before any tile is predicted
    make_smoother(config, len(model.classes), image.spacing[-model.ndim :], "cpu")
    if not uses_image(config):
        return None
    same = model.config.normalise == "image" and not model.nonzero
    return statistics if same else measure_statistics([image], model.ndim, allow_constant=True)


@dataclass
class TiledInference:
    """A prediction in progress: a model applied to an image, with its tiles and statistics."""

    model: TrainedModel
    image: AxesImage  # resampled to the voxel size of the training
    grid: Grid
    statistics: Statistics
    device: torch.device
    config: TileConfig
    original: AxesImage
    intensities: Statistics | None  # intensity scale of the smoothing, if it uses the image
    total: int
    done: int = 0

    def frames(self) -> Iterator[dict[str, int]]:
        """Index of each plane or volume that the model processes at once."""
        return self.image.frames(self.model.ndim)

    def outputs(self, frame: dict[str, int]) -> Generator[TileStep, None, list[tuple[Tile, Any]]]:
        """Network outputs of all tiles of a frame; yield after each batch."""
        results: list[tuple[Tile, Any]] = []
        for tiles, outputs in self.batches(frame):
            results += zip(tiles, outputs, strict=True)
            yield self.step(len(tiles))
        return results

    def batches(self, frame: dict[str, int]) -> Iterator[tuple[list[Tile], Any]]:
        """Batches of tiles of a frame with their network outputs."""
        remaining = iter(self.grid)
        while tiles := list(islice(remaining, self.config.batch_size)):
            inputs = torch.from_numpy(np.stack([self._read_tile(frame, tile) for tile in tiles]))
            yield tiles, self.model.network(inputs.to(self.device))

    def step(self, tiles: int) -> TileStep:
        """Advance the progress by some tiles or blocks."""
        self.done += tiles
        return TileStep(self.done, self.total)

    def _read_tile(self, frame: dict[str, int], tile: Tile) -> NDArray[np.float32]:
        pixels = read_mirrored(
            lambda region: self.image.read(frame, region),
            tile.start,
            self.grid.size,
            self.grid.shape,
        )
        require_finite(pixels, self.image.name)
        return self.statistics.apply(pixels)

    def provenance(self) -> dict[str, Any]:
        """Model, image and settings behind the result, as JSON-able values."""
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
            "refine": self._refinement(),
            "voxel_size": self.model.config.voxel_size,
            "tile_size": list(self.grid.size),
            "overlap": list(self.grid.overlap),
            "tiles_changed": config.tile_size is not None or config.overlap is not None,
            "batch_size": config.batch_size,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }

    def _refinement(self) -> dict[str, Any] | None:
        """Refinement settings used, with the intensity range; None: no refinement."""
        if self.model.refine == RefineConfig():
            return None
        statistics = self.intensities
        intensity_range = (
            {"low": list(statistics.low), "high": list(statistics.high)} if statistics else None
        )
        return to_dict(self.model.refine) | {"intensities": intensity_range}
