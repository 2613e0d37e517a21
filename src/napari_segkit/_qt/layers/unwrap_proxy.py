"""Access to viewers and layers behind napari's plugin proxies."""

from typing import Any


def unwrapped(thing: Any) -> Any:
    """The viewer or layer itself, if this is a proxy of it."""
    return getattr(thing, "__wrapped__", thing)
