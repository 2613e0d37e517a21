import numpy as np
import pytest
import torch
from imageio.v3 import imwrite

from napari_segkit import Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.app.workbench import Workbench
from napari_segkit.cli import main
from napari_segkit.data.samples import coins

CONFIG = TrainConfig(epochs=1, steps_per_epoch=2, seed=7, tile=TileConfig(tile_size=64))


@pytest.fixture
def sample():
    (image, _, _), (scribbles, _, _), _ = coins()
    return image[:96, :112], scribbles[:96, :112]


def predict_with_docks(viewer, qtbot, image, scribbles):
    """Train and predict by the buttons of the workbench."""
    viewer.add_image(image, name="coins")
    viewer.add_labels(scribbles, name="strokes")
    workbench = Workbench(viewer)
    viewer.window.add_dock_widget(workbench)
    workbench.train.set_config(CONFIG)
    qtbot.waitUntil(lambda: workbench.train.bar.button.isEnabled(), timeout=60_000)
    for dock in (workbench.train, workbench.predict):
        assert dock.wait_idle()
        with qtbot.waitSignal(dock.bar.finished, timeout=120_000):
            dock.bar.button.click()
    return viewer.layers["coins prediction"]


def test_docks_console_and_command_line_give_identical_labels(
    make_napari_viewer, qtbot, sample, tmp_path
):
    image, scribbles = sample
    layer = predict_with_docks(make_napari_viewer(), qtbot, image, scribbles)
    threads = layer.metadata["segkit"]["threads"]
    torch.set_num_threads(threads)

    console = Segmenter().fit(image, scribbles, CONFIG).predict(image)
    np.testing.assert_array_equal(layer.data, console)

    imwrite(tmp_path / "image.png", image)
    imwrite(tmp_path / "scribbles.png", scribbles)
    model, output = tmp_path / "coins.segkit", tmp_path / "labels.npy"
    options = ["--epochs", 1, "--steps-per-epoch", 2, "--seed", 7, "--tile-size", 64]
    files = [tmp_path / "image.png", tmp_path / "scribbles.png"]
    thread_options = ["--threads", threads]
    assert main([str(a) for a in ["train", *files, "-o", model, *options, *thread_options]]) == 0
    assert main([str(a) for a in ["predict", model, files[0], "-o", output, *thread_options]]) == 0
    np.testing.assert_array_equal(layer.data, np.load(output))
    np.testing.assert_array_equal(layer.data, Segmenter.load(model).predict(image))
