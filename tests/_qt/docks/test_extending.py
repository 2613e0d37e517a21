"""A dock with work of its own needs nothing but its own file."""

import numpy as np
import pytest

from napari_segkit._qt.layers.result_layers import LayerWriter
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.widgets.dock import Dock
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import classes_of
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Job, Step


def threshold_rows(image):
    """Label what is brighter than the mean, row by row."""
    labels = np.zeros(image.shape, np.uint8)
    for row, pixels in enumerate(image.data):
        labels[row] = pixels > image.data.mean()
        yield Step(row + 1, len(labels))
    return LabelResult(labels, image.axes, classes_of(None, [0, 1]), {"method": "threshold"})


class ThresholdDock(Dock):
    def __init__(self, napari_viewer):
        super().__init__(napari_viewer)
        self.image = LayerChoice(self.viewer, "image")
        self.bar = RunBar(self.session, "Threshold")
        self.add_group("Image", image=self.image)
        self.footer.addWidget(self.bar)
        self.bar.pressed.connect(self.threshold)

    def threshold(self):
        source = snapshot(self.image.value)
        job = Job(f"Threshold {source.name}", threshold_rows(as_image(source)))
        self.bar.run(job, LayerWriter(self.session, source, "threshold"))


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.arange(64.0).reshape(8, 8), name="ramp", scale=(2, 2))
    return viewer


def test_a_dock_runs_its_job_and_writes_a_layer(viewer, qtbot):
    dock = ThresholdDock(viewer)
    viewer.window.add_dock_widget(dock)
    for _ in range(2):  # the second time it updates the layer
        with qtbot.waitSignal(dock.bar.finished, timeout=20_000):
            dock.bar.button.click()
    assert [layer.name for layer in viewer.layers] == ["ramp", "ramp threshold"]
    layer = viewer.layers[1]
    np.testing.assert_array_equal(layer.data, np.arange(64).reshape(8, 8) > 31)
    assert tuple(layer.scale) == (2, 2)
    assert layer.metadata["segkit"]["method"] == "threshold"
