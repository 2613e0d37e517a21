"""A parameter is declared once: the machinery that reads, checks and writes configurations."""

import types
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


def _plain(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Split ``Annotated[type, limits]`` into the type and its limits."""
    return get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, {})


def declared(cls: type) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The fields of a configuration class: name -> (type, limits).

    Parameters
    ----------
    cls : type
        One of the configuration dataclasses of this module.

    Returns
    -------
    dict
        Field name to a pair: the type without its limits, and the limits
        (``min``, ``max``, ``step``) as declared, or an empty dict.
    """
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: _plain(hints[f.name]) for f in fields(cls)}


def check(config: Any) -> None:
    """Raise ValueError or TypeError with one sentence where a field breaks its declaration."""
    for name, (hint, limits) in declared(type(config)).items():
        value = getattr(config, name)
        where = f"{type(config).__name__}.{name} is {value!r}"
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        if value is None and type(None) in options:
            continue
        choices = [c for o in options if get_origin(o) is Literal for c in get_args(o)]
        if choices:
            if value not in choices:
                raise ValueError(f"{where}; choose one of {', '.join(map(repr, choices))}.")
            continue
        if get_origin(hint) is tuple:
            _check_items(where, value, get_args(hint)[0])
            continue
        if not _fits(value, options):
            names = " or ".join("None" if o is type(None) else o.__name__ for o in options)
            raise TypeError(f"{where}; it must be {names}.")
        low, high = limits.get("min"), limits.get("max")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise ValueError(f"{where}; it must lie between {low} and {high}.")


def _check_items(where: str, value: Any, kind: type) -> None:
    if not isinstance(value, tuple) or not all(isinstance(v, kind) for v in value):
        raise TypeError(f"{where}; it must be a tuple of {kind.__name__}.")


def _fits(value: Any, options: tuple[Any, ...]) -> bool:
    if isinstance(value, bool):
        return bool in options
    if isinstance(value, int) and float in options:
        return True
    return isinstance(value, options)


class Checked:
    """A configuration refuses impossible values when it is made."""

    def __post_init__(self) -> None:
        check(self)


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain JSON-able values, nested ones as nested dicts."""
    return {f.name: _plain_value(getattr(config, f.name)) for f in fields(config)}


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_value(v) for v in value]
    return to_dict(value) if is_dataclass(value) else value


def from_dict(cls: type, values: dict[str, Any]) -> Any:
    """The configuration that ``to_dict`` wrote; ValueError or TypeError where it does not fit."""
    hints = {name: hint for name, (hint, _) in declared(cls).items()}
    unknown = set(values) - set(hints)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}.")
    return cls(**{name: _made(hints[name], value) for name, value in values.items()})


def _made(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        return tuple(_made(get_args(hint)[0], v) for v in value)
    return from_dict(hint, value) if is_dataclass(hint) else value  # type: ignore[arg-type]


def call(config: Any) -> str:
    """The Python expression that makes this configuration, naming only what was changed."""
    default = type(config)()
    changed = [
        f"{f.name}={_expression(v)}"
        for f in fields(config)
        if (v := getattr(config, f.name)) != getattr(default, f.name)
    ]
    return f"{type(config).__name__}({', '.join(changed)})"


def _expression(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({''.join(_expression(v) + ', ' for v in value).rstrip()})"
    return call(value) if is_dataclass(value) else repr(value)
