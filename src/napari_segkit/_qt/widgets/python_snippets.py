"""Python code that does what a dock does."""

import re

from napari.layers import Layer
from qtpy.QtGui import QGuiApplication

import napari_segkit


def layer(layer: Layer | None) -> str:
    """Expression for a layer of the viewer."""
    return f"viewer.layers[{getattr(layer, 'name', '...')!r}]"


def keywords(**values: object) -> str:
    """``, name=value`` for every value that is not None."""
    return "".join(f", {k}={v!r}" for k, v in values.items() if v is not None)


def with_import(line: str) -> str:
    """The line after the imports it needs."""
    public = napari_segkit.__all__
    needed = [name for name in public if re.search(rf"(?<![.\w]){name}[(.]", line)]
    return f"from napari_segkit import {', '.join(needed)}\n\n{line}\n"


def copy(text: str) -> None:
    """Copy text to the clipboard."""
    QGuiApplication.clipboard().setText(text)
