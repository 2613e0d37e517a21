"""Choice of a preset."""

from dataclasses import replace

from qtpy.QtCore import Qt

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import PRESETS, Preset, presets_for

TIP = "Sets a model and its training options for a typical task."
MINUTES = "With this preset the training takes {:g} minutes, as set in the Train dock."


class PresetChoice(Choice):
    """Combo box of presets for a device and some minutes; empty if the settings match none."""

    def __init__(self) -> None:
        super().__init__([(name, name) for name in PRESETS])
        self.native.setPlaceholderText("—")
        self._show_tips(PRESETS, None)

    def show_current(self, spec: ModelSpec, config: TrainConfig, device: str) -> None:
        """Select the preset that matches these settings on a device, or none."""
        presets = presets_for(device, config.minutes)
        matches = (name for name, preset in presets.items() if _matches(preset, spec, config))
        with self.changed.blocked():
            self.native.setCurrentIndex(self.native.findText(next(matches, "")))
        self._show_tips(presets, config.minutes)

    def _show_tips(self, presets: dict[str, Preset], minutes: float | None) -> None:
        for index, preset in enumerate(presets.values()):
            tip = _tip(preset, minutes)
            self.native.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.tooltip = _tip(presets[self.value], minutes) if self.value else TIP


def _tip(preset: Preset, minutes: float | None) -> str:
    """What a preset is for, and that minutes that are set take the place of its epochs."""
    return f"{preset.about} {MINUTES.format(minutes)}" if minutes else preset.about


def _matches(preset: Preset, spec: ModelSpec, config: TrainConfig) -> bool:
    """Compare all settings but the label semantics."""
    expected = replace(
        preset.settings(config.minutes),
        unlabelled=config.unlabelled,
        labels_are=config.labels_are,
    )
    return resolve(preset.spec) == spec and expected == config
