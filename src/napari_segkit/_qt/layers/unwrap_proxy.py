"""Access to viewers and layers behind napari's plugin proxies."""

from typing import TypeVar

T = TypeVar("T")


def unwrapped(thing: T) -> T:
    """The viewer or layer itself, if this is a proxy of it."""
    wrapped: T = getattr(thing, "__wrapped__", thing)
    return wrapped
