"""Machinery shared by the configuration dataclasses: check, read and write their fields."""

import types
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


def _split_annotated(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Split ``Annotated[type, limits]`` into the type and its limits."""
    return get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, {})


def config_fields(cls: type) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Map field names to (type, limits); limits hold `min`, `max`, `step` or nothing."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: _split_annotated(hints[f.name]) for f in fields(cls)}


def check(config: Any) -> None:
    """Raise ValueError or TypeError if a field breaks its type or limits."""
    for name, (hint, limits) in config_fields(type(config)).items():
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
            _check_tuple(where, value, get_args(hint)[0])
            continue
        if not _matches_type(value, options):
            names = " or ".join("None" if o is type(None) else o.__name__ for o in options)
            raise TypeError(f"{where}; it must be {names}.")
        low, high = limits.get("min"), limits.get("max")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise ValueError(f"{where}; it must be between {low} and {high}.")


def _check_tuple(where: str, value: Any, kind: type) -> None:
    if not isinstance(value, tuple) or not all(isinstance(v, kind) for v in value):
        raise TypeError(f"{where}; it must be a tuple of {kind.__name__}.")


def _matches_type(value: Any, options: tuple[Any, ...]) -> bool:
    if isinstance(value, bool):
        return bool in options
    if isinstance(value, int) and float in options:
        return True
    return isinstance(value, options)


class Checked:
    """Base class: check all fields on construction."""

    def __post_init__(self) -> None:
        check(self)


def to_dict(config: Any) -> dict[str, Any]:
    """Convert to JSON-able values, nested configurations to nested dicts."""
    return {f.name: _to_plain(getattr(config, f.name)) for f in fields(config)}


def _to_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_plain(v) for v in value]
    return to_dict(value) if is_dataclass(value) else value


def from_dict(cls: type, values: dict[str, Any]) -> Any:
    """Inverse of `to_dict`; ValueError or TypeError for fields or values that do not fit."""
    hints = {name: hint for name, (hint, _) in config_fields(cls).items()}
    unknown = set(values) - set(hints)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}.")
    return cls(**{name: _from_plain(hints[name], value) for name, value in values.items()})


def _from_plain(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        return tuple(_from_plain(get_args(hint)[0], v) for v in value)
    return from_dict(hint, value) if is_dataclass(hint) else value  # type: ignore[arg-type]


def to_python(config: Any) -> str:
    """Python expression that makes this configuration, with changed fields only."""
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
    return to_python(value) if is_dataclass(value) else repr(value)
