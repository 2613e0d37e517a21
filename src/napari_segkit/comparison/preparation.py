"""What counts in each image of a comparison, found before anything is predicted."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

from napari_segkit.evaluation.slab_reader import get_labels
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.io.filenames import shorten
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Step

from .cases import Case
from .unseen import Mask, Seen, count_left, seen_by
from .views import View, Window, as_shown, new_view, shown_cases, window_of

CHOSEN_BY = (
    "Most of what is labelled was trained on or held out: what was held out counts, too. The best "
    "weights were chosen by it, so the metrics may be too high; images of a test set are better."
)


@dataclass(frozen=True, eq=False)
class Counted:
    """An image of which some pixels count, and the window of it that is shown."""

    number: int  # among all that were given
    case: Case
    mask: Mask | None = None  # of what does not count
    window: Window | None = None
    view: View | None = None


@dataclass(frozen=True, eq=False)
class Preparation:
    """The images that are compared, and what was left out of them."""

    images: list[Counted]
    notes: tuple[str, ...]

    def views_of(self, names: Iterable[str]) -> tuple[View, ...]:
        """The views, with the predictions of these names."""
        views = (each.view for each in self.images if each.view is not None)
        return tuple(
            replace(view, predictions={name: view.predictions[name] for name in names})
            for view in views
        )


def prepare(
    cases: Sequence[Case], models: Sequence[Segmenter], unlabelled: int | None
) -> Generator[Step, object, Preparation]:
    """Read each image once, with a step for each."""
    seen: list[Seen] = []
    for number, case in enumerate(cases, 1):
        seen.append(_seen(case, models))
        yield Step(number, len(cases))
    validated = _validation_is_left_out(cases, seen, unlabelled)
    masks = [each.mask(validated=validated) for each in seen]
    kept = [
        Counted(number, case, mask)
        for number, (case, mask) in enumerate(zip(cases, masks, strict=True))
        if count_left(case.open_truth(), mask, unlabelled)
    ]
    if not kept:
        raise ValueError(
            "Nothing is left to compare: every pixel of the truth is unlabelled, or was trained "
            "on by one of the models. Give other images."
        )
    shown = shown_cases(len(kept))
    images = [_with_view(c) if number in shown else c for number, c in enumerate(kept)]
    notes = () if validated else (CHOSEN_BY,)
    return Preparation(images, (*_notes(cases, kept), *notes))


def _seen(case: Case, models: Sequence[Segmenter]) -> Seen:
    if not models or case.image is None:
        return Seen()
    truth = case.open_truth()
    shape = full_resolution(get_labels(truth), "truth").shape
    return seen_by(models, case.open_image(shape), truth)


def _validation_is_left_out(
    cases: Sequence[Case], seen: Sequence[Seen], unlabelled: int | None
) -> bool:
    """Whether more is unseen than was held out, by which the best weights were chosen."""
    held_out = sum(int(s.validated.sum()) for s in seen if s.validated is not None)
    if not held_out:
        return True
    each = zip(cases, seen, strict=True)
    left = sum(count_left(c.open_truth(), s.mask(validated=True), unlabelled) for c, s in each)
    return left > held_out


def _with_view(counted: Counted) -> Counted:
    case, truth = counted.case, counted.case.open_truth()
    shape = full_resolution(get_labels(truth), "truth").shape
    source = case.open_image(shape)
    image = None if source is None else as_shown(source, shape)
    window = window_of(truth, image)
    return replace(counted, window=window, view=new_view(case.name, window, image, truth))


def _notes(cases: Sequence[Case], kept: Sequence[Counted]) -> list[str]:
    trained = sum(int(c.mask.sum()) for c in kept if c.mask is not None)
    names = [case.name for case in cases if all(case is not c.case for c in kept)]
    notes = [f"{trained:,} pixels that a model has learned from are left out."] if trained else []
    if names:
        notes.append(f"Left out, because no pixel of them counts: {shorten(names)}.")
    return notes
