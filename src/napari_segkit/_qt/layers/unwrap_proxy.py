"""napari hands plugins proxies of its viewer and layers in some places."""

from typing import Any


def unwrapped(thing: Any) -> Any:
    """The viewer or layer itself where napari handed out a proxy of it."""
    return getattr(thing, "__wrapped__", thing)
