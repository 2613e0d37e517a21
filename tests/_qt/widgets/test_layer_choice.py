import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QEvent

from napari_segkit._qt.widgets.layer_choice import LayerChoice


def names(choice):
    box = choice.native
    return [box.itemText(i) for i in range(box.count())]


@pytest.fixture(params=["viewer", "proxy"])
def viewer(request):
    viewer = ViewerModel()
    return viewer if request.param == "viewer" else PublicOnlyProxy(viewer)


@pytest.fixture
def choice(viewer, qtbot):
    def make(kind):
        made = LayerChoice(viewer, kind)
        qtbot.addWidget(made.native)
        return made

    return make


PIXELS = np.zeros((8, 8), np.uint8)


def test_old_and_new_layers_are_listed_topmost_first(viewer, choice):
    viewer.add_image(PIXELS, name="a")
    box = choice("image")
    viewer.add_labels(PIXELS, name="l")
    viewer.add_image(PIXELS, name="b")
    assert names(box) == ["b", "a"]
    assert names(choice("labels")) == ["l"]
    viewer.layers.move(0, 3)
    assert names(box) == ["a", "b"]


def test_the_choice_stays_with_its_layer(viewer, choice):
    viewer.add_image(PIXELS, name="a")
    box = choice("image")
    kept = box.value
    assert kept is next(iter(viewer.layers))
    changes = []
    box.changed.connect(lambda: changes.append(box.value))
    viewer.add_image(PIXELS, name="b")
    viewer.layers["a"].name = "renamed"
    viewer.layers.move(0, 2)
    assert box.value is kept
    assert box.current_choice == "renamed"
    assert changes == []
    viewer.layers.remove("renamed")
    assert box.value.name == "b"
    viewer.layers.clear()
    assert box.value is None
    assert [getattr(layer, "name", None) for layer in changes] == ["b", None]


def test_choosing_a_layer_and_an_index(viewer, choice):
    first = viewer.add_image(PIXELS, name="a")
    viewer.add_image(PIXELS, name="b")
    labels = viewer.add_labels(PIXELS)
    box = choice("image")
    box.value = first
    assert box.value == first
    box.native.setCurrentIndex(0)
    assert box.value.name == "b"
    with pytest.raises(ValueError, match="not a valid choice"):
        box.value = labels


def test_an_entry_without_a_layer_can_be_chosen(viewer, qtbot):
    box = LayerChoice(viewer, "shapes", none="the full image")
    qtbot.addWidget(box.native)
    layer = viewer.add_shapes([PIXELS[:4, :2]], name="drawn")
    assert names(box) == ["the full image", "drawn"]
    assert box.value is None
    box.value = layer
    viewer.add_shapes(name="other")
    assert box.current_choice == "drawn"
    box.value = None
    assert box.current_choice == "the full image"
    box.value = layer
    viewer.layers.remove("drawn")
    assert box.value is None


def test_a_deleted_choice_is_released(viewer, qapp):
    reference = make_and_delete(viewer, qapp)
    gc.collect()
    assert reference() is None
    viewer.add_image(PIXELS)


def make_and_delete(viewer, qapp):
    box = LayerChoice(viewer, "image")
    viewer.add_image(PIXELS)
    box.native.deleteLater()
    qapp.sendPostedEvents(box.native, QEvent.Type.DeferredDelete.value)
    viewer.add_image(PIXELS)  # the Python wrapper still gets this event
    return weakref.ref(box)
