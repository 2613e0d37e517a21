"""Train the pixel classifier: features of labelled pixels, then a few Newton-like steps."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from math import nan, prod
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import IGNORE
from napari_segkit.instances.level_targets import LEVELS
from napari_segkit.models import stride
from napari_segkit.steps import Step, drain
from napari_segkit.tiling import PIXEL_TILE, fit_to_stride, read_mirrored, round_up

from .events import Score, TrainStep
from .labelled_tiles import LabelledTile, LabelledTiles
from .pixel_fit import ITERATIONS, fit, join
from .scoring import figures_of, validation_step
from .trainer import Trainer
from .training_setup import TrainingSetup

if TYPE_CHECKING:
    from napari_segkit.models.pixels.classifier import PixelClassifier

FOLD_PIXELS = 20_000  # that are scored by folds
FEATURES = 2**25  # feature values of one tile at most (128 MiB)


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
        self._begin()
        state, tiles = self.state, self._tiles
        total = len(tiles) + ITERATIONS[self.data.ndim]
        yield from self._compute_features(total)
        state.finished, state.images = False, len(tiles)
        self._score = drain(self._score_folds(self.data.folds, self.network, Step(0, total)))
        for done, loss in enumerate(self._fit(self.network, *self._columns()), len(tiles) + 1):
            state.schedule.tick()
            state.history.append(loss)
            yield TrainStep(done, total, 1, loss, state.schedule.seconds, state.images)
            if state.finished:
                break
        yield from self._scores(total, total, 1)

    def _begin(self) -> None:
        """Start anew."""
        state, data = self.state, self.data
        state.history.clear()
        state.validations.clear()
        state.best, state.validated, state.schedule.seconds = None, 0, 0.0
        self._score = None
        state.schedule.start()
        classes, seed = data.inputs.classes, self.config.seed
        self._tiles = LabelledTiles(data.samples, self.tiling, classes, seed)

    def _compute_features(self, total: int) -> Generator[Step, None, bool]:
        """Features of the tiles that have none; whether it ended before it had them all."""
        state, limit, done = self.state, self.config.minutes, 0
        while self._tiles.missing:
            key, labelled = next(iter(self._tiles.missing.items()))
            self._tiles.keep(key, self._tile_features(labelled))
            yield Step(done := done + 1, total)
            state.schedule.tick()
            if state.finished or (limit and state.schedule.seconds > 60 * limit):
                break
        return bool(self._tiles.missing)

    def _fit(
        self, network: "PixelClassifier", features: Sequence[Tensor], targets: Sequence[Tensor]
    ) -> Iterator[float]:
        """Fit to the pixels of some tiles; gives the loss of each iteration."""
        columns = join(features, targets, self.data.inputs.classes)
        return fit(network, *columns, self.config.seed)

    def _columns(self) -> tuple[list[Tensor], list[Tensor]]:
        """Features ``(F, pixels)`` and class indices of the training pixels of each tile."""
        tiles, device = list(self._tiles), self.setup.device
        targets = [torch.from_numpy(each.targets).to(device) for each in tiles]
        return [each.features for each in tiles if each.features is not None], targets

    def _scores(self, done: int, total: int, epoch: int) -> Iterator[Step]:
        """The figures of what is held out, in turn or as a whole."""
        if self._score is not None:
            loss = self.state.history[-1]
            yield validation_step(Step(done, total), epoch, self._score, nan, loss, True)
        yield from self._validated(done, total, epoch)

    def _provenance(self) -> dict[str, object]:
        if self._score is None:
            return super()._provenance()
        step = validation_step(Step(1, 1), 1, self._score, nan, nan, True)
        return super()._provenance() | {"validation": figures_of(step)}

    def _score_folds(
        self, folds_of: Sequence[AxesImage], network: "PixelClassifier", place: Step
    ) -> Generator[Step, None, Score | None]:
        """Score of the pixels of each fold, by what a network learns from the others.

        Pixels next to another part are in no fold, so they are left out of both. After each fold
        it gives its place in the training, and may be interrupted.
        """
        if not folds_of or not self._tiles.has_features:
            return None
        assert self.setup.score_pixels is not None
        features, targets, folds = self._folded_columns(folds_of)
        if not len(targets):  # of small parts every pixel is next to another one
            return None
        predicted = torch.full_like(targets, IGNORE)
        classes = len(torch.bincount(targets).nonzero())
        for fold in range(int(folds.max()) + 1):
            held, rest = folds == fold, folds != fold
            if held.any() and len(torch.bincount(targets[rest]).nonzero()) == classes:
                deque(self._fit(network, [features[:, rest]], [targets[rest]]), maxlen=0)
                predicted[held] = network.column_logits(features[:, held]).argmax(0)
            yield place
            if self._is_interrupted:
                return None
        scored = predicted >= 0
        if not scored.any():
            return None
        weights = (1 / self._tiles.shares)[targets[scored].cpu().numpy()]
        own, truth = (self._classes_of(each[scored].cpu().numpy()) for each in (predicted, targets))
        images = sum(bool((np.asarray(f.data) >= 0).any()) for f in folds_of)
        return self.setup.score_pixels(own, truth, weights, self.data.classes, images)

    @property
    def _is_interrupted(self) -> bool:
        """Whether a score is of no use any more."""
        return False

    def _folded_columns(self, folds_of: Sequence[AxesImage]) -> tuple[Tensor, Tensor, Tensor]:
        """Features, class indices and folds of pixels that are in one, at most so many."""
        features, targets = self._columns()
        marks = [each.marks(folds_of[each.sample]) for each in self._tiles]
        folds = torch.from_numpy(np.concatenate(marks)).to(self.setup.device)
        chosen = (folds >= 0).nonzero().squeeze(1)
        chosen = chosen[:: max(1, len(chosen) // FOLD_PIXELS)]
        return torch.cat(features, 1)[:, chosen], torch.cat(targets)[chosen], folds[chosen]

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

    def _tile_features(self, labelled: LabelledTile) -> Tensor:
        """Features ``(F, pixels)`` of the training pixels of a tile."""
        sample, grid = self.data.samples[labelled.sample], labelled.grid
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
