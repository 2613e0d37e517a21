"""Machinery shared by the configuration dataclasses: declare, check, change and write fields."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from functools import cache
from math import inf
from os import PathLike, fspath
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypedDict,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from napari_segkit.arguments import given, require_optional

from .options import Options

C = TypeVar("C", bound="Checked")


class Limits(TypedDict, total=False):
    """Smallest and largest number allowed, and the step of its spin box."""

    min: float
    max: float
    step: float


@dataclass(frozen=True)
class ConfigField:
    """One parameter as its configuration declares it; forms, options and files are made from this.

    Parameters
    ----------
    config : type
        The configuration dataclass.
    name : str
        Name of the field.
    kind : type
        int, float, bool, str, tuple, Mapping, or a nested configuration.
    optional : bool
        Whether None is allowed.
    choices : tuple of str
        The texts to choose from; empty where other values are allowed.
    items : type
        The type of the values of a tuple; else as `kind`.
    limits : dict
        `min`, `max` and `step` of a number, or of the numbers of a tuple.
    length : int or None
        How many values a tuple has; None: any number.
    single : bool
        Whether one value may stand for all values of a tuple.
    """

    config: type["Checked"]
    name: str
    kind: type
    optional: bool
    choices: tuple[str, ...]
    items: type
    limits: Limits
    length: int | None = None
    single: bool = False

    @property
    def about(self) -> str:
        """Description of the parameter in the docstring of the configuration, in one line."""
        return _descriptions(self.config.__doc__ or "")[self.name]

    def check(self, value: object, name: str = "") -> None:
        """Raise ValueError or TypeError if a value breaks the type or the limits.

        `name` is what the message calls the parameter where it is an argument of a function.
        """
        where = f"{name or f'{self.config.__name__}.{self.name}'} is {given(value)}"
        if value is None and self.optional:
            return
        if self.choices and not (isinstance(value, str) and value in self.choices):
            raise ValueError(f"{where}; choose one of {', '.join(map(repr, self.choices))}.")
        if not self._fits(value):
            raise TypeError(f"{where}; it must be {self._kind_name()}.")
        numbers = value if isinstance(value, tuple) else (value,)
        low, high = self.limits.get("min", -inf), self.limits.get("max", inf)
        # NaN fails, too
        if not all(low <= n <= high for n in numbers if isinstance(n, int | float)):
            raise ValueError(f"{where}; it must be between {low} and {high}.")

    def _fits(self, value: object) -> bool:
        if isinstance(value, bool):
            return self.kind is bool
        if self.kind is Mapping:
            return isinstance(value, Options)
        if isinstance(value, tuple) and self.kind is tuple:
            return len(value) == (self.length or len(value)) and all(map(self._is_item, value))
        if self.single and self._is_item(value):
            return True
        return isinstance(value, (int, float) if self.kind is float else self.kind)

    def _is_item(self, value: object) -> bool:
        return isinstance(value, self.items) and not isinstance(value, bool)

    def _kind_name(self) -> str:
        if self.single:
            name = self.items.__name__
            return f"one {name} or {self.length} of them" + " or None" * self.optional
        if self.kind is tuple:
            return f"a tuple of {self.items.__name__}"
        if self.kind is Mapping:
            return "a dict of names and values"
        return self.kind.__name__ + " or None" * self.optional


class Checked:
    """Base class of the configurations, all dataclasses: check all fields on construction."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __post_init__(self) -> None:
        for name, field in config_fields(type(self)).items():
            value = as_python(getattr(self, name))
            if isinstance(value, Mapping) and all(isinstance(n, str) for n in value):
                value = Options(value)
            object.__setattr__(self, name, value)
            field.check(value)


def config_fields(cls: type[Checked]) -> dict[str, ConfigField]:
    """The parameters of a configuration class by name, in order."""
    if cls not in _FIELDS:
        hints = get_type_hints(cls, include_extras=True)
        _FIELDS[cls] = {f.name: _read_hint(cls, f.name, hints[f.name]) for f in fields(cls)}
    return _FIELDS[cls]


_FIELDS: dict[type, dict[str, ConfigField]] = {}  # of the classes asked for so far


def nested(cls: type[Checked]) -> dict[str, type[Checked]]:
    """The fields of a configuration class that are configurations themselves."""
    kinds = {name: field.kind for name, field in config_fields(cls).items()}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, Checked)}


def as_config(name: str, value: C | None, cls: type[C]) -> C:
    """The configuration that a function was given as an argument; None: the default."""
    require_optional(name, value, cls)
    return cls() if value is None else value


def change(config: C, values: Mapping[str, object]) -> C:
    """A copy of a configuration with other values of the fields named; they are checked."""
    return replace(config, **values)


def to_dict(config: Checked) -> dict[str, Any]:
    """Convert to JSON-able values, nested configurations to nested dicts."""
    return {f.name: _to_plain(getattr(config, f.name)) for f in fields(config)}


def from_dict(cls: type[C], values: Mapping[str, object]) -> C:
    """Inverse of `to_dict`; ValueError or TypeError for fields or values that do not fit."""
    known = config_fields(cls)
    unknown = set(values) - set(known)
    if unknown:
        raise ValueError(
            f"{cls.__name__} has no field {', '.join(sorted(map(str, unknown)))}; it has "
            f"{', '.join(known)}."
        )
    return change(cls(), {n: _from_plain(known[n], value) for n, value in values.items()})


def from_text(field: ConfigField, text: str) -> object:
    """A value of a number or tuple as people write it, such as "320" or "320, 240"."""
    if field.kind is not tuple:
        return field.kind(text)
    values = tuple(field.items(part) for part in text.split(","))
    return values[0] if field.single and len(values) == 1 else values


def to_python(config: Checked) -> str:
    """Python expression that makes this configuration, with changed fields only."""
    default = type(config)()
    changed = [
        f"{f.name}={_expression(v)}"
        for f in fields(config)
        if (v := getattr(config, f.name)) != getattr(default, f.name)
    ]
    return f"{type(config).__name__}({', '.join(changed)})"


def to_options(config: Checked, default: Checked) -> list[str]:
    """Options of the command line for the fields that differ from the default."""
    words: list[str] = []
    for f in fields(config):
        value, option = getattr(config, f.name), "--" + f.name.replace("_", "-")
        if value == getattr(default, f.name):
            continue
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, "none" if value is None else _option_text(value)]
    return words


def as_python(value: Any) -> object:
    """Scalars of NumPy as numbers of Python, paths as texts."""
    if isinstance(value, PathLike):
        return fspath(value)
    item = getattr(value, "item", None)
    return item() if item and getattr(value, "ndim", None) == 0 else value


@cache
def _descriptions(docstring: str) -> dict[str, str]:
    from docstring_parser.numpydoc import parse

    params = parse(docstring).params
    return {p.arg_name: " ".join((p.description or "").split()) for p in params}


def _read_hint(cls: type[Checked], name: str, hint: Any) -> ConfigField:
    """Read ``Annotated[type | None, limits]``, ``int | tuple[int, int]`` and the like."""
    plain, limits = get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, Limits())
    options = get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,)
    *single, inner = (option for option in options if option is not NoneType)
    choices = get_args(inner) if get_origin(inner) is Literal else ()
    kind = str if choices else get_origin(inner) or inner
    parts = get_args(inner) if kind is tuple else (kind,)
    length = len(parts) if kind is tuple and Ellipsis not in parts else None
    return ConfigField(
        cls, name, kind, NoneType in options, choices, parts[0], limits, length, bool(single)
    )


def _to_plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_to_plain(v) for v in value]
    if isinstance(value, Options):
        return {name: _to_plain(v) for name, v in value.items()}
    return to_dict(value) if isinstance(value, Checked) else value


def _from_plain(field: ConfigField, value: object) -> object:
    if isinstance(value, list | tuple) and field.kind is tuple:
        is_config = issubclass(field.items, Checked)
        return tuple(from_dict(field.items, v) if is_config else v for v in value)
    if isinstance(value, Mapping) and issubclass(field.kind, Checked):
        return from_dict(field.kind, value)
    return value


def _option_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _expression(value: object) -> str:
    if isinstance(value, tuple):
        return f"({''.join(_expression(v) + ', ' for v in value).rstrip()})"
    return to_python(value) if isinstance(value, Checked) else repr(value)
