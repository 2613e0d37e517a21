"""Tiles that hold labelled pixels, and a random sample of these, kept up to date."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import IGNORE
from napari_segkit.tiling import Grid, Tile, Tiling

from .sampler import Sample

SAMPLED_PIXELS = 100_000  # training pixels in total
MIN_PER_CLASS = 2_000  # pixels sampled at least of each class
TOLERANCE = 0.1  # relative change of a sampled fraction that is put off until the end

Indices: TypeAlias = NDArray[np.int16]
Key: TypeAlias = tuple[int, tuple[int, ...]]  # number of the frame, start of the tile


@dataclass(eq=False)
class LabelledTile:
    """A tile with its labelled training pixels."""

    sample: int  # number of its image
    frame: dict[str, int]
    tile: Tile
    grid: Grid
    places: NDArray[np.intp]  # in the extent of the tile, in rising order
    targets: NDArray[np.int64]
    features: Tensor | None = None  # (F, places), once they are computed

    def take(self, places: NDArray[np.intp], targets: NDArray[np.int64]) -> None:
        """Take other pixels; the features stay if they hold those of all of them."""
        if self.features is not None:
            at = np.searchsorted(self.places, places).clip(max=len(self.places) - 1)
            is_known = (self.places[at] == places).all()
            self.features = self.features[:, at] if is_known else None
        self.places, self.targets = places, targets

    def marks(self, image: AxesImage) -> NDArray[np.int64]:
        """Values at the training pixels of an array of the image's labels."""
        values = image.read(self.frame, self.tile.region)[0]
        return values[np.unravel_index(self.places, self.grid.extent(self.tile))].astype(np.int64)


class LabelledTiles:
    """Tiles that hold labelled pixels, with a random sample of these.

    The sample follows from the seed and the labels alone, however these came about: each pixel has
    its random number.

    Parameters
    ----------
    samples : sequence of Sample
        Images and class indices, which may change.
    tiling : Tiling
        How frames are divided into tiles.
    classes : int
        Number of classes.
    seed : int
        Of the sample.

    Attributes
    ----------
    missing : dict
        Tiles whose features are not known, by frame and start.
    shares : ndarray
        Sampled fraction of each class's pixels; rare classes are used fully.
    """

    def __init__(self, samples: Sequence[Sample], tiling: Tiling, classes: int, seed: int) -> None:
        self.samples, self.seed, self.ndim = samples, seed, len(tiling.size)
        images = [sample.image for sample in samples]
        self.frames = [(n, f) for n, image in enumerate(images) for f in image.frames(self.ndim)]
        self._grids = [tiling.grid(images[n].spatial_shape(self.ndim)) for n, _ in self.frames]
        sizes = [prod(grid.shape) for grid in self._grids]
        self._offsets = np.cumsum([0, *sizes]).tolist()
        self._counts = [np.zeros((g.shape[0], classes), np.int64) for g in self._grids]
        self._tiles: dict[Key, LabelledTile] = {}
        self.missing: dict[Key, LabelledTile] = {}
        for number in range(len(self.frames)):
            self._count(number, slice(0, self._grids[number].shape[0]))
        self.shares = self._exact_shares()
        self._choose_all()

    def __len__(self) -> int:
        return len(self._tiles)

    def __iter__(self) -> Iterator[LabelledTile]:
        """The tiles whose features are known, in the order of frames and grid."""
        return (self._tiles[key] for key in sorted(self._tiles) if key not in self.missing)

    @property
    def has_features(self) -> bool:
        """Whether those of any tile are known."""
        return len(self.missing) < len(self._tiles)

    def refresh(self, sample: int, box: Sequence[slice]) -> None:
        """Take up labels that changed in a box of those of an image."""
        sides = dict(zip(self.samples[sample].image.label_axes, box, strict=True))
        spatial = tuple([sides.get(a, slice(0, 1)) for a in "ZYX"[-self.ndim :]])
        numbers = [
            number
            for number, (own, frame) in enumerate(self.frames)
            if own == sample and all(sides[a].start <= n < sides[a].stop for a, n in frame.items())
        ]
        for number in numbers:
            self._count(number, spatial[0])
        if (abs(self._exact_shares() / self.shares - 1) > TOLERANCE).any():
            self.settle()
            return
        for number in numbers:
            self._choose(number, self._grids[number].tiles_in(spatial))

    def settle(self) -> bool:
        """Make the sample exactly that of the labels as they are; whether it was."""
        shares = self._exact_shares()
        if (shares == self.shares).all():
            return True
        self.shares = shares
        self._choose_all()
        return False

    def keep(self, key: Key, features: Tensor) -> None:
        """Keep the features of a tile that had none."""
        self.missing.pop(key).features = features

    def _count(self, number: int, rows: slice) -> None:
        """Count the labelled pixels of each class in some rows of a frame."""
        indices = self._read(number, (rows, *(slice(0, n) for n in self._grids[number].shape[1:])))
        counts = self._counts[number][rows]
        indices = indices.reshape(len(indices), -1)
        cells = np.arange(len(indices))[:, None] * counts.shape[1] + indices
        counts[...] = np.bincount(cells[indices >= 0], minlength=counts.size).reshape(counts.shape)

    def _exact_shares(self) -> NDArray[np.float64]:
        counts = np.sum([own.sum(axis=0) for own in self._counts], axis=0).astype(float)
        kept = np.maximum(counts * SAMPLED_PIXELS / max(counts.sum(), 1), MIN_PER_CLASS)
        return np.minimum(kept / np.maximum(counts, 1), 1)

    def _choose_all(self) -> None:
        for number, grid in enumerate(self._grids):
            self._choose(number, grid)

    def _choose(self, number: int, tiles: Iterable[Tile]) -> None:
        """Choose the training pixels of some tiles of a frame."""
        for tile in tiles:
            key, (places, targets) = (number, tile.start), self._chosen(number, tile)
            if not len(places):
                self._tiles.pop(key, None)
                self.missing.pop(key, None)
                continue
            if key in self._tiles:
                self._tiles[key].take(places, targets)
            else:
                own = *self.frames[number], tile, self._grids[number]
                self._tiles[key] = LabelledTile(*own, places, targets)
            if self._tiles[key].features is None:
                self.missing[key] = self._tiles[key]

    def _chosen(self, number: int, tile: Tile) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Places and class indices of the training pixels of a tile."""
        grid = self._grids[number]
        if not self._counts[number][tile.region[0]].any():
            return np.zeros(0, np.intp), np.zeros(0, np.int64)
        indices = self._read(number, tile.region)
        inside = (indices != IGNORE) & (grid.weights(tile) > 0)
        if (self.shares < 1).any():
            inside &= self._random(number, tile.region) < self.shares[indices]
        places = np.ravel_multi_index(np.nonzero(inside), grid.extent(tile))
        return places, indices[inside].astype(np.int64)

    def _random(self, number: int, region: Sequence[slice]) -> NDArray[np.float64]:
        """Random numbers of pixels: those of all frames come in one row."""
        (rows, *rest), shape = region, self._grids[number].shape
        generator = np.random.PCG64(self.seed)
        generator.advance(self._offsets[number] + rows.start * prod(shape[1:]))
        numbers = np.random.Generator(generator).random((rows.stop - rows.start, *shape[1:]))
        return numbers[(slice(None), *rest)]

    def _read(self, number: int, region: tuple[slice, ...]) -> Indices:
        sample, frame = self.frames[number]
        indices: Indices = self.samples[sample].indices.read(frame, region)[0]
        return indices
