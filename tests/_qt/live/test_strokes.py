import numpy as np
import pytest

from napari_segkit._qt.layers.layer_classes import replace_pixels
from napari_segkit._qt.live import strokes
from napari_segkit._qt.live.strokes import StrokeWatcher

SHAPE = (40, 50)


class Copy:
    """What a training has of a layer: a copy that takes the patches."""

    def __init__(self, viewer, layer):
        self.pixels, self.sizes, self.replaced = layer.data.copy(), [], []
        self.watcher = StrokeWatcher(viewer, layer, self.pixels, 3)
        self.watcher.changed.connect(self.take)
        self.watcher.replaced.connect(self.replaced.append)

    def take(self, number, patch):
        assert number == 3
        assert not patch.values.flags.writeable
        box = tuple(slice(s, s + n) for s, n in zip(patch.start, patch.values.shape, strict=True))
        self.pixels[box] = patch.values
        self.sizes.append(patch.values.size)


@pytest.fixture
def layer(light_viewer):
    return light_viewer.add_labels(np.zeros(SHAPE, np.uint8), name="strokes")


@pytest.fixture
def copy(light_viewer, layer, qtbot):
    made = Copy(light_viewer, layer)
    qtbot.waitUntil(lambda: not made.watcher._boxes)
    return made


def edits(layer):
    """What a person or a script does with a layer, one after the other."""
    layer.brush_size = 5
    yield lambda: layer.paint((10, 10), 1)
    yield lambda: layer.fill((0, 0), 2)
    yield layer.undo
    yield layer.undo
    yield layer.redo
    yield lambda: layer.data_setitem((np.array([1, 5]), np.array([2, 9])), 3)
    yield lambda: layer.paint_polygon(np.array([[20, 20], [20, 30], [30, 30]]), 4)
    yield lambda: setattr(layer, "data", np.full(SHAPE, 5, np.uint8))
    yield lambda: (layer.data.__setitem__((slice(3), slice(4)), 0), layer.refresh())


def test_the_copy_of_a_training_follows_whatever_changes_a_layer(qtbot, layer, copy):
    for edit in edits(layer):
        before = layer.data.copy()
        edit()
        assert not np.array_equal(layer.data, before)
        qtbot.waitUntil(lambda: np.array_equal(copy.pixels, layer.data), timeout=2000)


def test_a_stroke_of_many_places_is_one_patch_around_it(qtbot, layer, copy):
    layer.brush_size = 3
    with layer.block_history():  # as while the mouse is dragged
        layer.paint((10, 10), 1)
        layer.paint((10, 14), 1)
    qtbot.waitUntil(lambda: bool(copy.sizes))
    assert copy.sizes == [3 * 7]


def test_edits_by_slices_are_compared_where_they_are(layer, copy):
    replace_pixels(layer, (slice(3, 5), 7), np.full(2, 6, np.uint8))
    assert copy.watcher._boxes[0] == (slice(3, 5), slice(7, 8))


def test_a_large_change_comes_in_pieces_between_other_events(qtbot, layer, copy, monkeypatch):
    monkeypatch.setattr(strokes, "AT_ONCE", 400)
    layer.data[:] = 7
    layer.refresh()
    qtbot.waitUntil(lambda: np.array_equal(copy.pixels, layer.data), timeout=2000)
    assert sum(copy.sizes) == layer.data.size
    assert max(copy.sizes) <= 400


def test_what_was_painted_before_the_watcher_came_is_not_lost(qtbot, light_viewer, layer):
    copy = Copy(light_viewer, layer)
    layer.data[3] = 2  # between the copy and the first event
    qtbot.waitUntil(lambda: copy.sizes == [SHAPE[1]], timeout=2000)


def test_another_slice_is_no_change(qtbot, light_viewer):
    layer = light_viewer.add_labels(np.zeros((3, 8, 8), np.uint8))
    watcher = StrokeWatcher(light_viewer, layer, layer.data)
    qtbot.waitUntil(lambda: not watcher._boxes)
    light_viewer.dims.set_current_step(0, 2)
    assert not watcher._boxes
    layer.paint((2, 4, 4), 1)
    with qtbot.waitSignal(watcher.changed, timeout=2000) as sent:
        pass
    assert sent.args[1].start[0] == 2


@pytest.mark.parametrize("data", [np.zeros((8, 8), np.uint8), np.zeros(SHAPE, np.uint16)])
def test_pixels_of_another_shape_or_type_end_it(qtbot, layer, copy, data):
    layer.data = data
    qtbot.waitUntil(lambda: copy.replaced == ["strokes"], timeout=2000)
    layer.paint((1, 1), 1)
    assert not copy.watcher._boxes
