"""Choice of a preset."""

from dataclasses import replace

from qtpy.QtCore import Qt

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import PRESETS, Preset, presets_for

TIP = "Sets a model and its training options for a typical task."


class PresetChoice(Choice):
    """Combo box of presets for a device and some minutes; empty if the settings match none."""

    def __init__(self) -> None:
        super().__init__([(name, name) for name in PRESETS])
        self.native.setPlaceholderText("—")
        self._show_tips(PRESETS)

    def show_current(self, spec: ModelSpec, config: TrainConfig, device: str) -> None:
        """Select the preset that matches these settings on a device, or none."""
        presets = presets_for(device, config.minutes)
        matches = (name for name, preset in presets.items() if _matches(preset, spec, config))
        with self.changed.blocked():
            self.native.setCurrentIndex(self.native.findText(next(matches, "")))
        self._show_tips(presets)

    def _show_tips(self, presets: dict[str, Preset]) -> None:
        for index, preset in enumerate(presets.values()):
            self.native.setItemData(index, preset.about, Qt.ItemDataRole.ToolTipRole)
        self.tooltip = presets[self.value].about if self.value else TIP


def _matches(preset: Preset, spec: ModelSpec, config: TrainConfig) -> bool:
    """Compare all settings but the label semantics."""
    expected = replace(
        preset.settings(config.minutes),
        unlabelled=config.unlabelled,
        labels_are=config.labels_are,
    )
    return resolve(preset.spec) == spec and expected == config
