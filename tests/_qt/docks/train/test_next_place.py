"""Where to paint next, and the uncertainty of the view, from the Train dock."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, TrainingSet, session
from napari_segkit._qt.docks.train import next_place as texts
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.training_set import TrainingRow

QUICK = TrainConfig(tile=TileConfig(tile_size=32), validation=None)
SIDE = 160


def image_of(*unsure):
    """A stack of two sure halves, with patches between the two in intensity, (z, y, x)."""
    stack = np.full((3, SIDE, SIDE), 40, np.uint8)
    stack[:, :, SIDE // 2 :] = 200
    stack += np.random.default_rng(0).integers(0, 20, stack.shape, np.uint8)
    for z, y, x in unsure:
        stack[z, y : y + 24, x : x + 24] = 125
    return stack


@pytest.fixture(scope="module")
def segmenter():
    labels = np.zeros((3, SIDE, SIDE), np.uint8)
    labels[:, ::9, 5:70], labels[:, ::9, 90:155] = 1, 2
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(image_of(), labels, QUICK, axes="ZYX")


@pytest.fixture
def dock(light_viewer, segmenter):
    image = image_of((2, 20, 20), (1, 100, 110))
    light_viewer.add_image(image, name="cells", axis_labels="ZYX", scale=(4, 2, 2))
    light_viewer.canvas.size = 400, 600
    session(light_viewer).segmenter = segmenter
    dock = TrainDock(light_viewer)
    light_viewer.window.add_dock_widget(dock)
    dock.data.new_button.click()
    assert dock.wait_idle()
    yield dock
    assert dock.wait_idle()


def press(qtbot, dock):
    dock.next_place.button.click()
    assert dock.next_place.button.text() == texts.STOP
    qtbot.waitUntil(lambda: dock.next_place.button.text() == texts.NEXT, timeout=30_000)
    return dock.next_place.text.text()


def view(viewer):
    """Slice, row and column in the middle of the canvas, in pixels."""
    z, (y, x) = viewer.dims.point[0], viewer.scene.camera.center[-2:]
    return round(z / 4), round(y / 2), round(x / 2)


def test_the_view_goes_from_one_uncertain_place_to_the_next(dock, qtbot):
    found, camera = [], dock.viewer.scene.camera
    camera.zoom = 0.3
    for _ in range(2):
        assert "Mean uncertainty" in press(qtbot, dock)
        found.append(view(dock.viewer))
    places = sorted(found)
    assert [p[0] for p in places] == [1, 2]
    np.testing.assert_allclose([p[1:] for p in places], [(112, 122), (32, 32)], atol=14)
    canvas = min(dock.viewer.canvas.viewbox_size(dock.viewer.layers))
    assert camera.zoom * 2 * 19 == pytest.approx(canvas / 3)


def test_where_all_is_labelled_the_next_image_of_the_set_follows(dock, qtbot):
    dock.data.labels.value.data[:] = 1
    assert press(qtbot, dock) == texts.SURE_TEXT
    images = [image_of((2, 20, 20)), image_of((0, 60, 100))]
    rows = [TrainingRow(image, np.zeros(image.shape, np.uint8)) for image in images]
    dock.session.training_set = TrainingSet(rows)
    dock.training_set.next_image.open(0)
    assert dock.wait_idle()
    dock.data.labels.value.data[:] = 1
    dock.next_place.button.click()
    qtbot.waitUntil(lambda: "Mean" in dock.next_place.text.text(), timeout=30_000)
    qtbot.waitUntil(lambda: dock.next_place.button.text() == texts.NEXT)
    assert dock.training_set.next_image.number == 1
    assert round(dock.viewer.dims.point[0]) == 0
    np.testing.assert_allclose(dock.viewer.scene.camera.center[-2:], (72, 112), atol=14)


def test_the_uncertainty_of_the_view_is_shown_on_request(dock, qtbot):
    viewer, row = dock.viewer, dock.next_place
    viewer.dims.set_point(0, 8)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 4, (60.0, 60.0)
    active = viewer.layers.selection.active
    row.unsure.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=30_000)
    shown, labels = viewer.layers["cells: uncertainty in view"], dock.data.labels.value
    assert viewer.layers.selection.active is active
    assert viewer.layers.index(shown) < viewer.layers.index(labels)
    corner = labels.world_to_data(shown.data_to_world((0, 0, 0)))
    np.testing.assert_allclose(corner, (2, 5, 0), atol=1)
    assert LayerMetadata.of(shown).kind == "preview"
    y = slice(25 - round(corner[1]), 39 - round(corner[1]))
    assert shown.data[0, y, 25:39].mean() > 2 * np.median(shown.data)
    qtbot.waitUntil(row.unsure.isEnabled)
    row.unsure.click()
    assert [x.name for x in viewer.layers] == ["cells", "cells labels"]


def test_why_there_is_no_next_place_is_said(dock):
    row = dock.next_place
    dock.label_stats.semantics.unlabelled.value = None
    assert dock.wait_idle()
    assert row.button.toolTip() == texts.ALL_LABELLED
    assert row.unsure.isEnabled()
    dock.session.segmenter = Segmenter(ModelSpec("pixels"))
    assert row.unsure.toolTip() == texts.NO_MODEL
