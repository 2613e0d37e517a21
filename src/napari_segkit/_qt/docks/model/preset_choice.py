"""Choice of a preset."""

from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_segkit._qt.widgets.fields import NoWheel
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import PRESETS, Preset

TIP = "Sets a model and its training options for a typical task."


class PresetChoice(NoWheel, QComboBox):
    """Combo box of presets; empty if the current settings match none."""

    chosen = Signal(object)  # Preset

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setPlaceholderText("—")
        for index, preset in enumerate(PRESETS.values()):
            self.addItem(preset.name)
            self.setItemData(index, preset.about, Qt.ItemDataRole.ToolTipRole)
        self.activated.connect(self._on_activated)

    def show_current(self, spec: ModelSpec, config: TrainConfig) -> None:
        """Select the preset that matches these settings, or none."""
        matches = (name for name, preset in PRESETS.items() if _matches(preset, spec, config))
        self.setCurrentIndex(self.findText(next(matches, "")))
        preset = PRESETS.get(self.currentText())
        self.setToolTip(preset.about if preset else TIP)

    def _on_activated(self) -> None:
        self.chosen.emit(PRESETS[self.currentText()])


def _matches(preset: Preset, spec: ModelSpec, config: TrainConfig) -> bool:
    """Compare all settings but the label semantics."""
    expected = replace(preset.config, unlabelled=config.unlabelled, labels_are=config.labels_are)
    return resolve(preset.spec) == spec and expected == config
