"""Command line options made from the configuration dataclasses."""

from argparse import SUPPRESS, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from napari_segkit.config._schema import config_fields

if TYPE_CHECKING:
    from argparse import _ActionsContainer

C = TypeVar("C")
LIMITS = {"min": "at least", "max": "at most"}


@dataclass(frozen=True)
class _Field:
    name: str
    hint: Any
    limits: Mapping[str, Any]
    default: Any
    about: str


def add_options(
    parser: "_ActionsContainer",
    config: Any,
    *,
    only: Collection[str] | None = None,
    names: Mapping[str, str] | None = None,
    prefix: str = "",
    suppress: bool = False,
) -> None:
    """Add an option for each field: values are defaults, the docstring is the help.

    Fields of nested configurations become options, too; for a name that occurs twice, the outer
    field has the option. `only` selects fields, `names` maps a field to another option name,
    `prefix` goes before all names, and `suppress` leaves options not given out of the result.
    """
    for field in _fields(config, set()):
        if only is None or field.name in only:
            option = flag(prefix + (names or {}).get(field.name, field.name))
            default = SUPPRESS if suppress else field.default
            dest = prefix + field.name
            parser.add_argument(option, dest=dest, default=default, **_argument(field))


def read_options(args: Namespace, config: C, *, prefix: str = "") -> C:
    """Replace fields by the options of `add_options`; ValueError if one is beyond its limits."""
    given = {k[len(prefix) :]: v for k, v in vars(args).items() if k.startswith(prefix)}
    return _read(given, config, set())


def flag(name: str) -> str:
    """Option name of a field: ``min_size`` as ``--min-size``."""
    return "--" + name.replace("_", "-")


def numbers(text: str) -> list[float]:
    """Read comma-separated numbers, such as "2,0.5,0.5"."""
    return [float(part) for part in text.split(",")]


def names(text: str) -> tuple[str, ...]:
    """Read comma-separated names, such as "sky,grass"."""
    return tuple(part.strip() for part in text.split(","))


def _fields(config: Any, taken: set[str]) -> Iterator[_Field]:
    from docstring_parser.numpydoc import parse

    about = {p.arg_name: p.description or "" for p in parse(type(config).__doc__ or "").params}
    outer = config_fields(type(config))
    for name, (hint, limits) in outer.items():
        value = getattr(config, name)
        if is_dataclass(value):
            yield from _fields(value, taken | set(outer))
        elif name not in taken:
            yield _Field(name, hint, limits, value, about[name])


def _read(values: dict[str, Any], config: C, taken: set[str]) -> C:
    outer = set(config_fields(type(config)))
    inner = taken | outer
    changes = {
        name: _read(values, value, inner) if is_dataclass(value) else values.get(name, value)
        for name in outer - taken
        if (value := getattr(config, name)) is not None or name in values
    }
    return replace(config, **changes)  # type: ignore[type-var]


def _argument(field: _Field) -> dict[str, Any]:
    """Keyword arguments of `add_argument`."""
    if field.hint is bool:
        return {"action": BooleanOptionalAction, "help": _help(field)}
    if get_origin(field.hint) is Literal:
        return {"choices": get_args(field.hint), "help": _help(field)}
    kinds = get_args(field.hint) or (field.hint,)
    kind = next(k for k in kinds if k is not NoneType)
    if get_origin(kind) is Literal:
        choices = (*get_args(kind), "none")
        metavar = f"{{{','.join(choices)}}}"
        return {"type": _choice_or_none(choices), "metavar": metavar, "help": _help(field)}
    metavar, convert = kind.__name__.upper(), kind
    if NoneType in kinds:
        metavar, convert = f"{metavar}|none", _or_none(kind)
    return {"type": convert, "metavar": metavar, "help": _help(field)}


def _help(field: _Field) -> str:
    limits = [f"{word} {field.limits[key]}" for key, word in LIMITS.items() if key in field.limits]
    default = [f"default {'none' if field.default is None else field.default}"]
    text = " ".join(field.about.split()) + f" ({', '.join(limits + default)})"
    return text.replace("%", "%%")


def _choice_or_none(choices: Collection[str]) -> Callable[[str], str | None]:
    def convert(text: str) -> str | None:
        if text not in choices:
            raise ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        return None if text == "none" else text

    return convert


def _or_none(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    convert.__name__ = f"{kind.__name__} or none"  # argparse shows it in its error message
    return convert
