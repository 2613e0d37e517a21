"""Python searches for garbage in new objects only, while long work goes on.

A search through all objects of napari and torch takes a quarter of a second, in which the window
waits. Python begins one now and then, and napari whenever a layer is removed.
"""

import gc

_working: set[int] = set()  # windows, by id


def skip_what_is_here(window: object) -> None:
    """Leave out all objects that there are by now, until the work of a window has ended."""
    _working.add(id(window))
    gc.freeze()


def search_everywhere(window: object) -> None:
    """The work of a window has ended; when all has, everything is searched again."""
    _working.discard(id(window))
    if not _working:
        gc.unfreeze()
