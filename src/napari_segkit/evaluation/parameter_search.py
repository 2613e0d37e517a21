"""A small search for the recipe that agrees best with a truth."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segkit.config import RefineConfig
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.refinement.blocks import Region, split_into_blocks
from napari_segkit.refinement.preview_region import refine_region
from napari_segkit.refinement.probability_maps import ProbabilityMaps, as_probability_maps
from napari_segkit.refinement.smooth import make_smoother, uses_image
from napari_segkit.steps import Step, drain

from .report import evaluate

if TYPE_CHECKING:
    from pandas import DataFrame

LARGEST = 2**20  # pixels of one window
MOST = 2**22  # pixels of all windows
ALIKE = 0.9  # windows have as much of the truth as others with this part of it


def times(*factors: float) -> Any:
    """Tried values as multiples of the one to begin with."""
    return lambda start: [float(f"{start * f:.4g}") for f in factors]


def these(*values: Any) -> Any:
    """Tried values that do not depend on the one to begin with."""
    return lambda _: list(values)


TRIED: dict[str, dict[str, Any]] = {
    "crf": {
        "appearance_weight": these(3.0, 10.0, 30.0),
        "intensity_sigma": these(0.02, 0.05, 0.1, 0.2),
        "appearance_sigma": times(0.25, 0.5, 2, 4),
        "smoothness_weight": these(0.0, 1.0, 3.0, 10.0),
        "smoothness_sigma": times(0.5, 2),
    },
    "mrf": {
        "weight": these(0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
        "intensity_sigma": these(None, 0.03, 0.1, 0.3),
        "diagonals": these(False, True),
    },
    "superpixels": {
        "size": times(0.5, 0.7, 1.4, 2, 3),
        "compactness": times(0.1, 0.3, 3, 10),
    },
}

# where one of these weights is 0, the number does nothing
WEIGHTS = {
    "intensity_sigma": ("appearance_weight", "weight"),
    "appearance_sigma": ("appearance_weight",),
    "smoothness_sigma": ("smoothness_weight",),
    "diagonals": ("weight",),
}


@dataclass(frozen=True)
class Trial(Step):
    """One more recipe is tried; how many there are in all depends on what is found.

    Parameters
    ----------
    config : RefineConfig
        The recipe.
    mean_iou, mean_dice : float
        How well its labels agree with the truth where that is labelled.
    """

    config: RefineConfig
    mean_iou: float
    mean_dice: float


@dataclass(frozen=True)
class SearchResult:
    """What a search has found.

    Parameters
    ----------
    trials : tuple of Trial
        All that was tried, in order: first no smoothing, then the recipe to begin with.
    """

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The one with the highest mean IoU; of equal ones the first."""
        return max(self.trials, key=lambda trial: trial.mean_iou)

    def table(self) -> "DataFrame":
        """A row for each trial: the method, what was tried, "mean_iou" and "mean_dice"."""
        from pandas import DataFrame

        return DataFrame(map(row, self.trials))


def row(trial: Trial) -> dict[str, Any]:
    """A trial as a row of a table; what does not count in it is left out."""
    names = TRIED.get(trial.config.method or "", ())
    chosen = {name: getattr(trial.config.smoother, name) for name in names}
    method = {"method": trial.config.method or "none"}
    return method | chosen | {"mean_iou": trial.mean_iou, "mean_dice": trial.mean_dice}


def fit_refinement(
    probabilities: Any,
    image: Any,
    truth: Any,
    config: RefineConfig,
    *,
    values: Sequence[int] | None = None,
    unlabelled: int | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
) -> SearchResult:
    """Search for the numbers of a recipe with which its labels agree best with a truth.

    One number after the other takes a few values, and keeps the best: about twenty trials. Values
    that cannot be, or that change nothing, are left out: without an image, those that need one. A
    truth of scribbles is enough, but numbers are only as good as what it shows.

    Parameters
    ----------
    probabilities, image, values, axes, spacing, device
        As in `refine`.
    truth : array-like or napari Labels layer
        Class values, of the probabilities' shape but for the classes.
    config : RefineConfig
        The recipe to begin with; its method stays, and its clean-up is part of every trial.
    unlabelled : int or None
        The one value of the truth that is not counted; 0 for scribbles.

    Returns
    -------
    SearchResult
        ``.best.config`` and ``.table()``.

    Raises
    ------
    ValueError
        If the recipe smooths nothing or cannot smooth this image, the truth has another shape or
        no labelled pixel, or the probabilities cannot be used.

    Notes
    -----
    Only what is labelled counts. Stacks, series and images of more than four million pixels are
    judged on so many of them: windows of at most a million pixels, those with most of the truth;
    where many have about as much, some that are spread evenly.
    """
    options: Any = {"values": values, "unlabelled": unlabelled, "axes": axes, "spacing": spacing}
    return drain(refinement_trials(probabilities, image, truth, config, **options, device=device))


def refinement_trials(
    probabilities: Any,
    image: Any,
    truth: Any,
    config: RefineConfig,
    *,
    values: Sequence[int] | None = None,
    unlabelled: int | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
) -> Generator[Trial, None, SearchResult]:
    """Try recipe after recipe: the generator behind `fit_refinement`.

    Parameters
    ----------
    probabilities, image, truth, config, values, unlabelled, axes, spacing, device
        As in `fit_refinement`.

    Yields
    ------
    Trial
        After each recipe.

    Returns
    -------
    SearchResult
        All trials.
    """
    if config.method is None:
        raise ValueError("There is nothing to fit: choose how to smooth, for instance by 'crf'.")
    looks = image is not None or uses_image(config.smoother)
    maps = as_probability_maps(probabilities, image, axes=axes, spacing=spacing, uses_image=looks)
    known = tuple(range(len(maps.probabilities))) if values is None else tuple(values)
    bench = Search(maps, full_resolution(truth), known, unlabelled, device)
    bench.require_possible(config)
    return (yield from _search(bench, config))


def _search(bench: "Search", config: RefineConfig) -> Generator[Trial, None, SearchResult]:
    trials: dict[RefineConfig, Trial] = {}
    names = list(TRIED[config.method or ""])

    def attempts(ahead: list[RefineConfig], later: int) -> Iterator[Trial]:
        for position, tried in enumerate(ahead):
            total = len(trials) + len(ahead) - position + later
            trials[tried] = Trial(len(trials) + 1, total, tried, *bench.score(tried))
            yield trials[tried]

    def count(best: RefineConfig, names: Sequence[str]) -> int:
        return sum(len(bench.choices(best, name)) for name in names)

    yield from attempts([replace(config, method=None), config], count(config, names))
    best = config
    for position, name in enumerate(names):
        yield from attempts(bench.choices(best, name), count(best, names[position + 1 :]))
        smoothed = [t for t in trials.values() if t.config.method]
        best = max(smoothed, key=lambda trial: trial.mean_iou).config
    return SearchResult(tuple(trials.values()))


def _with(config: RefineConfig, name: str, value: Any) -> RefineConfig:
    smoother: Any = config.smoother
    part: dict[str, Any] = {str(config.method): replace(smoother, **{name: value})}
    return replace(config, **part)


class Search:
    """Where recipes are tried: windows of an image with most of the truth.

    Parameters
    ----------
    maps : ProbabilityMaps
        Probabilities and image.
    truth : array-like
        Class values.
    values : tuple of int
        The label value of each class.
    unlabelled : int or None
        The value of the truth that is not counted.
    device : str
        Where it is smoothed.
    """

    def __init__(
        self,
        maps: ProbabilityMaps,
        truth: Any,
        values: tuple[int, ...],
        unlabelled: int | None,
        device: str,
    ) -> None:
        shape = maps.image.label_shape
        if tuple(truth.shape) != shape:
            raise ValueError(
                f"The truth has the shape {tuple(truth.shape)}, the probabilities are of "
                f"{shape} pixels: give the truth of this image."
            )
        self._maps, self._truth, self._values = maps, truth, values
        self._unlabelled, self._device = unlabelled, device
        self._places = self._most_labelled()

    def choices(self, config: RefineConfig, name: str) -> list[RefineConfig]:
        """The recipes in which one number is another one, as far as they can be and it counts."""
        weights = [getattr(config.smoother, weight, 1) for weight in WEIGHTS.get(name, ())]
        if 0 in weights:
            return []
        found, start = [], getattr(config.smoother, name)
        for value in TRIED[config.method or ""][name](start):
            with suppress(ValueError):  # a value may break limits, of its own or the method's
                tried = _with(config, name, value)
                self.require_possible(tried)
                found.append(tried)
        seen = self._maps.statistics is not None
        return [c for c in found if c != config and (seen or not uses_image(c.smoother))]

    def require_possible(self, config: RefineConfig) -> None:
        """Raise ValueError where a recipe cannot smooth this image."""
        if config.smoother is not None:
            classes = self._maps.probabilities.shape[0]
            make_smoother(config.smoother, classes, self._maps.spacing, self._device)

    def score(self, config: RefineConfig) -> tuple[float, float]:
        """Mean IoU and mean Dice of a recipe's labels where the truth is labelled."""
        reports = [self._report(config, frame, window) for frame, window in self._places]
        pooled = sum(reports[1:], start=reports[0])
        return pooled.mean_iou, pooled.mean_dice

    def _report(self, config: RefineConfig, frame: dict[str, int], window: Region) -> Any:
        where = frame, window, config, self._values
        labels = refine_region(self._maps, *where, device=self._device)
        truth = self._read(frame, window)
        return evaluate(labels, truth, unlabelled=self._unlabelled, labels_are="classes")

    def _read(self, frame: dict[str, int], window: Region) -> Any:
        axes = self._maps.image.label_axes
        part = np.asarray(self._truth[self._maps.image.array_index(frame, window, axes)])
        left = [a for a in axes if a not in frame]
        return part.transpose([left.index(a) for a in "ZYX"[-self._maps.ndim :]])

    def _most_labelled(self) -> list[tuple[dict[str, int], Region]]:
        places = list(product(self._maps.frames(), split_into_blocks(self._maps.spatial, LARGEST)))
        counts = [int(np.count_nonzero(self._counted(self._read(*p)))) for p in places]
        size = int(np.prod(self._maps.spatial)) * self._maps.image.frame_count(self._maps.ndim)
        room = max(1, MOST * len(places) // size)
        chosen = [self._tight(*places[i]) for i in most_of(counts, room)]
        if not chosen:
            raise ValueError(
                f"No pixel of the truth is labelled: every one is {self._unlabelled}, which "
                "counts as unlabelled. Paint some, or choose another truth."
            )
        return chosen

    def _counted(self, truth: Any) -> Any:
        return truth != self._unlabelled if self._unlabelled is not None else truth == truth

    def _tight(self, frame: dict[str, int], window: Region) -> tuple[dict[str, int], Region]:
        """The part of a window that is labelled."""
        places = np.nonzero(self._counted(self._read(frame, window)))
        ends = [
            (w.start + p.min(), w.start + p.max() + 1) for w, p in zip(window, places, strict=True)
        ]
        return frame, tuple(slice(int(a), int(b)) for a, b in ends)


def most_of(counts: Sequence[int], room: int) -> list[int]:
    """Where most is counted, in order; of places with about as much some that are spread evenly.

    Parameters
    ----------
    counts : sequence of int
        What is counted at each place; where that is nothing, the place is left out.
    room : int
        How many places there may be.
    """
    there = [i for i, n in enumerate(counts) if n]
    if len(there) <= room:
        return there
    least = sorted(counts)[-room]  # of the places that would be taken by their counts alone
    sure = [i for i in there if counts[i] * ALIKE > least]
    alike = [i for i in there if counts[i] >= least * ALIKE and i not in sure]
    left = room - len(sure)
    spread = [alike[(2 * k + 1) * len(alike) // (2 * left)] for k in range(left)]
    return sorted(sure + spread)
