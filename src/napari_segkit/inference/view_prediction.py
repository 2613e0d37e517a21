"""Predict what is looked at of an image, view after view, until nobody looks any more."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.regions import Box
from napari_segkit.steps import Step, Waiting

from .plan import TilePlan, make_grid, make_plan, unmeasured_plan
from .request import PredictRequest
from .view_cache import ViewCache
from .view_cells import LevelCells, Place
from .view_levels import previews_from, view_levels

PREVIEW_TILES = 4  # that the preview of a view is made of, at most if a level is coarse enough


@dataclass(frozen=True)
class Look:
    """What a person looks at: a box of the finest level, along the axes of the labels."""

    box: Box
    level: int  # that the canvas shows


@dataclass(frozen=True)
class ViewStep(Step):
    """Progress in what is looked at: its tiles that are predicted."""

    is_preview: bool = False  # whether anything else in view is shown as a preview
    seconds_left: float = 0.0

    @property
    def text(self) -> str:
        """Such as "In view: 3 of 20 tiles, the rest is a preview"."""
        if not self.total:
            return "Measuring the image"
        rest = ", the rest is a preview" * self.is_preview
        return f"In view: {self.done} of {self.total} tiles predicted{rest}"


@dataclass(frozen=True)
class ViewWaiting(Waiting, ViewStep):
    """All that is looked at is predicted."""

    @property
    def text(self) -> str:
        """As that of a step, or that nothing can be."""
        return super().text if self.total else "Nothing of the image is in view"


class ViewPrediction:
    """Predicts what `look` says, the middle first; what is predicted once stays in `cache`.

    The labels are those of a prediction of the whole image. Where a coarser level is looked at, a
    preview of it comes first: what the model predicts on this level, as if it was the finest.

    Parameters
    ----------
    request : PredictRequest
        Model, settings and image, as for a prediction of all of it.
    levels : sequence of AxesImage
        The image, and its coarser levels if it has some.

    Raises
    ------
    ValueError
        If the labels depend on more than their tiles: objects, refined or resampled ones.
    """

    def __init__(self, request: PredictRequest, levels: Sequence[AxesImage]) -> None:
        _require_tiles_alone(request)
        self._request, self._previews_from = request, previews_from(levels)
        self.image, self.classes = request.image, request.model.all_classes
        self._images = view_levels(levels)
        self.cache = ViewCache(
            [image.label_shape for image in self._images],
            _chunk(request),
            request.model.values,
        )
        self.look: Look | None = None  # may be set at any time, by any thread
        self._levels: dict[int, LevelCells] = {}
        self._pace = 0.0  # seconds of a tile

    def steps(self) -> Generator[Step, object, None]:
        """Predict what is looked at; it waits where all of that is known, and does not end."""
        done = ViewWaiting(0, 0)
        yield ViewStep(0, 0)
        self._request.model.to(self._request.device)
        while True:
            look = self.look
            if look is not None:
                done = yield from self._predict(look)
            if self.look is look:
                yield done

    def shows_preview(self, look: Look) -> bool:
        """Whether anything that is looked at is shown as a preview."""
        return self.cache.shows_preview(look.level, self.cache.box_at(look.level, look.box))

    def _predict(self, look: Look) -> Generator[Step, object, ViewWaiting]:
        """Predict until all of it is known, or something else is looked at."""
        self.cache.load(look.level, look.box)
        finest = self._cells(0)
        missing, total = finest.missing(look.box), finest.count(look.box)
        yield self._step(look, total - len(missing), total)
        level = self._preview_level(look) if missing else None
        previews = [] if level is None else self._open_places(level, look)
        work = [(level or 0, place) for place in previews] + [(0, place) for place in missing]
        for number, (at, place) in enumerate(work):
            done = total - len(missing) + max(0, number - len(previews))
            for _ in self._predict_cell(at, place):
                yield self._step(look, done, total)
                if self.look is not look:
                    return ViewWaiting(done, total)
        return ViewWaiting(total, total)

    def _step(self, look: Look, done: int, total: int) -> ViewStep:
        return ViewStep(done, total, self.shows_preview(look), self._pace * (total - done))

    def _predict_cell(self, level: int, place: Place) -> Generator[None, None, None]:
        """Predict a cell of a level; what is known of it after each tile is shown."""
        cells, began = self._cells(level), monotonic()
        tiles = cells.predict(place)
        while True:
            try:
                box, labels = next(tiles)
            except StopIteration as end:
                labels = end.value
                break
            self._measure(monotonic() - began)
            self.cache.write_preview(level, box, labels)
            yield
            began = monotonic()
        if level:
            self.cache.write_preview(level, cells.box(place), labels)
        else:
            self.cache.write(cells.box(place), labels)
        cells.finish(place)  # not before: a full disk ends this, and it is begun again

    def _measure(self, seconds: float) -> None:
        """Note how long a tile has taken; the first one loads the network."""
        self._pace = 0.8 * self._pace + 0.2 * seconds if self._pace else seconds

    def _open_places(self, level: int, look: Look) -> list[Place]:
        """The cells of a preview that show anything that is not predicted."""
        cells, box = self._cells(level), self.cache.box_at(level, look.box)
        known = self.cache.is_predicted
        return [place for place in cells.missing(box) if not known(level, cells.box(place))]

    def _preview_level(self, look: Look) -> int | None:
        """The finest level from that which is shown on that is predicted quickly, if any."""
        first = max(look.level, self._previews_from)
        for level in range(first, len(self._images) if look.level else 0):
            work = self._cells(level).work(self.cache.box_at(level, look.box))
            if work <= PREVIEW_TILES or level == len(self._images) - 1:
                return level
        return None

    def _cells(self, level: int) -> LevelCells:
        if level not in self._levels:
            self._levels[level] = LevelCells(self._plan(level))
        return self._levels[level]

    def _plan(self, level: int) -> TilePlan:
        """The plan of a level; the intensities are those of the finest."""
        request = self._request
        if level == 0:
            return make_plan(
                request.model,
                request.image,
                request.tile,
                request.device,
                request.statistics,
                request.config,
            )
        image = self._images[level]
        grid = make_grid(request.model, image, request.tile)
        return replace(self._cells(0).plan, original=image, image=image, grid=grid, _incomplete=[])


def _chunk(request: PredictRequest) -> tuple[int, ...]:
    """A cell of the grid."""
    model, grid = request.model, make_grid(request.model, request.image, request.tile)
    lengths = dict(zip(SPATIAL[-model.ndim :], grid.steps, strict=True))
    return tuple([lengths.get(axis, 1) for axis in request.image.label_axes])


def _require_tiles_alone(request: PredictRequest) -> None:
    plan = unmeasured_plan(request.model, request.image, request.tile, request.config, None)
    if plan.needs_whole_frames:
        what = (
            "objects"
            if request.model.predicts_objects
            else "resampled images"
            if plan.resamples
            else "refined labels"
        )
        raise ValueError(
            f"What is in view cannot be followed with {what}, which depend on more than their "
            "tiles: predict what is in view, or choose a model and settings without them."
        )
    if request.config.three_axes:
        raise ValueError(
            "What is in view cannot be followed with the mean over three axes, which needs the "
            "whole volume: leave three_axes out, or predict what is in view."
        )
    if request.config.uncertainty or request.probabilities:
        raise ValueError(
            "Where the view is followed, labels are shown only: choose no uncertainty and no "
            "probabilities."
        )
