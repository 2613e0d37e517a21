"""The recipe "Add a dock" in the documentation works as it stands."""

import re
from pathlib import Path

import numpy as np
from skimage.data import coins

RECIPES = Path(__file__).parents[3] / "docs" / "extending.md"


def code_of(heading):
    """The first Python block of a section."""
    section = RECIPES.read_text(encoding="utf8").split(f"## {heading}\n")[1]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]


def test_a_dock_runs_a_job_and_writes_its_result_to_a_layer(shared_viewer, qtbot):
    names = {"__name__": "threshold_dock"}
    exec(code_of("Add a dock"), names)
    viewer = shared_viewer
    dock = names["ThresholdDock"](viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.bar.button.isEnabled()
    viewer.add_image(coins(), name="coins", scale=(2, 2))
    for _ in range(2):  # the second time it updates the layer
        with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
            dock.bar.button.click()
    assert [layer.name for layer in viewer.layers] == ["coins", "coins threshold"]
    layer = viewer.layers[1]
    assert np.unique(layer.data).tolist() == [0, 1]
    assert layer.scale.tolist() == [2, 2]
