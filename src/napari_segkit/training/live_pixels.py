"""Train the pixel classifier while a person paints: each stroke is learned as it comes."""

from collections import deque
from collections.abc import Generator, Iterator
from copy import deepcopy
from dataclasses import replace
from time import perf_counter

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.resample import resize_marks
from napari_segkit.steps import Step, Waiting
from napari_segkit.trained_model import TrainedModel

from .events import TrainStep
from .hold_out import hold_out
from .live_labels import LabelsChange
from .pixel_fit import ITERATIONS
from .pixels import PixelTrainer
from .state import RECENT_BATCHES
from .training_setup import TrainingSetup

SCORE_AFTER = 1.0  # seconds without a stroke
SCORE_PAUSE = 4.0  # times as long as the last score took


class LivePixelTrainer(PixelTrainer):
    """Learns anew from all labels whenever they change, until it is told to finish.

    Features of the labelled pixels are kept, so that a stroke costs those of its own tiles. The
    model in the end is that of a training on the labels as they are then, bit for bit.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__(setup)
        self.network.keeps_features = True  # a person looks at the same tiles again and again
        self._is_learned = self._is_scored = False
        self._fits = self._told = 0  # how often it learned, and said so
        self._score_due = 0.0

    def _events(self) -> Generator[Step, None, None]:
        """Steps while there is something to learn, else `Waiting`."""
        self._begin()
        is_last = False
        while True:
            is_cut = yield from self._learn()
            if is_last or is_cut:
                break
            yield from self._wait()
            if self.state.finished:
                self.state.finished, is_last = False, True
                self._is_learned &= self._tiles.settle()
        yield from self._told_fits()
        has_figure = self._score is not None or self.state.validations
        if self.state.history and not has_figure:  # else a person does not wait for another one
            yield from self._live_scores()

    def snapshot(self, batches: int = RECENT_BATCHES) -> TrainedModel:
        """As of any training, with all that was painted before."""
        deque(self._learn(), maxlen=0)
        return super().snapshot(batches)

    def result(self) -> TrainedModel:
        """As of any training."""
        self.network.keeps_features = False
        return super().result()

    def _learn(self) -> Generator[Step, None, bool]:
        """Learn what was painted, if anything; whether it ended before it had all of it."""
        state, count = self.state, len(self._tiles.missing)
        is_cut = yield from self._compute_features(count + 1)
        if not self._is_learned and self._tiles.has_features:
            state.history[:] = self._fit(self.network, *self._columns())
            state.validated, state.images = 0, len(self._tiles)
            self._fits += 1
            self._score_due = max(self._score_due, perf_counter() + SCORE_AFTER)
        self._is_learned = True
        return is_cut

    def _wait(self) -> Iterator[Step]:
        """Wait for a command; score the model if none comes for a while."""
        while self._is_learned and not self.state.finished:
            yield from self._told_fits()
            left = self._score_due - perf_counter()
            if self._is_scored:
                yield Waiting(*self._done)
            elif left > 0:
                yield Waiting(*self._done, left)
            else:
                yield from self._live_scores()

    def _told_fits(self) -> Iterator[Step]:
        """Tell of the last fit, once."""
        if self._fits > self._told:
            self._told, state = self._fits, self.state
            state.schedule.tick()
            loss, seconds = state.history[-1], state.schedule.seconds
            yield TrainStep(*self._done, self._fits, loss, seconds, state.images)

    def _live_scores(self) -> Iterator[Step]:
        """Score the model on the labels as they are now, for a part of the time.

        A stroke or the end of the training interrupts it.
        """
        began = perf_counter()
        self.state.best, self._is_scored = None, True
        network = deepcopy(self.network)
        score = yield from self._score_folds(self._folds(), network, Step(*self._done))
        if self._is_interrupted:
            self._is_scored = False
            return
        self._score = score
        yield from self._scores(*self._done, self._fits)
        now = perf_counter()
        self._score_due = now + SCORE_PAUSE * (now - began)

    @property
    def _is_interrupted(self) -> bool:
        return self.state.finished or not self._is_scored

    def _folds(self) -> list[AxesImage]:
        """Folds of the labels as they are now."""
        if self.setup.held_out.how not in (None, "folds"):
            return []
        assert self.setup.live is not None
        class_of = self.setup.live.class_of
        painted = replace(self.data.labelled, counts=(), folds=(), class_of=class_of)
        labelled, held_out = hold_out(self.setup.spec, self.config, painted)
        self.setup = replace(self.setup, held_out=held_out)
        pairs = zip(labelled.folds, self.data.images, strict=False)
        return [
            AxesImage(resize_marks(fold, image.label_shape, IGNORE), image.label_axes)
            for fold, image in pairs
        ]

    @property
    def _done(self) -> tuple[int, int]:
        """Iterations so far, and the total, which is not known."""
        return self._fits * ITERATIONS[self.data.ndim], 0

    def _labels_changed(self, change: LabelsChange) -> None:
        """Take up what was painted; it is learned with the next step."""
        if change.pair is not None:
            self._tiles.refresh(change.pair, change.box)
            self._is_learned = False
        self._is_scored = False
