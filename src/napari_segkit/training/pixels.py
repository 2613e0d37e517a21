"""Train the pixel classifier: features of labelled pixels, then a few Newton-like steps."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from math import nan, prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_segkit.images.labels import IGNORE
from napari_segkit.instances.level_targets import LEVELS
from napari_segkit.models import stride
from napari_segkit.models.finite import require_finite
from napari_segkit.steps import Step
from napari_segkit.tiling import PIXEL_TILE, Grid, Tile, fit_to_stride, read_mirrored, round_up

from .events import Score, TrainStep
from .sampler import Sample
from .scoring import figures_of, validation_step
from .trainer import Trainer
from .training_setup import TrainingSetup

if TYPE_CHECKING:
    from napari_segkit.models.pixels.classifier import PixelClassifier

SAMPLED_PIXELS = 100_000  # training pixels in total
MIN_PER_CLASS = 2_000  # pixels sampled at least of each class
MIN_SHARE = 0.01  # of the training pixels; those of a smaller class are repeated
ITERATIONS = {2: 8, 3: 30}
PRIOR = {2: 3.0, 3: 0.01}  # strength of the pull of the weights to zero, in pixels
JITTER = {2: 0.0, 3: 0.1}  # added noise, in standard deviations of a feature
BALANCE = {2: 0.0, 3: 1.0}  # weighting for a feature's mean and spread; 1: per class, 0: per pixel
FOLD_PIXELS = 20_000  # that are scored by folds
FEATURES = 2**25  # feature values of one tile at most (128 MiB)


Indices: TypeAlias = NDArray[np.int16]


@dataclass(frozen=True)
class _LabelledTile:
    """A tile with its labelled training pixels."""

    sample: Sample
    frame: dict[str, int]
    tile: Tile
    grid: Grid
    places: NDArray[np.intp]
    targets: NDArray[np.int64]
    folds: NDArray[np.int64]


class PixelTrainer(Trainer):
    """Train on the labelled pixels themselves, in the same tiles as prediction.

    Epochs, steps per epoch, batch size, learning rate and augmentation of `TrainConfig` are not
    used. Where nothing was given for validation, parts of the labels are held out in turn for the
    figure, and the model learns from all of them. Unless the config sets a tile size, tiles are
    large enough for most images to fit in one. There is nothing to go on from: resumed, it starts
    anew, which gives the same model.
    """

    network: "PixelClassifier"
    tile_ratio = 1

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__(setup)
        self._score: Score | None = None
        if self.config.tile.tile_size is None:
            self.tile_size, self.overlap = self._large_tiles()

    def _events(self) -> Generator[Step, None, None]:
        """Compute features, one `Step` per tile; then fit, one `TrainStep` per iteration."""
        state, limit = self.state, self.config.minutes
        state.history.clear()
        state.validations.clear()
        state.best, state.validated, state.schedule.seconds = None, 0, 0.0
        self._score = None
        state.schedule.start()
        labelled_tiles = self._labelled_tiles()
        total = len(labelled_tiles) + ITERATIONS[self.data.ndim]
        features, targets, folds = [], [], []
        for done, labelled in enumerate(labelled_tiles, 1):
            features.append(self._tile_features(labelled))
            targets.append(torch.from_numpy(labelled.targets).to(self.setup.device))
            folds.append(torch.from_numpy(labelled.folds).to(self.setup.device))
            yield Step(done, total)
            state.schedule.tick()
            if state.finished or (limit and state.schedule.seconds > 60 * limit):
                break
        state.finished, state.images = False, len(labelled_tiles)
        if self.data.folds:
            columns = torch.cat(features, 1), torch.cat(targets), torch.cat(folds)
            self._score = self._score_folds(*columns)
        fit = self._fit(*_join(features, targets, self.data.inputs.classes))
        for done, loss in enumerate(fit, len(labelled_tiles) + 1):
            state.schedule.tick()
            state.history.append(loss)
            yield TrainStep(done, total, 1, loss, state.schedule.seconds, state.images)
            if state.finished:
                break
        if self._score is not None:
            yield validation_step(Step(total, total), 1, self._score, nan, state.history[-1], True)
        yield from self._validated(total, total, 1)

    def _provenance(self) -> dict[str, object]:
        if self._score is None:
            return super()._provenance()
        step = validation_step(Step(1, 1), 1, self._score, nan, nan, True)
        return super()._provenance() | {"validation": figures_of(step)}

    def _score_folds(self, features: Tensor, targets: Tensor, folds: Tensor) -> Score | None:
        """Score of the pixels of each fold, by what is learned from the others.

        Pixels next to another part are in no fold, so they are left out of both.
        """
        assert self.setup.score_pixels is not None
        chosen = (folds >= 0).nonzero().squeeze(1)
        if not len(chosen):  # of small parts every pixel is next to another one
            return None
        chosen = chosen[:: max(1, len(chosen) // FOLD_PIXELS)]
        features, targets, folds = features[:, chosen], targets[chosen], folds[chosen]
        predicted = torch.full_like(targets, IGNORE)
        classes = len(torch.bincount(targets).nonzero())
        for fold in range(int(folds.max()) + 1):
            held, rest = folds == fold, folds != fold
            if held.any() and len(torch.bincount(targets[rest]).nonzero()) == classes:
                parts = [features[:, rest]], [targets[rest]]
                deque(self._fit(*_join(*parts, self.data.inputs.classes)), maxlen=0)
                predicted[held] = self.network.column_logits(features[:, held]).argmax(0)
        scored = predicted >= 0
        if not scored.any():
            return None
        weights = (1 / self._sampled_fractions())[targets[scored].cpu().numpy()]
        own, truth = (self._classes_of(each[scored].cpu().numpy()) for each in (predicted, targets))
        images = sum(bool((np.asarray(f.data) >= 0).any()) for f in self.data.folds)
        return self.setup.score_pixels(own, truth, weights, self.data.classes, images)

    def _classes_of(self, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of classes for those of outputs: levels of objects are of one class."""
        objects = self.setup.spec.objects
        return outputs if objects is None else -(-outputs // LEVELS[objects])

    def _large_tiles(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tiles as large as full images, as far as their features fit in memory."""
        data, ndim = self.data, self.data.ndim
        strides = stride(self.setup.spec, data.inputs.spacing)
        longest = np.max([image.spatial_shape(ndim) for image in data.images], axis=0).tolist()
        edge, budget = PIXEL_TILE[ndim], FEATURES / len(self.network.mean)
        while edge > 32 and prod(min(edge, length) for length in longest) > budget:
            edge -= 16
        fitted = [
            fit_to_stride(size := round_up(min(edge, length), step), size // 4, step)
            for length, step in zip(longest, strides, strict=True)
        ]
        return tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)

    def _labelled_tiles(self) -> list[_LabelledTile]:
        """Tiles that hold labelled pixels, with a random sample of these pixels."""
        random = np.random.default_rng(self.config.seed)
        shares = self._sampled_fractions()
        labelled_tiles = []
        for sample, frame, indices, folds in self._frames():
            chosen = (indices != IGNORE) & (random.random(indices.shape) < shares[indices])
            grid = self.tiling.grid(indices.shape)
            for tile in grid:
                inside = chosen[tile.region] & (grid.weights(tile) > 0)
                if inside.any():
                    targets = indices[tile.region][inside].astype(np.int64)
                    places = np.ravel_multi_index(np.nonzero(inside), grid.extent(tile))
                    of_pixels = folds[tile.region][inside].astype(np.int64)
                    labelled_tiles.append(
                        _LabelledTile(sample, frame, tile, grid, places, targets, of_pixels)
                    )
        return labelled_tiles

    def _frames(self) -> Iterator[tuple[Sample, dict[str, int], Indices, Indices]]:
        """Class indices and numbers of folds of each frame."""
        for number, sample in enumerate(self.data.samples):
            region = tuple(slice(0, n) for n in sample.image.spatial_shape(self.data.ndim))
            folds = self.data.folds[number] if self.data.folds else sample.indices
            for frame in sample.image.frames(self.data.ndim):
                yield (
                    sample,
                    frame,
                    *(each.read(frame, region)[0] for each in (sample.indices, folds)),
                )

    def _sampled_fractions(self) -> NDArray[np.float64]:
        """Sampled fraction of each class's pixels; rare classes are used fully."""
        counts = np.zeros(self.data.inputs.classes)
        for _, _, indices, _ in self._frames():
            counts += np.bincount(indices[indices != IGNORE], minlength=len(counts))
        kept = np.maximum(counts * SAMPLED_PIXELS / counts.sum(), MIN_PER_CLASS)
        return np.minimum(kept / np.maximum(counts, 1), 1)

    def _tile_features(self, labelled: _LabelledTile) -> Tensor:
        """Features ``(F, pixels)`` of the training pixels of a tile."""
        sample, grid = labelled.sample, labelled.grid
        pixels = read_mirrored(
            lambda r: sample.image.read(labelled.frame, r),
            labelled.tile.start,
            grid.extent(labelled.tile),
            grid.shape,
        )
        image = torch.from_numpy(np.ascontiguousarray(sample.statistics.apply(pixels)))
        places = torch.from_numpy(labelled.places).to(self.setup.device)
        features: Tensor = self.network.features(image.to(self.setup.device))
        return features.flatten(1).index_select(1, places)

    @torch.no_grad()
    def _fit(self, features: Tensor, targets: Tensor) -> Iterator[float]:
        """Fit a softmax regression with a fixed bound on its curvature (Boehning 1992)."""
        network, ndim = self.network, self.data.ndim
        mean, spread = _mean_and_spread(features, targets, BALANCE[ndim])
        require_finite("features of the labelled pixels", [mean, spread])
        network.mean.copy_(mean)
        network.scale.copy_(1 / spread.clamp_min(1e-6))
        embedded = network.embed(self._add_noise(features, spread))
        centre = embedded.mean(dim=1, keepdim=True)
        embedded = embedded - centre
        one_hot = functional.one_hot(targets, self.data.inputs.classes).T.to(embedded.dtype)
        offset = one_hot.mean(dim=1).clamp_min(1e-6).log()
        prior = PRIOR[ndim]
        inverse = _inverse_curvature(embedded, prior)
        weight = torch.zeros_like(network.weight)
        for _ in range(ITERATIONS[ndim]):
            logits = torch.addmm(offset[:, None], weight, embedded)
            loss = functional.cross_entropy(logits.T, targets).item()
            slope = (logits.softmax(dim=0) - one_hot) @ embedded.T + prior * weight
            weight = weight - slope @ inverse
            network.weight.copy_(weight)
            network.bias.copy_(offset - (weight @ centre).squeeze(1))
            yield loss

    def _add_noise(self, features: Tensor, spread: Tensor) -> Tensor:
        """Add noise: air is one exact value here, and another one in the next volume.

        The narrow cosine features of volumes are unconstrained between training values; without
        noise, air of an MRI with slightly different normalisation could get any class.
        """
        generator = torch.Generator().manual_seed(self.config.seed)
        noise = torch.randn(features.shape, generator=generator).to(features)
        return features + JITTER[self.data.ndim] * spread[:, None] * noise


def _join(
    features: Sequence[Tensor], targets: Sequence[Tensor], classes: int
) -> tuple[Tensor, Tensor]:
    """Join those of all tiles, and repeat pixels of classes too small to be learned from once."""
    counts = torch.stack([torch.bincount(t, minlength=classes) for t in targets]).sum(0)
    repeats = (MIN_SHARE * counts.sum() / counts.clamp_min(1)).ceil().long().clamp_min(1)
    again = [
        torch.arange(len(t), device=t.device).repeat_interleave(repeats[t] - 1) for t in targets
    ]
    more = [f.index_select(1, columns) for f, columns in zip(features, again, strict=True)]
    return (
        torch.cat([*features, *more], 1),
        torch.cat([*targets, *(t[columns] for t, columns in zip(targets, again, strict=True))]),
    )


def _mean_and_spread(features: Tensor, targets: Tensor, balance: float) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature; balanced, a large background does not dominate."""
    weights = torch.bincount(targets).to(features.dtype)[targets] ** -balance
    weights /= weights.sum()
    mean = features @ weights
    return mean, ((features - mean[:, None]).square_() @ weights).sqrt_()


def _inverse_curvature(embedded: Tensor, prior: float) -> Tensor:
    """Inverse of the curvature bound, in double precision on the CPU."""
    bound = 0.5 * (embedded @ embedded.T).cpu().double()
    bound.diagonal().add_(prior)
    return torch.cholesky_inverse(torch.linalg.cholesky(bound)).to(embedded)
