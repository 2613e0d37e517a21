"""JSON of a file that may have been changed: what is read is checked value by value."""

import json
import re
from collections.abc import Mapping, Sequence
from sys import float_info
from typing import Any, TypeVar

from napari_segkit.error_messages import printable
from napari_segkit.images.classes import MAX_NAME, LabelClass

# Errors that contents other than expected can cause.
MALFORMED = (  # RecursionError is a RuntimeError
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError),
    ValueError,
)
MAX_HEADER = 2**25  # bytes; a history takes about 20 for each step
MAX_BRACKETS = 2**17  # a list or dict takes a hundred times the memory of its two brackets
MAX_REASON = 300  # letters of a reason, which may quote the file
MAX_NUMBER = float_info.max

Header = dict[str, Any]  # JSON values, unchecked where they come from a file
T = TypeVar("T")


def first_line(error: Exception) -> str:
    """The reason in a message about a malformed file."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return printable(text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} …")


def parse_json(text: str | bytes) -> Header:
    """A JSON object; ValueError if it is another value, names a key twice or is too large."""
    opening = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if len(text) > MAX_HEADER or sum(map(text.count, opening)) > MAX_BRACKETS:  # type: ignore[arg-type]
        raise ValueError("its header is too large")
    try:
        parsed = json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError("its header is no JSON object")
    return parsed


def as_typed(value: object, kind: type[T], name: str) -> T:
    if type(value) is not kind:
        raise ValueError(f"invalid {name}")
    return value


def as_list(value: object, name: str) -> list[Any]:
    return as_typed(value, list, name)


def as_text(value: object, name: str, longest: int = MAX_NAME) -> str:
    """A text without characters that a terminal would obey."""
    text = as_typed(value, str, name)
    if len(text) > longest:
        raise ValueError(f"invalid {name}")
    return printable(text)


def as_whole(value: object, name: str, low: int = 0, high: int = 2**31 - 1) -> int:
    number = as_typed(value, int, name)
    if not low <= number <= high:
        raise ValueError(f"invalid {name}")
    return number


def as_number(
    value: object, name: str, low: float = -MAX_NUMBER, high: float = MAX_NUMBER
) -> float:
    """A number that is finite."""
    if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
        raise ValueError(f"invalid {name}")
    return float(value)  # type: ignore[arg-type]


def as_numbers(value: object, name: str, low: float = -MAX_NUMBER) -> tuple[float, ...]:
    return tuple([as_number(number, name, low) for number in as_list(value, name)])


def as_class(written: Mapping[str, object]) -> LabelClass:
    color = as_text(written["color"], "colour")
    if set(written) != {"value", "name", "color"} or not re.fullmatch("#[0-9a-fA-F]{6}", color):
        raise ValueError("invalid class")
    return LabelClass(as_whole(written["value"], "class"), as_text(written["name"], "class"), color)


def _unique(pairs: Sequence[tuple[str, object]]) -> Header:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("its header names a key twice")
    return values
