"""Which tiles of an image a model predicts, and how their pixels are read."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import PredictConfig, RefineConfig, TileConfig
from napari_segkit.config._schema import as_config, to_dict
from napari_segkit.config.training import Precision
from napari_segkit.images.axes_image import AxesImage, in_unit, without_pixels
from napari_segkit.images.intensity import (
    Statistics,
    extreme_intensity,
    identity_statistics,
    measure_statistics,
    missing_pixels,
    note_missing,
)
from napari_segkit.images.model_input import require_model_input
from napari_segkit.images.regions import Box, Part, Region, label_box
from napari_segkit.images.resample import resampled_template
from napari_segkit.images.resize import resized
from napari_segkit.images.slices import read_window, slices_to_channels
from napari_segkit.models.precision import used_precision
from napari_segkit.refinement.smooth import smoothing_method
from napari_segkit.tiling import (
    Cell,
    Grid,
    Tile,
    fit_to_stride,
    length_per_axis,
    round_up,
    tile_shape_from_size,
)
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions

from .blocks import block_edges, divide
from .context import Context, context_of
from .copies import Symmetry, symmetries, with_dropout
from .network import PredictionNetwork, network_of

GPU_BATCH = 4  # tiles
BLOCK_VALUES = 2**25  # probabilities of a block of a frame, about
HUGE_TILE = 2**24  # pixels; no tile is larger unless a person sets its size
MAX_TILE_RATIO = 64  # pixels of a huge tile for each pixel of the image


@dataclass(frozen=True)
class TilePlan:
    """The tiles of an image that a model predicts, and all that their pixels depend on.

    Parameters
    ----------
    model : TrainedModel
        The model.
    original : AxesImage
        The image, in the orientation of the model's images.
    image : AxesImage
        The image in the size or voxel size of the training.
    grid : Grid
        Tiles of each frame of `image`.
    config : TileConfig
        Batch size, and the tile size and overlap if they are not those of the model.
    device : torch.device
        Where the network is.
    statistics : Statistics
        Intensities that are scaled to 0 and 1 for the network.
    intensities : Statistics or None
        The same for the smoothing, if it uses the image.
    settings : PredictConfig
        How the network is applied to each tile.
    region : Region or None
        The pixels of the original image that are asked for; None: all.
    divides : bool
        Whether frames whose pixels depend on all tiles are predicted in blocks, each with its
        context, where none of them depends on more than that.
    stuff : TilePlan or None
        That of the second model, if two are merged.
    """

    model: TrainedModel
    original: AxesImage
    image: AxesImage
    grid: Grid
    config: TileConfig
    device: torch.device
    statistics: Statistics
    intensities: Statistics | None
    settings: PredictConfig = field(default_factory=PredictConfig)
    region: Region | None = None
    divides: bool = False
    stuff: "TilePlan | None" = None
    others: list[AxesImage] = field(default_factory=list)  # summed probabilities along Y and X
    _incomplete: list[dict[str, int]] = field(default_factory=list)  # frames with missing pixels
    _halved: list[int] = field(default_factory=list)  # batch sizes after memory ran out

    @cached_property
    def network(self) -> PredictionNetwork:
        """The network in the form that computes fastest; with dropout for several passes."""
        network = network_of(self.model, self.device, self.precision)
        return with_dropout(network) if self.settings.passes > 1 else network

    def frames(self) -> Iterator[dict[str, int]]:
        """Index of each plane or volume, which the model processes at once, in the region."""
        every, region = self.image.frames(self.model.ndim), self.region
        return (f for f in every if region is None or region.touches(f, self.whole))

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Lengths of a frame of the original image."""
        return self.original.spatial_shape(self.model.ndim)

    @property
    def whole(self) -> Box:
        """A frame of the original image as a box."""
        return tuple([slice(0, n) for n in self.frame_shape])

    def box(self, frame: dict[str, int]) -> Box:
        """The box around what is asked for of a frame, in pixels of the original image."""
        around = self.region and self.region.bounding_box(frame, self.model.ndim)
        return around or self.whole

    def context(self, box: Box) -> Context:
        """What is computed for a box of a frame, if not cell by cell."""
        return context_of(self.model, self.original, self.image, self.grid, box)

    @property
    def precision(self) -> Precision:
        """Number format of the network."""
        return used_precision(self.model.info, self.settings.precision, self.device)

    @cached_property
    def symmetries(self) -> tuple[Symmetry, ...]:
        """Mirrored copies of each tile over which the mean is taken."""
        return symmetries(self.model) if self.settings.flips else ()

    def pass_seeds(self, frame: dict[str, int], tile: Tile) -> list[int]:
        """Seeds of the passes with dropout, the same whenever a tile is predicted."""
        own = [*frame.values(), *tile.start]
        count = self.settings.passes
        return [int(np.random.SeedSequence([*own, n]).generate_state(1)[0]) for n in range(count)]

    @property
    def needs_whole_frames(self) -> bool:
        """Whether labels depend on all tiles: of refinement, resampling or separated objects."""
        refines = self.model.refine.smoother or self.model.refine.clean
        return bool(refines) or self.resamples or self.model.predicts_objects

    @property
    def resamples(self) -> bool:
        """Whether tiles have other pixels than the original image."""
        return self.grid.shape != self.frame_shape

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Parts of a frame of the original image whose labels are complete one by one.

        They are the regions between the starts of tiles, each with the few tiles that it depends
        on, or one cell for the frame if it `needs_whole_frames`, or its blocks.
        """
        if not self.needs_whole_frames:
            return tuple(self.grid.cells())
        if self.is_divided:
            return tuple(self._blocks(self.whole))
        return (replace(self.grid.single_cell(), region=self.whole),)

    @property
    def is_divided(self) -> bool:
        """Whether a frame is predicted in blocks: keeping the largest piece needs all of it."""
        whole = self.resamples or any(step.largest for step in self.model.refine.clean)
        objects = self.model.predicts_objects
        return self.divides and self.needs_whole_frames and not (whole or objects)

    def _blocks(self, box: Box) -> list[Cell]:
        """The blocks of a box, whole steps of the grid, each with the tiles of its context."""
        pixels = BLOCK_VALUES // len(self.model.classes)
        boxes = divide(box, block_edges(self.grid.steps, self.frame_shape, pixels))
        return [Cell(block, self.context(block).cell.tiles) for _, block in boxes]

    def cells_of(self, frame: dict[str, int]) -> Sequence[Cell]:
        """Cells of a frame that the region touches, or one around it."""
        if self.region is None:
            return self.cells
        if self.is_divided:
            blocks = self._blocks(self.box(frame))
            return [cell for cell in blocks if self.region.touches(frame, cell.region)]
        if self.needs_whole_frames:
            own = self.box(frame)
            return [Cell(own, self.context(own).cell.tiles)]
        box = self.region.bounding_box(frame, self.model.ndim)
        if box is None:
            return []
        # few of thousands of cells of a large image are near, which one box tells quickly
        near = (cell for cell in self.cells if _overlap(cell.region, box))
        return [cell for cell in near if self.region.touches(frame, cell.region)]

    def middle(self, frame: dict[str, int]) -> list[float] | None:
        """The middle of the region in a frame, which a person looks at; None: no region."""
        box = self.region and self.region.bounding_box(frame, self.model.ndim)
        return [(s.start + s.stop) / 2 for s in box] if box else None

    def outside(self, frame: dict[str, int], box: Sequence[slice]) -> NDArray[np.bool_] | None:
        """Which pixels of a box of a frame are not asked for; None if there are none."""
        if self.region is None:
            return None
        inside = self.region.inside(frame, box)
        return None if inside.all() else ~inside

    def predicted(self, done: Sequence[dict[str, int]]) -> Region | None:
        """Where there are results if some frames are complete; None: everywhere."""
        if all(frame in done for frame in self.frames()):
            return self.region
        axes = self.original.label_axes
        boxes = [label_box(axes, frame, self.box(frame)) for frame in done]
        masks = [None if self.region is None else self.region.within(box) for box in boxes]
        parts = map(Part, boxes, masks)
        return Region(axes, self.original.label_shape, tuple(parts))

    @property
    def batch_size(self) -> int:
        """How many tiles are predicted together."""
        return self.config.batch_size or (1 if self.device.type == "cpu" else GPU_BATCH)

    def batches(self, tiles: Sequence[Tile]) -> list[Sequence[Tile]]:
        """Tiles of one shape that are predicted together, in their order."""
        size = self.batch_size
        groups = [list(group) for _, group in groupby(tiles, self.grid.extent)]
        return [group[i : i + size] for group in groups for i in range(0, len(group), size)]

    def boxes(self) -> Iterator[Box]:
        """The box of each frame; one for all of them without a region."""
        return iter([self.whole]) if self.region is None else map(self.box, self.frames())

    @property
    def steps(self) -> int:
        """Number of steps if not cell by cell: one for each tile and each refined block."""
        alike = self.original.frame_count(self.model.ndim) if self.region is None else 1
        return alike * sum(self.context(box).steps for box in self.boxes())

    @property
    def at_once(self) -> int:
        """How many tiles are predicted at once: a batch, or less if memory has run out."""
        return self._halved[-1] if self._halved else self.batch_size

    def halve(self, count: int) -> None:
        """Go on with half as many tiles at once; ValueError if memory ran out with one."""
        size = " x ".join(map(str, self.grid.size))
        if count == 1:
            smaller = max(self.grid.size) // 2
            raise ValueError(
                f"Memory ran out at a single tile of {size} pixels: give a smaller tile_size, such "
                f"as tile_size={smaller}, or close other programs."
            )
        self._halved.append((count + 1) // 2)
        warnings.warn(
            f"Memory ran out at {count} tiles of {size} pixels at once, so {self.at_once} are "
            f"predicted at once from now on.",
            UserWarning,
            stacklevel=4,
        )

    def record(self) -> dict[str, object]:
        """The provenance, and how many tiles were predicted at once if memory ran out."""
        return self.provenance() | ({"tiles_at_once": self.at_once} if self._halved else {})

    def read(self, frame: dict[str, int], tile: Tile) -> NDArray[np.float32]:
        """Read the scaled pixels ``(C, *extent)`` of a tile, mirrored past the image's end.

        The channels of the slices that the network sees come one slice after the other.
        """
        neighbours = self.model.spec.neighbour_slices
        pixels = read_window(self.image, frame, tile.start, self.grid.extent(tile), neighbours)
        if frame not in self._incomplete and missing_pixels(pixels) is not None:
            self._incomplete.append(frame)
        return slices_to_channels(self.statistics.apply(pixels), self.model.ndim)

    def mean_of_axes(
        self, frame: dict[str, int], box: Sequence[slice], maps: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probabilities of a box of a frame; the mean with those along Y and X if there are any."""
        for other in self.others:
            maps = (maps + other.read(frame, box)) / np.float32(3)
        return maps

    def look_for_missing(self) -> None:
        """Look for missing pixels in all frames: others have read their tiles."""
        self._incomplete[:] = self.frames()

    def missing(self, frame: dict[str, int], region: Sequence[slice]) -> NDArray[np.bool_] | None:
        """Which pixels of the original image are NaN or infinite, once the tiles are read."""
        is_whole = not np.issubdtype(self.original.data.dtype, np.floating)
        if is_whole or frame not in self._incomplete:
            return None
        return missing_pixels(self.original.read(frame, region))

    def provenance(self) -> dict[str, object]:
        """Model, image and settings behind the result, as values that JSON can hold."""
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
            "resize": self.model.config.resize,
            "tile_size": list(self.grid.size),
            "overlap": list(self.grid.overlap),
            "tiles_changed": config.tile_size is not None or config.overlap is not None,
            "batch_size": self.batch_size,
            **to_dict(self.settings),
            "precision": self.precision,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
            **({} if self.model.separation is None else {"separation": self.model.separation}),
            **({"stuff": self.stuff.provenance()} if self.stuff else {}),
        }

    def _refinement(self) -> dict[str, object] | None:
        """Refinement settings used, with the intensity range; None: no refinement."""
        if self.model.refine == RefineConfig():
            return None
        statistics = self.intensities
        intensity_range = (
            {"low": list(statistics.low), "high": list(statistics.high)} if statistics else None
        )
        return to_dict(self.model.refine) | {"intensities": intensity_range}


def _overlap(one: Sequence[slice], other: Sequence[slice]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in pairs)


def make_plan(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    statistics: Statistics | None = None,
    settings: PredictConfig | None = None,
    region: Region | None = None,
    *,
    divides: bool = False,
) -> TilePlan:
    """Plan the tiles and measure the image; ValueError if it does not suit the model."""
    settings = as_config("settings", settings, PredictConfig)
    resampled = model.resample_image(image, resample=settings.resample)
    grid = make_grid(model, resampled, config)
    taken = "read as dark background" if model.predicts_objects else "0 in the result"
    note_missing(image, f"they are {taken}")
    statistics = statistics or model.measure(image)
    _warn_about_extremes(image, model.ndim, statistics)
    intensities = _smoothing_statistics(model, image, statistics)
    return TilePlan(
        model,
        image,
        resampled,
        grid,
        config,
        device,
        statistics,
        intensities,
        settings,
        region,
        divides,
    )


def _warn_about_extremes(image: AxesImage, ndim: int, statistics: Statistics) -> None:
    if text := extreme_intensity(image, ndim, statistics):
        warnings.warn(
            f"{text}, which the normalisation of the model leaves too large for it: its labels "
            "around them mean nothing. Set such pixels to NaN, which leaves them out.",
            UserWarning,
            stacklevel=3,
        )


def unmeasured_plan(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    settings: PredictConfig,
    region: Region | None,
    *,
    divides: bool = False,
) -> TilePlan:
    """The tiles of a prediction, to count with; no pixels are read or resampled."""
    template = in_unit(without_pixels(image), model.unit)
    if model.config.resized_shape is not None:
        template = resized(template, model.config.resized_shape)
    elif (size := model.voxel_size_for(template, resample=settings.resample)) is not None:
        template = resampled_template(template, size, model.ndim)
    grid, unknown = make_grid(model, template, config), identity_statistics(image.channels)
    device = torch.device("cpu")
    return TilePlan(
        model, image, template, grid, config, device, unknown, None, settings, region, divides
    )


def make_grid(model: TrainedModel, image: AxesImage, config: TileConfig) -> Grid:
    """Divide an image into tiles; ValueError if the image does not suit the model."""
    require_model_input(image, model.channels, model.ndim, model.spec.slices)
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
    if not model.info.has_masks:
        if not model.patch:
            _require_reasonable_tile(image.name, lengths, size)
        return replace(model.tiling, size=size, overlap=overlap).grid(lengths)
    padded = (round_up(n, step) for n, step in zip(lengths, strides, strict=True))
    size = tuple(min(pair) for pair in zip(size, padded, strict=True))
    overlap = tuple(min(o, n // 2) for o, n in zip(overlap, size, strict=True))
    return Grid(lengths, size, overlap, blended=False)


def _require_reasonable_tile(name: str, lengths: Sequence[int], size: Sequence[int]) -> None:
    """Refuse a tile that is huge and nearly all of it past the end of the image."""
    if prod(size) > HUGE_TILE and prod(size) > MAX_TILE_RATIO * prod(lengths):
        raise ValueError(
            f"{name} of {' x '.join(map(str, lengths))} pixels is far smaller than the tiles of "
            f"this model, {' x '.join(map(str, size))}: give a tile_size for this prediction."
        )


def _axes_without_overlap(model: TrainedModel, lengths: Sequence[int]) -> list[bool]:
    """Axes along which tiles would not overlap: trained on a thin stack, used on a taller one."""
    axes = zip(model.tile_size, model.overlap, model.strides, lengths, strict=True)
    return [
        size == stride and not overlap and length > size for size, overlap, stride, length in axes
    ]


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
    smoothing_method(config, image.spacing[-model.ndim :])
    if not config.uses_image:
        return None
    same = model.config.normalise == "image" and not model.nonzero
    return statistics if same else measure_statistics([image], model.ndim)
