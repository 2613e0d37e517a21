"""Corrections of predictions become labels."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.layers.result_layers import new_labels
from napari_segkit._qt.session.session import session
from napari_segkit.images.layer_metadata import LayerMetadata

QUICK = TrainConfig(tile=TileConfig(tile_size=32), validation=None)
ROWS = np.linspace(0, 255, 60)[:, None] * np.ones(50)
SHAPES = {"YX": (60, 50), "YXC": (60, 50, 3), "ZYX": (3, 60, 50)}
SQUARE = np.array([[20, 10], [20, 40], [45, 40], [45, 10]])  # in pixels


@pytest.fixture(scope="module", params=SHAPES)
def trained(request):
    """An image of these axes, and a model that knows its upper part from its lower one."""
    axes = request.param
    pixels = ROWS[..., None] if axes == "YXC" else ROWS
    image = np.broadcast_to(pixels, SHAPES[axes]).astype(np.uint8)
    labels = np.zeros(image.shape[: len(axes) - ("C" in axes)], np.uint8)
    labels[..., :20, ::4], labels[..., 40:, ::4] = 1, 2
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    return axes, image, segmenter.fit(image, labels, QUICK, axes=axes)


@pytest.fixture
def painted(trained, make_light_viewer, qtbot):
    """Session, prediction and new labels of an image that is scaled and moved."""
    axes, image, segmenter = trained
    viewer, rgb = make_light_viewer(), "C" in axes
    ndim = image.ndim - rgb
    place = {"scale": (3, 2, 2)[-ndim:], "translate": (7, 5, 5)[-ndim:]}
    layer = viewer.add_image(image, name="cells", rgb=rgb, **place)
    labels = new_labels(viewer, layer, axes)
    shown = session(viewer)
    shown.segmenter = segmenter
    prediction = result(qtbot, shown.predict(layer), "written")
    return shown, prediction, labels


def result(qtbot, task, name="returned"):
    with qtbot.waitSignals([getattr(task, name), task.finished], timeout=60_000) as signals:
        pass
    return signals.all_signals_and_args[0].args[0]


def lasso(viewer, corners, place):
    """Draw a shape around pixels of a layer."""
    drawn = np.asarray(corners) * place.scale[-2:] + place.translate[-2:]
    shapes = viewer.add_shapes(ndim=2, name="right")
    shapes.add_polygons(drawn)
    return shapes


def test_what_was_painted_moves_to_the_labels_in_one_step(painted, qtbot):
    shown, prediction, labels = painted
    before = prediction.data.copy()
    labels.data[..., 3, 3] = 1
    prediction.data_setitem(_indices(prediction), 2)
    done = result(qtbot, shown.use_corrections(prediction, labels))
    expected = np.zeros_like(labels.data)
    expected[..., 3, 3] = 1
    expected[_indices(labels)] = 2
    np.testing.assert_array_equal(labels.data, expected)
    np.testing.assert_array_equal(prediction.data, before)
    assert (done.pixels, done.values) == (18, [2])
    assert labels.get_color(2)[:3] == pytest.approx(prediction.get_color(2)[:3])
    labels.undo()
    assert labels.data.sum() == before.size // (60 * 50)
    prediction.undo()
    assert (prediction.data[_indices(prediction)] == 2).all()


def _indices(layer):
    """Pixels of the upper left, in the last slice."""
    rows, columns = (x.ravel() for x in np.mgrid[3:6, 3:9])
    return (*[np.full(rows.shape, n - 1) for n in layer.data.shape[:-2]], rows, columns)


def test_a_prediction_given_back_is_updated_by_the_next_one(painted, qtbot):
    shown, prediction, labels = painted
    prediction.data_setitem(_indices(prediction), 2)
    result(qtbot, shown.use_corrections(prediction, labels))
    assert result(qtbot, shown.predict(shown.viewer.layers["cells"]), "written") is prediction


def test_a_lassoed_part_fills_unlabelled_pixels(painted, qtbot):
    shown, prediction, labels = painted
    labels.data[..., 30, 30] = 7
    shapes = lasso(shown.viewer, SQUARE, labels)
    region = (*[0] * (labels.ndim - 2), ...)
    done = result(qtbot, shown.accept_inside(shapes, prediction, labels, region=region))
    expected = np.zeros_like(labels.data)
    expected[..., 30, 30] = 7
    first = (*[0] * (labels.ndim - 2), slice(20, 45), slice(10, 40))
    expected[first] = prediction.data[first]
    expected[..., 30, 30] = 7
    np.testing.assert_array_equal(labels.data, expected)
    assert (done.pixels, done.values) == (25 * 30 - 1, [1, 2])
    labels.undo()
    assert np.unique(labels.data).tolist() == [0, 7]
    again = result(qtbot, shown.accept_inside(shapes, prediction, labels))
    assert again.pixels == (25 * 30 - 1) * (labels.data.size // (60 * 50))
    assert result(qtbot, shown.accept_inside(shapes, prediction, labels)).pixels == 0


def test_of_a_prediction_of_a_region_only_that_is_known(painted, qtbot):
    shown, _, labels = painted
    shown.viewer.layers.remove("cells prediction")
    view = {"Y": slice(0, 30), "X": slice(0, 50)}
    image = shown.viewer.layers["cells"]
    part = result(qtbot, shown.predict(image, region=view), "written")
    assert "partial" in part.name
    shapes = lasso(shown.viewer, SQUARE, labels)
    done = result(qtbot, shown.accept_inside(shapes, part, labels, unlabelled=255))
    assert done.pixels == 0  # no pixel has the value 255
    labels.data[:] = 255
    done = result(qtbot, shown.accept_inside(shapes, part, labels, unlabelled=255))
    assert (labels.data != 255).any(axis=-1).reshape(-1, 60).all(axis=0).nonzero()[0].max() == 29
    part.data_setitem(tuple(x + 40 * (i == part.ndim - 2) for i, x in enumerate(_indices(part))), 1)
    done = result(qtbot, shown.use_corrections(part, labels, unlabelled=255))
    assert (done.pixels, done.values) == (18, [1])
    assert not part.data[..., 43, 5].any()


def test_part_of_the_image_is_accepted_from_a_live_preview(painted, qtbot):
    shown, prediction, labels = painted
    start = [0] * (labels.ndim - 2) + [10, 20]
    box = tuple(slice(a, n) for a, n in zip(start, labels.data.shape, strict=True))
    preview = shown.viewer.add_labels(
        prediction.data[box],
        scale=labels.scale,
        translate=labels.data_to_world(start),
        metadata=LayerMetadata("preview").as_metadata(),
    )
    shapes = lasso(shown.viewer, SQUARE, labels)
    result(qtbot, shown.accept_inside(shapes, preview, labels))
    inside = np.s_[..., 20:45, 20:40]
    np.testing.assert_array_equal(labels.data[inside], prediction.data[inside])
    assert np.count_nonzero(labels.data) == labels.data[inside].size


def test_what_cannot_be_used_is_said_before_any_work(painted):
    shown, prediction, labels = painted
    other = shown.viewer.add_labels(np.zeros_like(labels.data), name="mask")
    with pytest.raises(ValueError, match="mask is no prediction of classes"):
        shown.use_corrections(other, labels)
    small = shown.viewer.add_labels(np.zeros((9, 9), np.uint8), name="small")
    with pytest.raises(ValueError, match="of the same image, at the same level"):
        shown.use_corrections(prediction, small)
    shown.viewer.layers.remove("cells")
    with pytest.raises(ValueError, match="predict the image again"):
        shown.use_corrections(prediction, labels)
    labels.editable = False
    with pytest.raises(ValueError, match="cannot be painted on"):
        shown.accept_inside([SQUARE], prediction, labels)


def test_labels_too_small_for_a_value_stay_as_they_are(painted, qtbot):
    shown, prediction, labels = painted
    prediction.data = prediction.data.astype(np.uint16)
    prediction.data_setitem(_indices(prediction), 300)
    task = shown.use_corrections(prediction, labels)
    with qtbot.waitSignals([task.errored, task.finished], timeout=60_000) as signals:
        pass
    assert "has the value 300" in str(signals.all_signals_and_args[0].args[0])
    assert not labels.data.any()


@pytest.fixture
def found(make_light_viewer, qtbot):
    """Session, predicted objects and new labels of an image of two squares."""
    truth = np.zeros((60, 50), np.uint8)
    truth[5:20, 5:20], truth[30:50, 25:45] = 1, 2
    viewer = make_light_viewer()
    layer = viewer.add_image(np.where(truth, 200, 20).astype(np.uint8), name="cells")
    labels, shown = new_labels(viewer, layer), session(viewer)
    config = TrainConfig(tile=TileConfig(tile_size=32), validation=None, labels_are="objects")
    segmenter = Segmenter(ModelSpec("pixels", objects="components"), device="cpu")
    shown.segmenter = segmenter.fit(layer.data, truth, config)
    return shown, result(qtbot, shown.predict(layer), "written"), labels


def test_objects_that_were_painted_on_become_instance_labels(found, qtbot):
    shown, prediction, labels = found
    before = prediction.data.copy()
    value = before[10, 10]
    rows, columns = (x.ravel() for x in np.mgrid[20:24, 5:20])
    prediction.data_setitem((rows, columns), value)
    extended = prediction.data == value
    done = result(qtbot, shown.use_corrections(prediction, labels))
    np.testing.assert_array_equal(labels.data > 0, extended)
    np.testing.assert_array_equal(prediction.data, before)
    assert done.pixels == extended.sum()
    square = np.array([[28, 23], [28, 47], [52, 47], [52, 23]])
    result(qtbot, shown.accept_inside([square], prediction, labels))
    np.testing.assert_array_equal(labels.data > 0, extended | (before > 0))
    assert np.unique(labels.data).tolist() == [0, 1, 2]
    labels.undo()
    np.testing.assert_array_equal(labels.data > 0, extended)
