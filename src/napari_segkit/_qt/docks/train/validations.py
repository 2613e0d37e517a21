"""The validations of a training, and how they are told."""

from collections.abc import Sequence
from math import isnan, nan
from statistics import mean

from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.training.events import ValidationStep

MAX_CLASSES = 8  # that are told one by one, the worst first
MAIN_COLOR, OTHER_COLOR = "#a0a0a0", "#4e79a7"


def best_of(validations: Sequence[ValidationStep]) -> ValidationStep | None:
    """The validation whose weights are kept."""
    return next((v for v in reversed(validations) if v.is_best), None)


def best_step(validations: Sequence[ValidationStep]) -> int | None:
    """The step after which the best weights were kept."""
    best = best_of(validations)
    return None if best is None else best.done


def score_curves(
    validations: Sequence[ValidationStep], classes: Sequence[LabelClass]
) -> dict[str, tuple[str, list[float]]]:
    """Colour and values of each score, by name or class value; the one that decides comes first."""
    scores = {score_name(validations): (MAIN_COLOR, [v.score for v in validations])}
    if are_objects(validations):
        return scores | {"AP": (OTHER_COLOR, [v.ap for v in validations])}
    named = {c.value: c for c in classes}
    for value in sorted({value for v in validations for value in v.iou}):
        each = named.get(value) or LabelClass(value, f"class {value}", default_color(value))
        scores[str(value)] = each.color, [v.iou.get(value, nan) for v in validations]
    return scores


def score_name(validations: Sequence[ValidationStep]) -> str:
    """What decides which model is the best."""
    return "F1" if are_objects(validations) else "mean Dice"


def are_objects(validations: Sequence[ValidationStep]) -> bool:
    """Whether objects were compared, not classes."""
    return any(not isnan(v.f1) for v in validations)


def describe(validations: Sequence[ValidationStep], classes: Sequence[LabelClass]) -> str:
    """The best validation in words, with what its figures rest on."""
    best = best_of(validations)
    if best is None:
        return ""
    last = validations[-1]
    later = "" if best is last else f" (epoch {last.epoch}: {last.score:.3f})"
    scores = f"Best of epoch {best.epoch}: {score_name(validations)} {best.score:.3f}{later}"
    return f"{scores}{_others(best, classes)}, on {best.basis}."


def _others(best: ValidationStep, classes: Sequence[LabelClass]) -> str:
    if not isnan(best.f1):
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
