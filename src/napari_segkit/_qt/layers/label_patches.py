"""Label patches that are pasted on layers."""

from collections.abc import Collection, Sequence

from napari.layers import Labels

from napari_segkit.images.classes import LabelClass
from napari_segkit.images.corrections import LabelPatch

from .layer_classes import pin_colors, read_classes, set_class_names


def paste(layer: Labels, patches: Sequence[LabelPatch], only: int | None = None) -> None:
    """Paste patches on a layer in memory, as one step of its history; `only` as in `on`."""
    with layer.block_history():
        for patch in patches:
            pixels = patch.on(layer.data, only)
            layer._save_history((patch.box, layer.data[patch.box].copy(), pixels))
            layer.data[patch.box] = pixels
    layer.refresh()


def take_back(layer: Labels, painted: Sequence[LabelPatch], before: Sequence[LabelPatch]) -> None:
    """Paste what was there before on painted pixels; those painted otherwise since stay."""
    unchanged = [
        old._replace(mask=patch.mask & (layer.data[patch.box] == patch.values))
        for patch, old in zip(painted, before, strict=True)
    ]
    paste(layer, unchanged)


def show_pasted_classes(
    layer: Labels, classes: Sequence[LabelClass], values: Collection[int]
) -> None:
    """Name those of the classes that have these values, and colour all, where they have none."""
    named = {c.value for c in read_classes(layer)}
    set_class_names(layer, [c for c in classes if c.value in values and c.value not in named])
    pin_colors(layer, classes)
