from inspect import isgenerator
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication, QHideEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_segkit import SuperpixelConfig
from napari_segkit._qt.docks.superpixels.superpixel_dock import SuperpixelDock
from napari_segkit._qt.session.session import session
from napari_segkit.refinement.superpixels.generate import superpixels

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8)
BLOCKS = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((16, 16), int)).astype(np.int32)
METADATA = {"segkit": {"kind": "superpixels"}}


@pytest.fixture
def viewer(light_viewer):
    return with_cells(light_viewer)


def with_cells(viewer):
    viewer.add_image(PIXELS, name="cells", scale=(2, 2), translate=(5, 5), units="um")
    return viewer


@pytest.fixture
def dock(viewer):
    dock = SuperpixelDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.show()
    yield dock
    if isalive(dock):
        dock.paint.stop_painting()


@pytest.fixture
def painting(dock, viewer):
    """Labels to paint on, with the brush active and class 1 selected."""
    transform = {"scale": (2, 2), "translate": (5, 5), "units": "um"}
    viewer.add_labels(BLOCKS.copy(), name="superpixels", metadata=METADATA, **transform)
    dock.data.new_button.click()
    dock.paint.button.click()
    assert dock.paint.brush.is_on
    return viewer.layers["cells labels"]


def press(layer, *place):
    event = SimpleNamespace(
        type="mouse_press", button=1, modifiers=(), position=place, dims_displayed=[0, 1],
        view_direction=None, handled=False,
    )  # fmt: skip
    for callback in layer.mouse_drag_callbacks:
        if isgenerator(steps := callback(layer, event)):
            next(steps, None)
            steps.close()


def make(qtbot, dock):
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.bar.button.click()


def test_superpixels_are_written_to_one_layer_aligned_with_the_image(dock, viewer, qtbot):
    dock.form.size.value = 8.0
    make(qtbot, dock)
    layer = viewer.layers["cells superpixels"]
    expected = superpixels(viewer.layers["cells"], SuperpixelConfig(size=8.0))
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_array_equal(layer.scale, (2, 2))
    assert layer.contour == 1
    assert dock.paint.superpixels.value is layer
    assert f"{expected.max()} superpixels" in dock.bar.status.text()
    assert layer.metadata["segkit"]["superpixels"]["size"] == 8.0
    dock.form.size.value = 20.0
    make(qtbot, dock)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells superpixels"]


def test_copied_python_gives_the_same_result(dock, viewer, qtbot):
    dock.form.size.value = 10.0
    transform = {"scale": (2, 2), "translate": (5, 5), "units": "um"}
    mask = viewer.add_labels((PIXELS > 0).astype(np.uint8), name="inside", **transform)
    dock.mask.value = mask
    dock.bar.copy_button.click()
    exec(QGuiApplication.clipboard().text(), {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    expected = superpixels(viewer.layers["cells"], SuperpixelConfig(size=10.0), mask=mask)
    np.testing.assert_array_equal(viewer.layers["cells superpixels"].data, expected)


def test_slices_can_be_processed_separately(viewer, dock, qtbot):
    viewer.layers.clear()
    stack = viewer.add_image(np.stack([PIXELS, PIXELS]), name="stack", scale=(5, 1, 1))
    assert not dock.stack.native.isHidden()
    dock.stack.value = "slice by slice"
    assert "axes='TYX'" in dock.code()
    make(qtbot, dock)
    first, second = viewer.layers["stack superpixels"].data
    assert not set(np.unique(first)) & set(np.unique(second))
    assert dock.data.image.value is stack


def test_shows_what_is_missing(dock, viewer):
    assert dock.paint.note.text().startswith("No superpixels:")
    assert not dock.paint.button.isEnabled()
    viewer.add_labels(BLOCKS.copy(), name="superpixels", metadata=METADATA)
    assert dock.paint.note.text().startswith("No Labels layer")
    small = viewer.add_labels(np.zeros((4, 4), np.uint8), name="small")
    assert dock.paint.note.text().startswith("No Labels layer")
    dock.data.labels.value = small
    assert "choose layers of the same image" in dock.paint.note.text()
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Image layer")


def test_any_labels_layer_can_be_used_as_superpixels(dock, viewer):
    transform = {"scale": (2, 2), "translate": (5, 5), "units": "um"}
    blocks = viewer.add_labels(BLOCKS.copy(), name="blocks", **transform)
    dock.data.new_button.click()
    assert not dock.paint.button.isEnabled()
    dock.paint.superpixels.value = blocks
    assert dock.paint.button.isEnabled()


def test_superpixels_are_recognised_by_name_or_metadata_and_not_painted_on(dock, viewer):
    by_name = viewer.add_labels(BLOCKS.copy(), name="cells_superpixels")
    assert dock.paint.superpixels.value is by_name
    assert dock.data.labels.value is None
    viewer.layers.remove(by_name)
    by_metadata = viewer.add_labels(BLOCKS.copy(), name="blocks", metadata=METADATA)
    assert dock.paint.superpixels.value is by_metadata
    assert dock.data.labels.value is None


def test_layers_with_different_transforms_cannot_be_painted(painting, dock, viewer):
    layer = viewer.layers["superpixels"]
    transforms = {"translate": (5, 9), "scale": (2, 1), "rotate": 30, "units": ("nm", "nm")}
    for name, value in transforms.items():
        before = getattr(layer, name)
        setattr(layer, name, value)
        assert "do not lie on each other" in dock.paint.note.text(), name
        assert not dock.paint.brush.is_on, name
        assert not dock.paint.button.isEnabled(), name
        setattr(layer, name, before)
        dock.paint.button.click()
        assert dock.paint.brush.is_on, name


def test_class_choice_and_selected_label_stay_in_sync(painting, dock):
    box = dock.paint.classes.native
    assert [box.itemText(i) for i in range(box.count())] == [
        "0  erase",
        "1  object",
        "2  background",
    ]
    box.setCurrentIndex(2)
    assert painting.selected_label == 2
    painting.selected_label = 1
    assert dock.paint.classes.value == 1


ENDS = {
    "button": lambda dock, layer: dock.paint.button.click(),
    "dock hidden": lambda dock, layer: dock.hideEvent(QHideEvent()),
    "another mode": lambda dock, layer: setattr(layer, "mode", "pick"),
    "layer removed": lambda dock, layer: dock.viewer.layers.remove(layer),
}


def test_painting_stops(painting, dock):
    for name, end in ENDS.items():
        if not dock.paint.brush.is_on:
            dock.paint.button.click()
        assert dock.paint.brush.is_on, name
        end(dock, painting)
        assert not dock.paint.brush.is_on, name
        assert not dock.paint.button.isChecked(), name
        press(painting, 20, 20)
        assert not painting.data.any(), name


class TestInAWindow:
    @pytest.fixture
    def viewer(self, shared_viewer):
        return with_cells(shared_viewer)

    def test_mouse_drag_paints_without_moving_the_view(self, painting, viewer, qtbot):
        viewer.window.show()
        viewer.window.main_menu.window().resize(900, 700)
        viewer.reset_view()
        qtbot.wait(100)
        canvas = next(
            w for w in viewer.window.main_menu.window().findChildren(QWidget)
            if type(w).__name__ == "CanvasBackendDesktop"
        )  # fmt: skip
        middle = QPoint(canvas.width() // 2, canvas.height() // 2)
        before = viewer.scene.camera.center
        QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle)
        QTest.mouseMove(canvas, middle + QPoint(40, 0))
        QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle + QPoint(40, 0))
        qtbot.waitUntil(lambda: bool(painting.data.any()))
        assert viewer.scene.camera.center == before
