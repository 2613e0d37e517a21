"""Search for the refinement settings that agree best with a truth."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from napari_segkit.arguments import as_device, require_type
from napari_segkit.config import RefineConfig, SoftLabelConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.geometry import apart, warn_if_apart
from napari_segkit.images.types import ImageSource, LazyArray
from napari_segkit.refinement.pipeline import class_values
from napari_segkit.refinement.preview_region import refine_region
from napari_segkit.refinement.probability_maps import as_probability_maps
from napari_segkit.refinement.smooth import smoothing_method
from napari_segkit.steps import Step, drain

from .labelled_windows import LabelledTruth, Window
from .report import evaluate
from .search_space import SEARCH_SPACE, variants
from .semantic import SemanticReport

if TYPE_CHECKING:
    from pandas import DataFrame


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


def table_row(trial: Trial) -> dict[str, object]:
    """A trial as a row of a table; parameters of other methods are left out."""
    names = SEARCH_SPACE.get(trial.config.method or "", ())
    chosen = {name: getattr(trial.config.smoother, name) for name in names}
    method = {"method": trial.config.method or "none"}
    return method | chosen | {"mean_iou": trial.mean_iou, "mean_dice": trial.mean_dice}


def fit_refinement(
    probabilities: LazyArray | ArrayLike,
    image: ImageSource | None,
    truth: ImageSource,
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
    probabilities: LazyArray | ArrayLike,
    image: ImageSource | None,
    truth: ImageSource,
    config: RefineConfig,
    *,
    values: Sequence[int] | None = None,
    unlabelled: int | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
) -> Generator[Trial, None, SearchResult]:
    """Try one refinement after another: the generator behind `fit_refinement`."""
    require_type("config", config, RefineConfig)
    config_fields(SoftLabelConfig)["unlabelled"].check(unlabelled, "unlabelled")
    if config.method is None:
        raise ValueError("Nothing to fit: choose a smoothing method, such as method='crf'.")
    warn_if_apart(apart(image, truth, axes))
    needs_image = image is not None or config.uses_image
    maps = as_probability_maps(
        probabilities, image, axes=axes, spacing=spacing, uses_image=needs_image
    )
    checked = class_values(values, maps.probabilities.shape[0], config)
    labelled = LabelledTruth(maps, full_resolution(truth, "truth"), unlabelled)
    search = RefinementSearch(labelled, checked, as_device(device))
    smoothing_method(config.smoother, maps.spacing)  # refuses what cannot smooth this image
    return (yield from search.trials(config))


class RefinementSearch:
    """Compares refinements on the windows of an image with the most labels."""

    def __init__(self, truth: LabelledTruth, values: Sequence[int], device: str) -> None:
        self._truth, self._values, self._device = truth, values, device
        self._windows = truth.windows()
        self._trials: dict[RefineConfig, Trial] = {}

    def trials(self, config: RefineConfig) -> Generator[Trial, None, SearchResult]:
        """Try no smoothing, the initial settings, and one parameter after the other."""
        names = list(SEARCH_SPACE[config.method or ""])
        first = [replace(config, method=None), config]
        yield from self._try_all(first, self._count_variants(config, names))
        best = config
        for position, name in enumerate(names):
            remaining = self._count_variants(best, names[position + 1 :])
            yield from self._try_all(self._variants(best, name), remaining)
            smoothed = [t for t in self._trials.values() if t.config.method]
            best = max(smoothed, key=lambda trial: trial.mean_iou).config
        return SearchResult(tuple(self._trials.values()))

    def _try_all(self, configs: list[RefineConfig], later: int) -> Iterator[Trial]:
        for position, config in enumerate(configs):
            done = len(self._trials)
            first, *others = [self._evaluate(config, window) for window in self._windows]
            pooled = sum(others, first)
            trial = Trial(
                done + 1,
                done + len(configs) - position + later,
                config,
                pooled.mean_iou,
                pooled.mean_dice,
            )
            self._trials[config] = trial
            yield trial

    def _evaluate(self, config: RefineConfig, window: Window) -> SemanticReport:
        truth, maps = self._truth, self._truth.maps
        labels = refine_region(
            maps, window.frame, window.region, config, self._values, device=self._device
        )
        unlabelled = truth.unlabelled
        return evaluate(labels, truth.read(window), unlabelled=unlabelled, labels_are="classes")

    def _count_variants(self, best: RefineConfig, names: Sequence[str]) -> int:
        return sum(len(self._variants(best, name)) for name in names)

    def _variants(self, config: RefineConfig, name: str) -> list[RefineConfig]:
        """Configs with other values of one parameter that can smooth this image."""
        return [variant for variant in variants(config, name) if self._is_possible(variant)]

    def _is_possible(self, config: RefineConfig) -> bool:
        maps = self._truth.maps
        with suppress(ValueError):
            smoothing_method(config.smoother, maps.spacing)
            return maps.statistics is not None or not config.uses_image
        return False
