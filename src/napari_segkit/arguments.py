"""Checks of arguments that need no other module: what was given is said in a few words."""

import reprlib
from collections.abc import Iterable, Mapping, Set
from math import inf
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any

LONGEST_TEXT = 60  # of a value in a message
LONGEST_NUMBER = 200  # bits
LONGEST_NAME = 255  # bytes of a file name, on nearly every disk
LARGEST_CLASS = 2**31 - 1  # what a model file and other programs store
LARGEST_SIZE = 1e30  # of a pixel
DEVICES = "give 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = LONGEST_TEXT


def given(value: object) -> str:
    """What was given, for a message: short values as they are, others by shape or type."""
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        return "a number of more than 60 digits"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"an array of shape {tuple(shape)}" if shape else " ".join(repr(value).split())
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | PathLike):
        return _repr.repr(value)
    if isinstance(value, list | tuple | Set | Mapping) and all(map(_is_plain, value)):
        return _repr.repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return with_article(type(value).__name__)


def with_article(noun: str) -> str:
    """A noun after "a" or "an"."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def require_type(name: str, value: object, *kinds: type, hint: str = "") -> None:
    """Refuse a value of another type, with what to give instead."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} is {given(value)}: give {with_article(wanted)}{hint}.")


def require_optional(name: str, value: object, kind: type) -> None:
    """As `require_type`, of an argument that may be None."""
    if value is not None:
        require_type(name, value, kind, hint=", or leave it out")


def require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {given(value)}: give True or False.")


def require_whole(
    name: str, value: object, wanted: str, low: float = -inf, high: float = inf
) -> None:
    """Refuse what is no whole number from `low` to `high`; `wanted` says which in the message."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise ValueError(f"{name} is {given(value)}: give {wanted}.")


def as_path(name: str, value: object) -> Path:
    """A path that a file can have; its folder need not exist."""
    if not isinstance(value, str | PathLike) or not isinstance(text := fspath(value), str):
        raise TypeError(f"{name} is {given(value)}: give the path of a file as text or as a Path.")
    if not text.strip() or "\0" in text:
        raise ValueError(f"{name} is {given(text)}, which no file can be called: give a name.")
    path = Path(text)
    if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in path.parts):
        raise ValueError(f"{name} is {given(text)}, which is too long: give a shorter name.")
    return path


def as_device(device: object) -> str:
    """Name of a device, which may be one of torch's own."""
    if type(device).__module__ == "torch" and type(device).__name__ == "device":
        return str(device)
    if not isinstance(device, str):
        raise TypeError(f"device is {given(device)}: {DEVICES}.")
    return device


def as_numbers(name: str, values: Any, wanted: str) -> list[float]:
    """Real numbers in a given order, integers as they are; `wanted` says which in the message."""
    ordered = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping | Set)
    items: list[Any] = list(values) if ordered and getattr(values, "ndim", 1) == 1 else [None]
    if not all(isinstance(item, Real) and not isinstance(item, bool) for item in items):
        raise TypeError(f"{name} is {given(values)}: give {wanted}.")
    return [int(i) if isinstance(i, Integral) else float(i) for i in items]


def as_label_values(values: Any, classes: int | None = None) -> tuple[int, ...]:
    """Values of classes, in a given order; if their number is known, different ones."""
    wanted = f"{classes or 'a list of'} different whole numbers from 0 to {LARGEST_CLASS}"
    numbers = as_numbers("values", values, wanted)
    fit = classes is None or len(numbers) == len(set(numbers)) == classes
    if not fit or not all(0 <= n <= LARGEST_CLASS and n == int(n) for n in numbers):
        raise ValueError(
            f"values={given(numbers)} cannot be the label values of {classes or 'the'} classes: "
            f"give {wanted}."
        )
    return tuple(map(int, numbers))


def as_spacing(spacing: Any, ndim: int) -> tuple[float, ...]:
    """Sizes of a pixel along `ndim` axes; 1 along those in front that were left out."""
    wanted = f"up to {ndim} positive numbers, for Z, Y, X"
    sizes = as_numbers("spacing", spacing, wanted)
    if not 0 < len(sizes) <= ndim or not all(0 < size <= LARGEST_SIZE for size in sizes):
        raise ValueError(f"spacing is {given(sizes)}: give {wanted}.")
    return (1.0,) * (ndim - len(sizes)) + tuple(map(float, sizes))


def as_learning_rates(rates: Any) -> tuple[float, ...]:
    """Learning rates of steps; none if they are left out."""
    if rates is None:
        return ()
    wanted = "numbers from 0 to 1, one for each step, or leave it out"
    numbers = as_numbers("learning_rates", rates, wanted)
    if not numbers or not all(0 <= rate <= 1 for rate in numbers):
        raise ValueError(f"learning_rates is {given(numbers)}: give {wanted}.")
    return tuple(map(float, numbers))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | complex | str | bytes)
