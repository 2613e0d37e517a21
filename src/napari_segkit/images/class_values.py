"""The values that classes are written with, for other programs: chosen classes, one mask, 0/255."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_segkit.config import MaskConfig

from .classes import LabelClass, default_color, joined_names, values_of
from .labels import to_indices
from .types import AnyArray

EXAMPLE = '"cell=255, wall=128"'


@dataclass(frozen=True)
class ClassValues:
    """The value that each class is written with; 0 elsewhere."""

    written: Mapping[int, int]  # class value -> value; 0 for those left out
    classes: tuple[LabelClass, ...]  # of the values that are written, rising

    def apply(self, labels: AnyArray) -> AnyArray:
        """Written values of class labels, in the smallest unsigned type."""
        values = sorted(self.written)
        table = [*(self.written[v] for v in values), 0]  # the last is that of no class
        return np.array(table, np.min_scalar_type(max(table)))[to_indices(labels, values)]


def class_values(
    classes: Sequence[LabelClass], config: MaskConfig, chosen: Collection[int] | None = None
) -> ClassValues:
    """What is asked for, of these classes; `chosen` are their values instead of `config.masks`.

    ValueError for unknown classes, and where classes could not be told from each other or from 0.
    """
    one, given = _read_values(config, classes)
    if chosen is None:
        chosen = _chosen(config, classes, given)
    _require_chosen(given, chosen, classes)
    own = {c.value: c.value if c.value in chosen else 0 for c in classes}
    written = {v: one if one and v in chosen else given.get(v, w) for v, w in own.items()}
    names = {c.value: c.name for c in classes}
    _require_rest(one, chosen, names)
    _require_distinct(chosen, given, one, names)
    return ClassValues(written, _written_classes(classes, written))


def _read_values(
    config: MaskConfig, classes: Sequence[LabelClass]
) -> tuple[int | None, dict[int, int]]:
    """The value of one mask, and the values given to classes."""
    text = config.values or ""
    pairs = [part.rpartition("=") for part in text.split(",")] if "=" in text else []
    numbers = [number.strip() for _, _, number in pairs] or [text.strip() or "1"]
    if not all(n.isdecimal() for n in numbers) or not all(equals for _, equals, _ in pairs):
        raise ValueError(
            f"The values {text!r} cannot be read: give each class a whole number, such as "
            f"{EXAMPLE}, or one number for all, such as 255."
        )
    if any(int(n) >= 2**32 for n in numbers) or (not pairs and int(numbers[0]) == 0):
        raise ValueError(f"The values are {text!r}: give numbers from 1 to 4294967295.")
    if pairs and config.one_mask:
        raise ValueError(
            f"One mask has one value, but the values are {text!r}: give one number, such as 255."
        )
    if not pairs:
        return (int(numbers[0]) if config.one_mask or text else None), {}
    named = values_of([name.strip() for name, _, _ in pairs], classes)
    return None, dict(zip(named, map(int, numbers), strict=True))


def _chosen(
    config: MaskConfig, classes: Sequence[LabelClass], given: Mapping[int, int]
) -> set[int]:
    """Values of the classes to write: all but 0, or those that are named."""
    if config.masks is None or config.masks.strip() == "all":
        return {c.value for c in classes if c.value != 0} | set(given)
    return set(values_of([name.strip() for name in config.masks.split(",")], classes))


def _require_chosen(
    given: Mapping[int, int], chosen: Collection[int], classes: Sequence[LabelClass]
) -> None:
    if others := set(given) - set(chosen):
        names = [joined_names([c for c in classes if c.value in each]) for each in (others, chosen)]
        raise ValueError(
            f"The values name {names[0]}, but only {names[1]} is written: leave it out of the "
            "values, or choose its class, too."
        )


def _require_rest(one: int | None, chosen: Collection[int], names: Mapping[int, str]) -> None:
    if one is not None and set(names) <= set(chosen):
        raise ValueError(
            f"One mask of all classes, {', '.join(names.values())}, would be the same everywhere: "
            "choose the classes of the mask."
        )


def _require_distinct(
    chosen: Collection[int], given: Mapping[int, int], one: int | None, names: Mapping[int, str]
) -> None:
    """Refuse classes that nobody asked to merge."""
    kept = set() if one else {v for v in chosen if v not in given}
    if 0 in kept:
        raise ValueError(
            f"The class {names[0]!r} has the value 0, which stands for all that is left out: give "
            f'it another, such as "{names[0]}=255".'
        )
    for value, number in given.items():
        if number in kept:
            raise ValueError(
                f"{names[value]!r} would be written as {number}, which is the value of "
                f"{names[number]!r}: give that class another value, too."
            )


def _written_classes(
    classes: Sequence[LabelClass], written: Mapping[int, int]
) -> tuple[LabelClass, ...]:
    groups: dict[int, list[LabelClass]] = {}
    for c in classes:
        groups.setdefault(written[c.value], []).append(c)
    return tuple(_merged(value, groups[value]) for value in sorted(groups))


def _merged(value: int, group: Sequence[LabelClass]) -> LabelClass:
    """One class for several; what is left out is background."""
    background = [c for c in group if c.value == 0] if value == 0 else []
    if background:
        return background[0]
    if value == 0 and len(group) > 1:
        return LabelClass(0, "background", default_color(0))
    return LabelClass(value, joined_names(group), group[0].color)
