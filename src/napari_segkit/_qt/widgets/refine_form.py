"""Form for the refinement settings."""

from napari.layers import Layer

from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import nested
from napari_segkit.images.classes import LabelClass
from napari_segkit.segmenter import Segmenter

from .cleanup_form import CleanField
from .forms import Form

SMOOTHERS = nested(RefineConfig)


class RefineForm(Form[RefineConfig]):
    """Smoothing method with its settings, and the clean-up of classes."""

    def __init__(self) -> None:
        forms = {name: Form(kind, wide=True, lazy=True) for name, kind in SMOOTHERS.items()}
        super().__init__(RefineConfig, widgets={**forms, "clean": CleanField()})
        self.row_label("method").setText("Smoothing")
        self.method.changed.connect(self._show_chosen)
        self._show_chosen()

    def _show_chosen(self) -> None:
        for name in SMOOTHERS:
            self[name].visible = name == self.method.value
        if self.method.value is not None:
            self[self.method.value].build()


def cleanup_classes(segmenter: Segmenter) -> tuple[LabelClass, ...]:
    """Classes of a model that can be cleaned up: semantic ones, not those of objects."""
    trained = segmenter.trained
    if trained is None:
        return ()
    objects = len(trained.classes) if trained.predicts_objects else 0
    return segmenter.classes[objects:]


def unit_of(layer: Layer | None) -> str:
    """Length unit of a layer; empty without a layer."""
    return "" if layer is None else str(layer.units[-1])
