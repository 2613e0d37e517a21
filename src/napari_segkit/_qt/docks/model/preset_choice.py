"""Choice of a preset."""

from dataclasses import replace

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import PRESETS, Preset

TIP = "Sets a model and its training options for a typical task."


class PresetChoice(Choice):
    """Combo box of presets; empty if the current settings match none."""

    def __init__(self) -> None:
        super().__init__(
            [(name, name) for name in PRESETS], tips=[preset.about for preset in PRESETS.values()]
        )
        self.native.setPlaceholderText("—")

    def show_current(self, spec: ModelSpec, config: TrainConfig) -> None:
        """Select the preset that matches these settings, or none."""
        matches = (name for name, preset in PRESETS.items() if _matches(preset, spec, config))
        with self.changed.blocked():
            self.native.setCurrentIndex(self.native.findText(next(matches, "")))
        self.tooltip = PRESETS[self.value].about if self.value else TIP


def _matches(preset: Preset, spec: ModelSpec, config: TrainConfig) -> bool:
    """Compare all settings but the label semantics."""
    expected = replace(preset.config, unlabelled=config.unlabelled, labels_are=config.labels_are)
    return resolve(preset.spec) == spec and expected == config
