"""A layer that follows the view, in a viewer without a canvas."""

import numpy as np
import pytest
from qtpy.compat import isalive

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.predict.where import Place
from napari_segkit._qt.session.session import session
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.steps import Step

QUICK = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(tile_size=64))
PIXELS = np.random.default_rng(0).integers(0, 255, (2, 64, 48), np.uint8)


@pytest.fixture(scope="module")
def models():
    labels = np.zeros(PIXELS[0].shape, np.uint8)
    labels[:16], labels[48:] = 1, 2
    spec = ModelSpec("pixels")
    return [Segmenter(spec, device="cpu").fit(image, labels, QUICK) for image in PIXELS]


@pytest.fixture
def viewer(light_viewer):
    light_viewer.add_image(PIXELS, name="cells", scale=(1, 2, 2), translate=(0, 5, 5), units="um")
    light_viewer.dims.set_current_step(0, 1)
    return light_viewer


@pytest.fixture
def held(viewer, models):
    held = session(viewer)
    held.segmenter = Segmenter.of_trained(models[0].trained, device="cpu")
    yield held
    if held.followed is not None and isalive(held.followed):
        held.followed.close()


@pytest.fixture
def followed(held, viewer, qtbot):
    followed = held.follow_view(viewer.layers["cells"], axes="TYX")
    wait_until_shown(qtbot, followed)
    return followed


def wait_until_shown(qtbot, followed, frame=1):
    cache = followed._prediction.cache
    box = (slice(frame, frame + 1), slice(0, 64), slice(0, 48))

    def is_shown():
        levels = range(len(cache.shapes))
        return all(cache.is_predicted(level, cache.box_at(level, box)) for level in levels)

    qtbot.waitUntil(is_shown, timeout=60_000)


def test_shows_what_is_in_view(followed, viewer, held, qtbot):
    layer, image = followed.layer, viewer.layers["cells"]
    whole = held.segmenter.predict(PIXELS, axes="TYX")
    np.testing.assert_array_equal(np.asarray(layer.data[0])[1], whole[1])
    assert not np.asarray(layer.data[0])[0].any()
    viewer.dims.set_current_step(0, 0)
    wait_until_shown(qtbot, followed, frame=0)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), whole)
    for name in ("scale", "translate", "units"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(image, name))
    assert not layer.editable
    assert held.task is None  # other work may begin


def test_a_stopped_one_goes_on_with_its_layer(followed, viewer, held, qtbot):
    with qtbot.waitSignal(followed.task.finished):
        followed.task.stop()
    assert not followed.is_running
    assert followed.layer in viewer.layers
    viewer.dims.set_current_step(0, 0)
    again = held.follow_view(viewer.layers["cells"], axes="TYX")
    assert again is followed
    wait_until_shown(qtbot, followed, frame=0)
    assert len(viewer.layers) == 2


def test_another_model_begins_anew(followed, viewer, held, models, qtbot):
    before = followed._prediction.cache
    held.segmenter = Segmenter.of_trained(models[1].trained, device="cpu")
    assert not np.asarray(followed.layer.data[0]).any()  # nothing of the earlier model
    wait_until_shown(qtbot, followed)
    whole = models[1].predict(PIXELS, axes="TYX")
    np.testing.assert_array_equal(np.asarray(followed.layer.data[0])[1], whole[1])
    assert not before._chunks


def test_ends_where_another_model_cannot_go_on(followed, viewer, held, qtbot):
    layer, task = followed.layer, followed.task
    with qtbot.waitSignal(followed.refused) as refused, qtbot.waitSignal(task.finished):
        held.segmenter = Segmenter(device="cpu")
    assert "train" in str(refused.args[0])
    assert layer not in viewer.layers
    assert held.followed is None


@pytest.mark.parametrize("end", ["layer", "image", "pixels"])
def test_ends_with_its_layer_or_image(followed, viewer, held, end, qtbot):
    layer, cache, task = followed.layer, followed._prediction.cache, followed.task
    with qtbot.waitSignal(task.finished):
        if end == "pixels":
            viewer.layers["cells"].data = PIXELS[:, ::-1]
        else:
            viewer.layers.remove(layer if end == "layer" else viewer.layers["cells"])
    assert layer not in viewer.layers
    assert not cache._chunks
    assert held.followed is None


def test_takes_no_step_while_other_work_runs(followed, viewer, held, qtbot):
    def work():
        while True:
            yield Step(0, 0)

    task = held.run(work())
    viewer.dims.set_current_step(0, 0)
    qtbot.wait(300)
    assert not np.asarray(followed.layer.data[0])[0].any()
    task.stop()
    wait_until_shown(qtbot, followed, frame=0)


def test_a_preview_is_marked(followed, qtbot):
    prediction, layer = followed._prediction, followed.layer
    prediction.cache.write_preview(0, (slice(0, 1), slice(0, 64), slice(0, 48)), PIXELS[:1] * 0 + 1)
    step = prediction._step(prediction.look, 0, 1)
    followed._on_step(step)
    assert not layer.name.endswith("(preview)")  # of another slice
    followed._on_step(type(step)(0, 1, is_preview=True))
    assert layer.name.endswith("(preview)")
    assert LayerMetadata.of(layer).provenance["is_preview"]
    followed._on_step(type(step)(1, 1))
    assert not layer.name.endswith("(preview)")


def test_what_is_a_preview_is_marked_after_a_stop(followed, viewer, qtbot):
    frame = slice(0, 1), slice(0, 64), slice(0, 48)
    with qtbot.waitSignal(followed.task.finished):
        followed.task.stop()
    cache, level = followed._prediction.cache, followed.layer.data_level
    box = cache.box_at(level, frame)
    cache.write_preview(level, box, np.ones([side.stop - side.start for side in box], np.uint8))
    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(lambda: followed.layer.name.endswith("(preview)"))
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: not followed.layer.name.endswith("(preview)"))


def test_a_full_disk_is_told(followed, viewer, qtbot, notifications, monkeypatch):
    def fails(box, labels):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(followed._prediction.cache, "write", fails)
    with qtbot.waitSignal(followed.task.finished):
        viewer.dims.set_current_step(0, 0)
    assert notifications()[-1].startswith("Predicting what is in view failed: No space left")
    assert followed.layer in viewer.layers


def test_the_dock_starts_and_stops_it(held, viewer, qtbot):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.image.value, dock.axes.value = viewer.layers["cells"], "TYX"
    dock.where.place.value = Place.FOLLOW
    assert ".follow_view(" in dock.code()
    dock.probabilities.keep.value = True
    dock.bar.button.click()
    assert "probabilities" in dock.bar.status.text()
    dock.probabilities.keep.value = False
    dock.bar.button.click()
    assert dock.bar.is_running
    wait_until_shown(qtbot, held.followed)
    qtbot.waitUntil(lambda: "1 of 1" in dock.bar.status.text())
    other = PredictDock(viewer)  # one that is opened later
    assert other.bar.is_running
    assert other.where.follows
    other.bar.button.click()
    qtbot.waitUntil(lambda: not dock.bar.is_running)
    assert held.followed.layer in viewer.layers


class Unreadable:
    """An array in chunks, none of which can be read but those that are measured."""

    shape, dtype, ndim, chunks = PIXELS.shape, PIXELS.dtype, PIXELS.ndim, PIXELS.shape

    def __init__(self):
        self.fails = False

    def __getitem__(self, index):
        if self.fails:
            raise OSError("chunk 0.0 is damaged")
        return PIXELS[index]


def test_a_chunk_that_cannot_be_read_is_told_and_the_rest_stays(held, viewer, qtbot, notifications):
    pixels = Unreadable()
    image = viewer.add_image(pixels, name="damaged", contrast_limits=(0, 255))
    followed = held.follow_view(image, axes="TYX")
    wait_until_shown(qtbot, followed)
    pixels.fails = True
    with qtbot.waitSignal(followed.task.finished):
        followed._prediction.look = type(followed._prediction.look)(
            (slice(0, 1), slice(0, 64), slice(0, 48)), 0
        )
        followed.task.send(None)
    assert "damaged cannot be read" in notifications()[-1]
    assert np.asarray(followed.layer.data[0])[1].any()
    assert not followed.is_running
