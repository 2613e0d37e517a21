"""Search for the refinement settings that agree best with a truth."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import change
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.refinement.blocks import Region, split_into_blocks
from napari_segkit.refinement.preview_region import refine_region
from napari_segkit.refinement.probability_maps import ProbabilityMaps, as_probability_maps
from napari_segkit.refinement.smoothing_method import smoothing_method
from napari_segkit.steps import Step, drain

from .report import evaluate

if TYPE_CHECKING:
    from pandas import DataFrame

WINDOW_PIXELS = 2**20  # at most, of one window
TOTAL_PIXELS = 2**22  # at most, of all windows
SIMILAR_COUNT = 0.9  # relative: windows with so many labelled pixels are equally good


def multiples(*factors: float) -> Any:
    """Candidate values as multiples of the initial value."""
    return lambda start: [float(f"{start * f:.4g}") for f in factors]


def fixed_values(*values: Any) -> Any:
    """Candidate values independent of the initial value."""
    return lambda _: list(values)


SEARCH_SPACE: dict[str, dict[str, Any]] = {
    "crf": {
        "appearance_weight": fixed_values(3.0, 10.0, 30.0),
        "intensity_sigma": fixed_values(0.02, 0.05, 0.1, 0.2),
        "appearance_sigma": multiples(0.25, 0.5, 2, 4),
        "smoothness_weight": fixed_values(0.0, 1.0, 3.0, 10.0),
        "smoothness_sigma": multiples(0.5, 2),
    },
    "mrf": {
        "weight": fixed_values(0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
        "intensity_sigma": fixed_values(None, 0.03, 0.1, 0.3),
        "diagonals": fixed_values(False, True),
    },
    "superpixels": {
        "size": multiples(0.5, 0.7, 1.4, 2, 3),
        "compactness": multiples(0.1, 0.3, 3, 10),
    },
}

# a parameter has no effect where one of these weights is 0
REQUIRED_WEIGHTS = {
    "intensity_sigma": ("appearance_weight", "weight"),
    "appearance_sigma": ("appearance_weight",),
    "smoothness_sigma": ("smoothness_weight",),
    "diagonals": ("weight",),
}


@dataclass(frozen=True)
class Trial(Step):
    """One tried refinement, as a step of the search; the total may change while it runs.

    Parameters
    ----------
    config : RefineConfig
        The refinement settings.
    mean_iou, mean_dice : float
        Agreement of its labels with the truth, where that is labelled.
    """

    config: RefineConfig
    mean_iou: float
    mean_dice: float


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Parameters
    ----------
    trials : tuple of Trial
        All trials in order: first without smoothing, then the initial settings.
    """

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the highest mean IoU; of equal ones the first."""
        return max(self.trials, key=lambda trial: trial.mean_iou)

    def table(self) -> "DataFrame":
        """A row for each trial: the method, its parameters, "mean_iou" and "mean_dice"."""
        from pandas import DataFrame

        return DataFrame(map(table_row, self.trials))


def table_row(trial: Trial) -> dict[str, Any]:
    """A trial as a row of a table; parameters of other methods are left out."""
    names = SEARCH_SPACE.get(trial.config.method or "", ())
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
    """Search for the refinement parameters whose labels agree best with a truth.

    Coordinate search: one parameter after the other takes a few values and keeps the best, about
    twenty trials. Invalid values and values without effect are skipped, and those that need an
    image if there is none. A truth of scribbles is enough, but the parameters are only as good as
    the truth.

    Parameters
    ----------
    probabilities, image, values, axes, spacing, device
        As in `refine`.
    truth : array-like or napari Labels layer
        Class values, of the shape of the probabilities without the class axis.
    config : RefineConfig
        The initial settings; the method stays, and the clean-up is part of every trial.
    unlabelled : int or None
        The one value of the truth that is left out; 0 for scribbles.

    Returns
    -------
    SearchResult
        ``.best.config`` and ``.table()``.

    Raises
    ------
    ValueError
        If the settings smooth nothing or cannot smooth this image, the truth has another shape or
        no labelled pixel, or the probabilities cannot be used.

    Notes
    -----
    Only labelled pixels are compared. Stacks, series and images of more than four million pixels
    are evaluated on as many pixels: windows of at most a million pixels with the most labels,
    spread evenly where many have about as many.
    """
    trials = refinement_trials(
        probabilities,
        image,
        truth,
        config,
        values=values,
        unlabelled=unlabelled,
        axes=axes,
        spacing=spacing,
        device=device,
    )
    return drain(trials)


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
    """Try one refinement after another: the generator behind `fit_refinement`."""
    if config.method is None:
        raise ValueError("Nothing to fit: choose a smoothing method, such as method='crf'.")
    needs_image = image is not None or config.uses_image
    maps = as_probability_maps(
        probabilities, image, axes=axes, spacing=spacing, uses_image=needs_image
    )
    class_values = tuple(range(maps.probabilities.shape[0])) if values is None else tuple(values)
    search = RefinementSearch(maps, full_resolution(truth), class_values, unlabelled, device)
    search.require_possible(config)
    return (yield from _search(search, config))


def _search(
    search: "RefinementSearch", config: RefineConfig
) -> Generator[Trial, None, SearchResult]:
    trials: dict[RefineConfig, Trial] = {}
    names = list(SEARCH_SPACE[config.method or ""])

    def try_all(configs: list[RefineConfig], later: int) -> Iterator[Trial]:
        for position, tried in enumerate(configs):
            total = len(trials) + len(configs) - position + later
            trials[tried] = Trial(len(trials) + 1, total, tried, *search.score(tried))
            yield trials[tried]

    def count_variants(best: RefineConfig, names: Sequence[str]) -> int:
        return sum(len(search.variants(best, name)) for name in names)

    yield from try_all([replace(config, method=None), config], count_variants(config, names))
    best = config
    for position, name in enumerate(names):
        remaining = count_variants(best, names[position + 1 :])
        yield from try_all(search.variants(best, name), remaining)
        smoothed = [t for t in trials.values() if t.config.method]
        best = max(smoothed, key=lambda trial: trial.mean_iou).config
    return SearchResult(tuple(trials.values()))


def _replace_parameter(config: RefineConfig, name: str, value: Any) -> RefineConfig:
    if config.smoother is None or config.method is None:
        return config
    return change(config, {config.method: change(config.smoother, {name: value})})


class RefinementSearch:
    """Evaluates refinements on the windows of an image with the most labels."""

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
                f"The truth has shape {tuple(truth.shape)}, the probabilities have {shape}: give "
                "the truth of this image."
            )
        self._maps, self._truth, self._values = maps, truth, values
        self._unlabelled, self._device = unlabelled, device
        self._windows = self._labelled_windows()

    def variants(self, config: RefineConfig, name: str) -> list[RefineConfig]:
        """Valid configs with other values of one parameter, if it has an effect."""
        weights = [getattr(config.smoother, weight, 1) for weight in REQUIRED_WEIGHTS.get(name, ())]
        if 0 in weights:
            return []
        variants, start = [], getattr(config.smoother, name)
        for value in SEARCH_SPACE[config.method or ""][name](start):
            with suppress(ValueError):  # a value may be outside the limits of the method
                variant = _replace_parameter(config, name, value)
                self.require_possible(variant)
                variants.append(variant)
        has_image = self._maps.statistics is not None
        return [c for c in variants if c != config and (has_image or not c.uses_image)]

    def require_possible(self, config: RefineConfig) -> None:
        """ValueError if a config cannot smooth this image."""
        smoothing_method(config.smoother, self._maps.spacing)

    def score(self, config: RefineConfig) -> tuple[float, float]:
        """Mean IoU and mean Dice over the labelled pixels."""
        reports = [self._evaluate(config, frame, window) for frame, window in self._windows]
        pooled = sum(reports[1:], start=reports[0])
        return pooled.mean_iou, pooled.mean_dice

    def _evaluate(self, config: RefineConfig, frame: dict[str, int], window: Region) -> Any:
        labels = refine_region(self._maps, frame, window, config, self._values, device=self._device)
        truth = self._read_truth(frame, window)
        return evaluate(labels, truth, unlabelled=self._unlabelled, labels_are="classes")

    def _read_truth(self, frame: dict[str, int], window: Region) -> Any:
        axes = self._maps.image.label_axes
        truth = np.asarray(self._truth[self._maps.image.array_index(frame, window, axes)])
        remaining = [a for a in axes if a not in frame]
        return truth.transpose([remaining.index(a) for a in "ZYX"[-self._maps.ndim :]])

    def _labelled_windows(self) -> list[tuple[dict[str, int], Region]]:
        blocks = split_into_blocks(self._maps.spatial, WINDOW_PIXELS)
        windows = list(product(self._maps.frames(), blocks))
        counts = [int(np.count_nonzero(self._is_labelled(self._read_truth(*w)))) for w in windows]
        size = int(np.prod(self._maps.spatial)) * self._maps.image.frame_count(self._maps.ndim)
        limit = max(1, TOTAL_PIXELS * len(windows) // size)
        selected = [self._crop_to_labels(*windows[i]) for i in select_windows(counts, limit)]
        if not selected:
            raise ValueError(
                f"No pixel of the truth is labelled: every one is {self._unlabelled}, which "
                "counts as unlabelled. Paint some, or choose another truth."
            )
        return selected

    def _is_labelled(self, truth: Any) -> Any:
        return truth != self._unlabelled if self._unlabelled is not None else truth == truth

    def _crop_to_labels(
        self, frame: dict[str, int], window: Region
    ) -> tuple[dict[str, int], Region]:
        """Crop a window to the bounding box of its labels."""
        labelled = np.nonzero(self._is_labelled(self._read_truth(frame, window)))
        return frame, tuple(
            slice(w.start + int(i.min()), w.start + int(i.max()) + 1)
            for w, i in zip(window, labelled, strict=True)
        )


def select_windows(counts: Sequence[int], limit: int) -> list[int]:
    """Indices of the windows with the most labelled pixels, in order.

    Of windows with about as many, some are taken that are spread evenly.
    """
    labelled = [i for i, n in enumerate(counts) if n]
    if len(labelled) <= limit:
        return labelled
    least = sorted(counts)[-limit]  # of the windows with the highest counts
    best = [i for i in labelled if counts[i] * SIMILAR_COUNT > least]
    similar = [i for i in labelled if counts[i] >= least * SIMILAR_COUNT and i not in best]
    remaining = limit - len(best)
    spread = [similar[(2 * k + 1) * len(similar) // (2 * remaining)] for k in range(remaining)]
    return sorted(best + spread)
