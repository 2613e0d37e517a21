"""The Python lines that do what a dock does."""

import re
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QGuiApplication

if TYPE_CHECKING:
    from napari.layers import Layer

NAMES = {
    "napari_segkit": (
        "ModelSpec",
        "Segmenter",
        "TileConfig",
        "TrainConfig",
        "evaluate",
        "session",
    ),
    "napari_segkit._qt.delivery": ("predict_layer",),
}


def layer(layer: "Layer | None") -> str:
    """The expression that finds a layer in the viewer."""
    return f"viewer.layers[{getattr(layer, 'name', '...')!r}]"


def keywords(**values: Any) -> str:
    """``, name=value`` for every value that is given, nothing for None."""
    return "".join(f", {k}={v!r}" for k, v in values.items() if v is not None)


def with_import(line: str) -> str:
    """The line below the imports that it needs."""
    lines = []
    for module, names in NAMES.items():
        needed = [name for name in names if re.search(rf"\b{name}\b[(.]", line)]
        if needed:
            lines.append(f"from {module} import {', '.join(needed)}\n")
    return "".join([*lines, "\n", line, "\n"])


def copy(text: str) -> None:
    """Put text on the clipboard."""
    QGuiApplication.clipboard().setText(text)
