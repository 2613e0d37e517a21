"""The validations of a training, and how they are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import mean
from typing import TYPE_CHECKING

from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.training.events import ValidationStep

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

MAX_CLASSES = 8  # that are told one by one, the worst first
MAIN_COLOR, OTHER_COLOR = "#a0a0a0", "#4e79a7"


@dataclass(frozen=True)
class Validation:
    """Scores of one validation; `iou` and `dice` by class value, for objects `f1` and `ap`."""

    step: int
    epoch: int
    score: float
    is_best: bool
    loss: float | None = None
    iou: Mapping[int, float] = field(default_factory=dict)
    dice: Mapping[int, float] = field(default_factory=dict)
    f1: float | None = None
    ap: float | None = None
    pixels: int = 0
    objects: int = 0
    images: int = 0


def validation_of(step: ValidationStep) -> Validation:
    """The scores of a step."""
    return Validation(
        step.done,
        step.epoch,
        step.score,
        step.is_best,
    )


def validations_of(trained: "TrainedModel | None") -> list[Validation]:
    """The validations of the training that has made a model."""
    return []


def best_of(validations: Sequence[Validation]) -> Validation | None:
    """The validation whose weights are kept."""
    return next((v for v in reversed(validations) if v.is_best), None)


def best_step(validations: Sequence[Validation]) -> int | None:
    """The step after which the best weights were kept."""
    best = best_of(validations)
    return None if best is None else best.step


def score_curves(
    validations: Sequence[Validation], classes: Sequence[LabelClass]
) -> dict[str, tuple[str, list[float]]]:
    """Colour and values of each score, by name; the one that decides comes first."""
    scores = {score_name(validations): (MAIN_COLOR, [v.score for v in validations])}
    if any(v.ap is not None for v in validations):
        return scores | {"AP": (OTHER_COLOR, [_or_nan(v.ap) for v in validations])}
    named = {c.value: c for c in classes}
    for value in sorted({value for v in validations for value in v.iou}):
        each = named.get(value) or LabelClass(value, f"class {value}", default_color(value))
        scores[each.name] = each.color, [v.iou.get(value, nan) for v in validations]
    return scores


def score_name(validations: Sequence[Validation]) -> str:
    """What decides which model is the best."""
    return "F1" if any(v.f1 is not None for v in validations) else "mean Dice"


def describe(validations: Sequence[Validation], classes: Sequence[LabelClass]) -> str:
    """The best validation in words, with what its figures rest on."""
    best = best_of(validations)
    if best is None:
        return ""
    last = validations[-1]
    later = "" if best is last else f" (epoch {last.epoch}: {last.score:.3f})"
    scores = f"Best of epoch {best.epoch}: {score_name(validations)} {best.score:.3f}{later}"
    return f"{scores}{_others(best, classes)}{_basis(best)}."


def _others(best: Validation, classes: Sequence[LabelClass]) -> str:
    if best.ap is not None:
        return f", AP {best.ap:.3f}"
    present = {value: iou for value, iou in best.iou.items() if not isnan(iou)}
    if not present:
        return ""
    names = {c.value: c.name for c in classes}
    worst = sorted(present, key=lambda value: present[value])
    told = [
        f"{names.get(v, f'class {v}')} {present[v]:.2f} ({best.dice.get(v, nan):.2f})"
        for v in worst[:MAX_CLASSES]
    ]
    more = f" and {len(worst) - MAX_CLASSES} more" if len(worst) > MAX_CLASSES else ""
    return f", mean IoU {mean(present.values()):.3f}. IoU (Dice): {', '.join(told)}{more}"


def _basis(best: Validation) -> str:
    """How much the figures rest on."""
    if not best.images:
        return ""
    images = "1 image" if best.images == 1 else f"{best.images} images"
    count, noun = (best.objects, "object") if best.objects else (best.pixels, "pixel")
    return f", on {count:,} {noun}{'' if count == 1 else 's'} of {images}"


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
