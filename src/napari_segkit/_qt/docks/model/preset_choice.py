"""The choice of a preset."""

from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import PRESETS


class PresetChoice(NoWheel, QComboBox):
    """Models with their settings, by what they are good for; empty where none is as it is set.

    Attributes
    ----------
    chosen : Signal(object)
        The `Preset` that a person has chosen.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setPlaceholderText("—")
        for place, preset in enumerate(PRESETS.values()):
            self.addItem(preset.name)
            self.setItemData(place, preset.about, Qt.ItemDataRole.ToolTipRole)
        self.activated.connect(self._on_activated)

    def show_choice(self, spec: ModelSpec, config: TrainConfig) -> None:
        """Show the preset that this is."""
        same = (name for name, p in PRESETS.items() if _is(p.spec, p.config, spec, config))
        self.setCurrentIndex(self.findText(next(same, "")))
        preset = PRESETS.get(self.currentText())
        self.setToolTip(preset.about if preset else "A model and how to train it.")

    def _on_activated(self) -> None:
        self.chosen.emit(PRESETS[self.currentText()])


def _is(spec: ModelSpec, config: TrainConfig, shown: ModelSpec, set_: TrainConfig) -> bool:
    """Whether model and training are a preset's, whatever the labels mean."""
    config = replace(config, unlabelled=set_.unlabelled, labels_are=set_.labels_are)
    return resolve(spec) == shown and config == set_
