"""Train the pixel classifier: features of the labelled pixels, then a few Newton-like steps."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import prod
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_segkit.images.intensity import require_finite
from napari_segkit.images.labels import IGNORE
from napari_segkit.models import stride
from napari_segkit.steps import Step
from napari_segkit.tiling import Grid, Tile, fit, read_mirrored, round_up

from .loop import TrainStep
from .sampler import Sample
from .trainer import Trainer

ROWS = 100_000  # pixels learned from
RARE = 2_000  # as many of each class are kept where there are more
ITERATIONS = {2: 8, 3: 30}
PRIOR = {2: 3.0, 3: 0.01}  # pulls the weights to zero, as so many pixels would
JITTER = {2: 0.0, 3: 0.1}  # spreads of a feature by which each pixel is moved
BALANCE = {2: 0.0, 3: 1.0}  # 1: all classes alike set a feature's mean and spread; 0: all pixels
FEATURES = 2**25  # values that the features of one tile may have (128 MiB)
EDGES = {2: 1024, 3: 256}  # largest tile


@dataclass(frozen=True)
class _LabelledTile:
    """A tile with the labelled pixels in it that are learned from."""

    sample: Sample
    frame: dict[str, int]
    tile: Tile
    grid: Grid
    places: NDArray[np.intp]
    targets: NDArray[np.int64]


class PixelTrainer(Trainer):
    """One training of the pixel classifier; made as `Trainer` is.

    It learns from the labelled pixels themselves, in the very tiles that prediction uses, and has
    a short schedule of its own: of `TrainConfig`, epochs, steps per epoch, batch size, learning
    rate and augmentation do not apply. Tiles are larger than a network's unless the config says
    otherwise, so that most images fit in one.
    """

    network: Any

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if self.config.tile.tile_size is None:
            self.tile_size, self.overlap = self._roomy()

    def steps(self) -> Generator[Any, None, None]:
        """Compute features, a `Step` a tile; then learn, a `TrainStep` each time the model moved.

        Closed before the first `TrainStep` it leaves nothing: `last` is None.
        """
        began = perf_counter()
        pieces = self._pieces()
        total = len(pieces) + ITERATIONS[self.ndim]
        columns, targets = [], []
        for done, piece in enumerate(pieces, 1):
            columns.append(self._columns(piece))
            targets.append(piece.targets)
            yield Step(done, total)
            if self.config.minutes and perf_counter() - began > 60 * self.config.minutes:
                break
        joined = torch.from_numpy(np.concatenate(targets)).to(self.device)
        for done, loss in enumerate(self._learn(torch.cat(columns, 1), joined), len(pieces) + 1):
            seconds = perf_counter() - began
            self.history.append(loss)
            self.last = TrainStep(done, total, 1, loss, seconds, len(pieces))
            yield self.last

    def _roomy(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tiles that hold whole images where the features of one fit in memory."""
        strides = stride(self.spec, self.inputs.spacing)
        longest = np.max([image.spatial(self.ndim) for image in self.images], axis=0)
        wanted = [-(-int(length) * 16 // 15) for length in longest]  # with an outer margin
        edge, most = EDGES[self.ndim], FEATURES / len(self.network.mean)
        while edge > 32 and prod(min(edge, length) for length in wanted) > most:
            edge -= 16
        fitted = [
            fit(size := round_up(min(edge, length), step), size // 4, step)
            for length, step in zip(wanted, strides, strict=True)
        ]
        return tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)

    def _pieces(self) -> list[_LabelledTile]:
        """Tiles that hold labelled pixels, with those of them that are learned from."""
        random = np.random.default_rng(self.config.seed)
        shares = self._shares()
        pieces = []
        for sample, frame, indices in self._items():
            chosen = (indices != IGNORE) & (random.random(indices.shape) < shares[indices])
            grid = Grid(indices.shape, self.tile_size, self.overlap)
            for tile in grid:
                inside = chosen[tile.region] & (grid.weights(tile) > 0)
                if inside.any():
                    targets = indices[tile.region][inside].astype(np.int64)
                    places = np.ravel_multi_index(np.nonzero(inside), self.tile_size)
                    pieces.append(_LabelledTile(sample, frame, tile, grid, places, targets))
        return pieces

    def _items(self) -> Iterator[tuple[Sample, dict[str, int], NDArray[np.int16]]]:
        for sample in self.samples:
            region = tuple(slice(0, n) for n in sample.image.spatial(self.ndim))
            for frame in sample.image.frames(self.ndim):
                yield sample, frame, sample.indices.read(frame, region)[0]

    def _shares(self) -> NDArray[np.float64]:
        """Which part of each class's pixels is learned from; rare classes are kept whole."""
        counts = np.zeros(self.inputs.classes)
        for _, _, indices in self._items():
            counts += np.bincount(indices[indices != IGNORE], minlength=len(counts))
        kept = np.maximum(counts * ROWS / counts.sum(), RARE)
        return np.minimum(kept / np.maximum(counts, 1), 1)

    def _columns(self, piece: _LabelledTile) -> Tensor:
        """Features ``(F, pixels)`` of a piece's pixels."""
        sample, grid = piece.sample, piece.grid
        pixels = read_mirrored(
            lambda r: sample.image.read(piece.frame, r), piece.tile.start, grid.size, grid.shape
        )
        require_finite(pixels, sample.image.name)
        image = torch.from_numpy(np.ascontiguousarray(sample.statistics.apply(pixels)))
        places = torch.from_numpy(piece.places).to(self.device)
        seen: Tensor = self.network.features(image.to(self.device))
        return seen.flatten(1).index_select(1, places)

    @torch.no_grad()
    def _learn(self, columns: Tensor, targets: Tensor) -> Iterator[float]:
        """Softmax regression with a fixed bound on its curvature (Boehning 1992)."""
        network = self.network
        mean, spread = _scale(columns, targets, BALANCE[self.ndim])
        network.mean.copy_(mean)
        network.scale.copy_(1 / spread.clamp_min(1e-6))
        seen = network.embed(self._jittered(columns, spread))
        centre = seen.mean(dim=1, keepdim=True)
        seen = seen - centre
        wanted = functional.one_hot(targets, self.inputs.classes).T.to(seen.dtype)
        offset = wanted.mean(dim=1).clamp_min(1e-6).log()
        prior = PRIOR[self.ndim]
        inverse = _inverse(seen, prior)
        weight = torch.zeros_like(network.weight)
        for _ in range(ITERATIONS[self.ndim]):
            logits = torch.addmm(offset[:, None], weight, seen)
            loss = functional.cross_entropy(logits.T, targets).item()
            slope = (logits.softmax(dim=0) - wanted) @ seen.T + prior * weight
            weight = weight - slope @ inverse
            network.weight.copy_(weight)
            network.bias.copy_(offset - (weight @ centre).squeeze(1))
            yield loss

    def _jittered(self, columns: Tensor, spread: Tensor) -> Tensor:
        """Move each pixel a little: air is one exact value, and in the next volume another one.

        The sharp cosines of volumes are free between the values they learn from; without this the
        air of an MRI that is normalised a little otherwise is taken for anything.
        """
        generator = torch.Generator().manual_seed(self.config.seed)
        noise = torch.randn(columns.shape, generator=generator).to(columns)
        return columns + JITTER[self.ndim] * spread[:, None] * noise


def _scale(columns: Tensor, targets: Tensor, balance: float) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature; balanced, a large background does not decide them."""
    weights = torch.bincount(targets).to(columns.dtype)[targets] ** -balance
    weights /= weights.sum()
    mean = columns @ weights
    return mean, ((columns - mean[:, None]).square_() @ weights).sqrt_()


def _inverse(seen: Tensor, prior: float) -> Tensor:
    """Of the bound on the curvature; in double precision, which not every device has."""
    bound = 0.5 * (seen @ seen.T).cpu().double()
    bound.diagonal().add_(prior)
    return torch.cholesky_inverse(torch.linalg.cholesky(bound)).to(seen)
