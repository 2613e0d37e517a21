import sys
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from napari_segkit import ModelSpec, PredictConfig, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.session.session import session
from napari_segkit.images.layer_metadata import LayerMetadata

QUICK = TrainConfig(tile=TileConfig(tile_size=32), validation=None)
PIXELS = np.random.default_rng(0).integers(0, 255, (200, 160), np.uint8)
ONE_BY_ONE = TileConfig(batch_size=1)
VIEW = {"Y": slice(10, 70), "X": slice(20, 90)}


@pytest.fixture(scope="module")
def segmenter():
    labels = np.zeros(PIXELS.shape, np.uint8)
    labels[:40], labels[160:] = 1, 2
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(PIXELS, labels, QUICK)


@pytest.fixture(scope="module")
def whole(segmenter):
    return segmenter.predict(PIXELS, ONE_BY_ONE)


@pytest.fixture
def viewer(make_light_viewer):
    viewer = make_light_viewer()
    viewer.add_image(PIXELS.copy(), name="cells", scale=(2, 2), translate=(5, 5))
    return viewer


@pytest.fixture
def predictions(viewer, segmenter):
    predictions = session(viewer)
    predictions.segmenter = segmenter
    return predictions


def run(qtbot, task, *, stop_after=None):
    """Wait for a task; give its steps. It is stopped after that many tiles."""
    steps = []

    def on_step(step):
        steps.append(step)
        if stop_after is not None and step.done >= stop_after:
            task.stop()

    task.yielded.connect(on_step)
    with qtbot.waitSignal(task.finished, timeout=60_000):
        pass
    return steps


def names(viewer):
    return [layer.name for layer in viewer.layers]


def only(labels, view):
    """Labels in a view, 0 elsewhere."""
    kept = np.zeros_like(labels)
    place = view["Y"], view.get("X", slice(None))
    kept[place] = labels[place]
    return kept


def test_view_after_view_fills_one_layer(predictions, viewer, whole, qtbot):
    image = viewer.layers["cells"]
    run(qtbot, predictions.predict(image, ONE_BY_ONE, region=VIEW))
    layer = viewer.layers["cells prediction (partial)"]
    np.testing.assert_array_equal(layer.data, only(whole, VIEW))
    assert "13 % is predicted" in predictions.written_note(layer)
    assert LayerMetadata.of(layer).provenance["predicted_part"] == 60 * 70 / PIXELS.size
    other = {"Y": slice(100, 200)}
    run(qtbot, predictions.predict(image, ONE_BY_ONE, region=other))
    np.testing.assert_array_equal(layer.data, only(whole, VIEW) + only(whole, other))
    steps = run(qtbot, predictions.predict(image, ONE_BY_ONE))
    np.testing.assert_array_equal(layer.data, whole)
    assert names(viewer) == ["cells", "cells prediction"]
    assert "predicted_part" not in LayerMetadata.of(layer).provenance
    again = run(qtbot, predictions.predict(image, ONE_BY_ONE))
    assert steps[-1].total < again[-1].total  # tiles that were known were not predicted again
    assert names(viewer) == ["cells", "cells prediction"]


def test_a_part_of_what_is_predicted_needs_no_tile(predictions, viewer, whole, qtbot):
    image = viewer.layers["cells"]
    run(qtbot, predictions.predict(image))
    (step,) = run(qtbot, predictions.predict(image, region=VIEW))
    assert step.done == step.total == 1
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, whole)
    assert names(viewer) == ["cells", "cells prediction"]


def test_views_of_a_level_of_channels_fill_one_layer(predictions, viewer, qtbot):
    small, labels = {"a": PIXELS[:48, :40], "b": PIXELS[48:96, :40]}, 1 + (PIXELS[:48, :40] > 99)
    predictions.segmenter = Segmenter(ModelSpec("pixels"), device="cpu").fit(small, labels, QUICK)
    channels = {
        name: viewer.add_image([np.kron(each, np.ones((2, 2), np.uint8)), each], name=name)
        for name, each in small.items()
    }
    expected = predictions.segmenter.predict(small)
    for region in ({"X": slice(0, 16)}, {"X": slice(16, 24)}):
        config = PredictConfig(level=1)
        run(qtbot, predictions.predict(channels, config=config, region=region))
    layer = viewer.layers["a prediction (partial)"]
    np.testing.assert_array_equal(layer.data[:, :24], expected[:, :24])
    assert not layer.data[:, 24:].any()
    np.testing.assert_array_equal(layer.scale, (2, 2))


def test_stop_keeps_what_is_done_and_the_next_press_does_the_rest(
    predictions, viewer, whole, qtbot
):
    image = viewer.layers["cells"]
    first = run(qtbot, predictions.predict(image, ONE_BY_ONE), stop_after=20)
    layer = viewer.layers["cells prediction (partial)"]
    done = layer.data != 0
    assert done.any()
    np.testing.assert_array_equal(layer.data[done], whole[done])
    rest = run(qtbot, predictions.predict(image, ONE_BY_ONE))
    np.testing.assert_array_equal(layer.data, whole)
    assert names(viewer) == ["cells", "cells prediction"]
    assert rest[-1].total < first[-1].total


@pytest.mark.parametrize("change", ["pixels", "data", "tile", "model"])
def test_what_something_else_has_made_is_not_taken(change, predictions, viewer, segmenter, qtbot):
    image, tile = viewer.layers["cells"], ONE_BY_ONE
    run(qtbot, predictions.predict(image, tile, region=VIEW))
    if change == "pixels":
        image.data[:, :80] = 255 - image.data[:, :80]  # in place, which napari does not tell
    elif change == "data":
        image.data = image.data[::-1].copy()
    elif change == "tile":
        tile = replace(ONE_BY_ONE, tile_size=64)
    else:
        other = Segmenter(segmenter.spec, device="cpu")
        predictions.segmenter = other.fit(PIXELS, 1 + (PIXELS > 99), QUICK)
    expected = predictions.segmenter.predict(image.data, tile)
    below = {"Y": slice(100, 200), "X": slice(20, 90)}
    task = predictions.predict(image, tile, region=below)
    written = []
    task.written.connect(written.append)
    run(qtbot, task)
    np.testing.assert_array_equal(written[0].data, only(expected, below))


def test_a_painted_layer_stays_and_its_prediction_goes_on_in_a_new_one(
    predictions, viewer, whole, qtbot
):
    image = viewer.layers["cells"]
    run(qtbot, predictions.predict(image, region=VIEW))
    painted = viewer.layers["cells prediction (partial)"]
    painted.data_setitem((np.array([150]), np.array([150])), 2)
    before = painted.data.copy()
    run(qtbot, predictions.predict(image))
    np.testing.assert_array_equal(painted.data, before)
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, whole)


def test_a_part_replaces_no_whole_prediction(predictions, viewer, segmenter, whole, qtbot):
    image = viewer.layers["cells"]
    run(qtbot, predictions.predict(image))
    tile = TileConfig(tile_size=64)
    run(qtbot, predictions.predict(image, tile, region=VIEW))
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, whole)
    part = viewer.layers["cells prediction (partial)"].data
    np.testing.assert_array_equal(part, only(segmenter.predict(PIXELS, tile), VIEW))


def test_shapes_say_where_in_their_own_scale(predictions, viewer, whole, qtbot):
    corners = np.array([[10, 20], [10, 90], [70, 90], [70, 20]])  # of pixels
    shapes = viewer.add_shapes(
        [(corners * 2 + 5 - 3) / 4], shape_type="rectangle", scale=(4, 4), translate=(3, 3)
    )
    run(qtbot, predictions.predict(viewer.layers["cells"], region=shapes))
    np.testing.assert_array_equal(
        viewer.layers["cells prediction (partial)"].data, only(whole, VIEW)
    )


def test_labels_appear_while_they_are_predicted(predictions, viewer, whole, qtbot):
    task = predictions.predict(viewer.layers["cells"], ONE_BY_ONE, region=VIEW)
    shown = []

    def look():
        live = [x for x in viewer.layers if x.name.endswith("(predicting …)")]
        shown.extend((x.data.copy(), tuple(x.data_to_world((0, 0)))) for x in live)

    task.yielded.connect(look)
    switching = sys.getswitchinterval()
    run(qtbot, task)
    assert sys.getswitchinterval() == switching
    labels, corner = shown[-1]
    np.testing.assert_array_equal(labels, whole[10:70, 20:90])
    assert corner == tuple(viewer.layers["cells"].data_to_world((10, 20)))
    assert names(viewer) == ["cells", "cells prediction (partial)"]


def test_a_chunk_that_fails_keeps_what_is_done(predictions, viewer, whole, qtbot, notifications):
    reads, is_broken = [], False

    def read(block, block_info=None):
        row = block_info[0]["array-location"][0][0]
        reads.append(row)
        if is_broken and row >= 120 and reads.count(row) > 1:  # the first measures intensities
            raise OSError("the disk is gone")
        return block

    pixels = da.from_array(PIXELS, chunks=(40, 160)).map_blocks(read, dtype=np.uint8)
    image = viewer.add_image(pixels, name="lazy")
    reads.clear()
    is_broken = True
    run(qtbot, predictions.predict(image, ONE_BY_ONE))
    layer = viewer.layers["lazy prediction (partial)"]
    assert layer.data[:40].any()
    assert not layer.data[120:].any()
    np.testing.assert_array_equal(layer.data[:40], whole[:40])
    assert any("the disk is gone" in text for text in notifications())
    is_broken = False
    run(qtbot, predictions.predict(image, ONE_BY_ONE))
    np.testing.assert_array_equal(layer.data, whole)


def test_several_images_one_after_the_other(predictions, viewer, whole, qtbot, notifications):
    colours = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    colour = viewer.add_image(colours, name="colour", rgb=True)
    other = viewer.add_image(PIXELS[::-1].copy(), name="other")
    images = [viewer.layers["cells"], colour, other]
    task = predictions.predict_layers(images, ONE_BY_ONE)
    written = []
    task.written.connect(written.append)
    steps = run(qtbot, task)
    assert [layer.name for layer in written] == ["cells prediction", "other prediction"]
    np.testing.assert_array_equal(written[0].data, whole)
    assert any("Image 3 of 3 (other), tile" in getattr(step, "text", "") for step in steps)
    assert any("takes 1 channel, but colour has 3" in text for text in notifications())
    with pytest.raises(ValueError, match="images is empty"):
        predictions.predict_layers([])


def test_the_image_may_be_removed_and_the_viewer_closed(predictions, viewer, whole, qtbot):
    task = predictions.predict(viewer.layers["cells"], ONE_BY_ONE, region=VIEW)
    viewer.layers.remove("cells")
    run(qtbot, task)
    np.testing.assert_array_equal(
        viewer.layers["cells prediction (partial)"].data, only(whole, VIEW)
    )


def test_a_closed_window_abandons_it(predictions, viewer, qtbot):
    task = predictions.predict(viewer.layers["cells"], ONE_BY_ONE)
    viewer.window.main_menu.window().destroyed.emit()
    run(qtbot, task)
    assert names(viewer) == ["cells"]


def test_a_region_outside_the_image_is_refused(predictions, viewer, qtbot, notifications):
    region = {"Y": slice(300, 400)}
    run(qtbot, predictions.predict(viewer.layers["cells"], region=region))
    assert any("holds none of them" in text for text in notifications())
    assert names(viewer) == ["cells"]
