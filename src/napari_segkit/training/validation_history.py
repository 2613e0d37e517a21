"""The validations of the training that has made a model, from its provenance."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import nan
from typing import TYPE_CHECKING, Any

from .events import ValidationStep

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


def validations_of(model: "TrainedModel") -> list[ValidationStep]:
    """All validations, or the one that is known of a model; none if a file holds no figures."""
    total, best = len(model.history), model.provenance.get("validation")
    every = model.provenance.get("validations")
    if not isinstance(every, list):
        every = [{"step": total, "is_best": True, **best}] if isinstance(best, Mapping) else []
    return list(_read(every, total))


def _read(every: list[Any], total: int) -> Iterator[ValidationStep]:
    """The figures that can be read: a file may have been changed."""
    for figures in every:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            yield _step(figures, total)


def _step(figures: Mapping[str, Any], total: int) -> ValidationStep:
    numbers = {
        name: _number(figures.get(name)) for name in ("score", "loss", "train_loss", "f1", "ap")
    }
    counts = {name: int(figures.get(name, 0)) for name in ("pixels", "objects", "images")}
    return ValidationStep(
        int(figures["step"]),
        total,
        int(figures["epoch"]),
        numbers["score"],
        bool(figures["is_best"]),
        numbers["loss"],
        numbers["train_loss"],
        _by_class(figures.get("iou", {})),
        _by_class(figures.get("dice", {})),
        numbers["f1"],
        numbers["ap"],
        counts["pixels"],
        counts["objects"],
        counts["images"],
        figures.get("separation"),
    )


def _by_class(values: Mapping[str, Any]) -> dict[int, float]:
    return {int(value): _number(number) for value, number in values.items()}


def _number(value: Any) -> float:
    return nan if value is None else float(value)
