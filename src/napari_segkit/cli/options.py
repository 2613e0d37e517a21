"""Command line options made from the configuration dataclasses."""

import os
from argparse import SUPPRESS, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from napari_segkit.config._schema import (
    Checked,
    ConfigField,
    change,
    config_fields,
    from_text,
    nested,
)
from napari_segkit.config.options import options_from_text
from napari_segkit.error_messages import translate_arguments

if TYPE_CHECKING:
    from argparse import _ActionsContainer

C = TypeVar("C", bound=Checked)


def add_options(
    parser: "_ActionsContainer",
    config: Checked,
    *,
    only: Collection[str] | None = None,
    names: Mapping[str, str] | None = None,
    prefix: str = "",
    suppress: bool = False,
) -> None:
    """Add an option for each field: values are defaults, the docstring is the help.

    Fields of nested configurations become options, too; for a name that occurs twice, the outer
    field has the option, unless it is the nested configuration itself. `only` selects fields,
    `names` maps a field to another option name, `prefix` goes before all names, and `suppress`
    leaves options not given out of the result.
    """
    for field, value in _fields(config, frozenset()):
        if only is None or field.name in only:
            option = flag(prefix + (names or {}).get(field.name, field.name))
            default = SUPPRESS if suppress else value
            _add_option(parser, option, prefix + field.name, field, default, _help(field, value))


def read_options(args: Namespace, config: C, *, prefix: str = "") -> C:
    """Replace fields by the options of `add_options`; ValueError if one is beyond its limits."""
    values = {k[len(prefix) :]: v for k, v in vars(args).items() if k.startswith(prefix)}
    try:
        return _read(values, config, frozenset())
    except (ValueError, TypeError) as error:
        error.args = (_fields_as_options(str(error), prefix),)
        raise


def _fields_as_options(message: str, prefix: str) -> str:
    """``TrainConfig.epochs is 0`` as ``--epochs is 0``, ``kind='instance'`` as an option, too."""
    return translate_arguments(message, lambda name, value: option_text(prefix + name, value))


def option_text(name: str, value: str) -> str:
    """``labels_are``, ``objects`` as ``--labels-are objects``; of ``true`` the flag alone."""
    return flag(name) if value == "true" else f"{flag(name)} {value}".rstrip()


def flag(name: str) -> str:
    """Option name of a field: ``min_size`` as ``--min-size``."""
    return "--" + name.replace("_", "-")


def threads(text: str) -> int:
    """Read a number of CPU threads, at most one for each core of the computer."""
    cores = os.cpu_count() or 1
    if not (text.isdecimal() and 1 <= int(text) <= cores):
        raise ArgumentTypeError(
            f"{text!r} is not a whole number from 1 to {cores}, the cores of this computer"
        )
    return int(text)


def require_texts(args: Namespace) -> None:
    """Refuse an empty text, such as an unset variable of the shell leaves, and one with a NUL."""
    for name, value in vars(args).items():
        texts = value if isinstance(value, list | tuple) else [value]
        for text in (text for text in texts if isinstance(text, str)):
            if not text.strip() or "\0" in text:
                argument = name.replace("_", "-")
                raise ValueError(f"{argument} is {text!r}: give a name or value, or leave it out.")


def numbers(text: str) -> list[float]:
    """Read comma-separated numbers, such as "2,0.5,0.5"."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not numbers with commas, such as 2,0.5,0.5") from None


def _named_value(text: str) -> Mapping[str, object]:
    """Read "name=value"."""
    try:
        return options_from_text(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def names(text: str) -> tuple[str, ...]:
    """Read comma-separated names, such as "sky,grass"."""
    return tuple(part.strip() for part in text.split(","))


def _fields(config: Checked, taken: frozenset[str]) -> Iterator[tuple[ConfigField, object]]:
    """The fields with an option, and their values; not those in `taken`."""
    outer = config_fields(type(config))
    for name, field in outer.items():
        value = getattr(config, name)
        if isinstance(value, Checked):
            yield from _fields(value, taken | (set(outer) - {name}))
        elif name not in taken:
            yield field, value


def _read(values: Mapping[str, object], config: C, taken: frozenset[str]) -> C:
    names = set(config_fields(type(config)))
    inner = nested(type(config))
    changes = {name: values[name] for name in (names - taken - set(inner)) & set(values)}
    for name, given in changes.items():
        if isinstance(given, list):  # of options, one for each time they were given
            changes[name] = dict(ChainMap(*reversed(given), getattr(config, name)))
    read = {n: _read(values, getattr(config, n), taken | (names - {n})) for n in inner}
    return change(config, changes | read)


def _add_option(
    parser: "_ActionsContainer",
    option: str,
    dest: str,
    field: ConfigField,
    default: object,
    help_text: str,
) -> None:
    if field.kind is bool:
        parser.add_argument(
            option, dest=dest, default=default, action=BooleanOptionalAction, help=help_text
        )
        return
    if field.kind is Mapping:
        parser.add_argument(
            option, dest=dest, default=default if default is SUPPRESS else [], help=help_text,
            action="append", type=_named_value, metavar="NAME=VALUE",
        )  # fmt: skip
        return
    convert: Callable[[str], object] = _or_none(field) if field.optional else field.kind
    listed = field.choices and not field.optional
    parser.add_argument(
        option,
        dest=dest,
        default=default,
        help=help_text,
        type=convert,
        choices=field.choices if listed else None,
        metavar=None if listed else _metavar(field),
    )


def _metavar(field: ConfigField) -> str:
    if field.choices:
        return f"{{{','.join((*field.choices, 'none'))}}}"
    kind = f"{field.items.__name__}[,...]" if field.kind is tuple else field.kind.__name__
    return kind.upper() + "|none" * field.optional


def _help(field: ConfigField, default: object) -> str:
    low, high = field.limits.get("min"), field.limits.get("max")
    notes = [] if low is None else [f"at least {low}"]
    notes += [] if high is None else [f"at most {high}"]
    notes.append(f"default {'none' if default in (None, {}) else default}")
    return f"{field.about} ({', '.join(notes)})".replace("%", "%%")


def _or_none(field: ConfigField) -> Callable[[str], object]:
    """Read a value or "none"."""

    def convert(text: str) -> object:
        if field.choices and text not in (*field.choices, "none"):
            choices = ", ".join((*field.choices, "none"))
            raise ArgumentTypeError(f"{text!r} is not one of {choices}")
        return None if text.lower() == "none" else from_text(field, text)

    # argparse shows it in its error message
    convert.__name__ = f"{'whole number' if field.single else field.kind.__name__} or none"
    return convert
