"""A long session of training and predicting leaves nothing behind."""

import gc
import logging
import threading

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.train.train_dock import TrainDock

LOG = logging.getLogger(__name__)
CYCLES, WARM = 200, 20
MODELS = {
    "pixels": ModelSpec("pixels"),
    "unet": ModelSpec("unet", encoder="tu-mobilenetv3_small_100"),
}
QUICK = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(tile_size=64), validation=None
)


def counts(viewer):
    """Threads, layers and objects of Qt, of which none may become more."""
    gc.collect()
    QApplication.processEvents()
    window = viewer.window.main_menu.window()
    return {
        "threads": psutil.Process().num_threads(),
        "python threads": threading.active_count(),
        "layers": len(viewer.layers),
        "widgets": len(QApplication.allWidgets()),
        "Qt objects": len(window.findChildren(QObject)),
    }


def memory():
    """Bytes in use, without garbage."""
    gc.collect()
    return psutil.Process().memory_info().rss


def press(qtbot, dock):
    qtbot.waitUntil(dock.bar.button.isEnabled, timeout=300_000)
    with qtbot.waitSignal(dock.bar.finished, timeout=300_000):
        dock.bar.button.click()
    qtbot.waitUntil(lambda: dock.is_idle, timeout=300_000)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("model", MODELS)
def test_two_hundred_cycles_of_train_and_predict(make_napari_viewer, qtbot, model, record_property):
    viewer = make_napari_viewer()
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    labels = np.zeros((64, 64), np.uint8)
    labels[:16], labels[48:] = 1, 2
    viewer.add_image(image + 3 * labels, name="cells")
    viewer.add_labels(labels, name="strokes")
    train, predict = TrainDock(viewer), PredictDock(viewer)
    for dock in (train, predict):
        viewer.window.add_dock_widget(dock)
    train.session.segmenter = Segmenter(MODELS[model], device="cpu")
    train.set_config(QUICK)
    assert train.wait_idle()
    before, first = {}, 0
    for cycle in range(1, CYCLES + 1):
        press(qtbot, train)
        press(qtbot, predict)
        if cycle == WARM:
            before, first = counts(viewer), memory()
        if cycle % WARM == 0:
            LOG.info("cycle %d: memory %.0f MiB", cycle, memory() / 2**20)
    grown = memory() / first - 1
    LOG.info("%s: %s, memory %.0f MiB %+.2f %%", model, before, first / 2**20, 100 * grown)
    assert counts(viewer) == before
    assert grown < 0.05
