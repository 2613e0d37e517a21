"""Named values of libraries, such as the options of a network's builder."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from napari_segkit.arguments import given

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | None"
WORDS = {"none": None, "true": True, "false": False}


class Options(Mapping[str, Value]):
    """Names and values in alphabetical order, which can be hashed and written as JSON.

    Lists become tuples. TypeError for other values than numbers, texts, None and lists of them.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = {name: _value(name, values[name]) for name in sorted(values)}

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)


def options_from_text(text: str) -> dict[str, Value]:
    """Options as people write them: "decoder_dropout=0.2; decoder_channels=64,32,16"."""
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    wrong = [name for name, equals, value in parts if not (name.strip() and equals and value)]
    if wrong:
        raise ValueError(
            f"{wrong[0].strip()!r} has no value: write name=value, such as decoder_dropout=0.2, "
            "and a ; between several."
        )
    return {name.strip(): _from_text(value.strip(" []()")) for name, _, value in parts}


def options_to_text(options: Mapping[str, Value]) -> str:
    """Inverse of `options_from_text`."""
    return "; ".join(f"{name}={_to_text(value)}" for name, value in options.items())


def _value(name: str, value: object) -> Value:
    if isinstance(value, list | tuple):
        return tuple(_value(name, v) for v in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"The option {name} is {given(value)}: give a number, a text, None, or a list of them."
    )


def _from_text(text: str) -> Value:
    if "," in text:
        return tuple(_from_text(part.strip()) for part in text.split(",") if part.strip())
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _to_text(value: Value) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_to_text, value)) + "," * (len(value) == 1)
    return str(value)
