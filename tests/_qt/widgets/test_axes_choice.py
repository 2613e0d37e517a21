"""Axes that a person chooses or types, kept with the layer and offered for layers like it."""

import numpy as np
import pytest
from napari.layers import Image

from napari_segkit._qt.layers.chosen_axes import ChosenAxes
from napari_segkit._qt.widgets.axes_choice import AxesChoice
from napari_segkit.images.axes_image import as_image


@pytest.fixture
def chosen(qapp):
    return ChosenAxes()


def image(shape=(3, 20, 30), **options):
    return Image(np.zeros(shape, np.uint8), name="movie", **options)


def typed(choice, text):
    choice.native.setEditText(text)
    choice.native.lineEdit().editingFinished.emit()


def test_any_order_can_be_typed_and_what_is_none_is_reverted(chosen):
    layer, choice = image(), AxesChoice(chosen)
    choice.set_image(layer)
    assert choice.resolved() == "ZYX"
    typed(choice, "cxy")
    assert choice.resolved() == "CXY"
    assert as_image(layer).axes == "CXY"
    for wrong in ("XY", "CXYZ", "CXX", "QXY", ""):
        typed(choice, wrong)
        assert (choice.resolved(), choice.native.currentText()) == ("CXY", "CXY")


def test_a_choice_stays_with_its_layer_and_is_shown_by_every_dock(chosen):
    first, second, layer, other = AxesChoice(chosen), AxesChoice(chosen), image(), image((9, 8))
    for choice in (first, second):
        choice.set_image(layer)
    first.value = "TYX"
    assert second.resolved() == "TYX"
    first.set_image(other)
    assert first.resolved() == "YX"
    first.set_image(layer)
    assert first.resolved() == "TYX"
    first.value = None
    assert (first.resolved(), second.resolved()) == ("ZYX", "ZYX")
    assert second.native.currentText() == "auto (ZYX)"


def test_layers_of_the_same_shape_are_offered_what_was_chosen(chosen):
    choice = AxesChoice(chosen)
    choice.set_image(image())
    choice.value = "CYX"
    choice.set_image(image())
    assert choice.native.currentText() == "CYX (as for movie)"
    assert choice.resolved() == "CYX"
    choice.set_image(image((4, 20, 30)))
    assert choice.resolved() == "ZYX"
    choice.set_image(image(axis_labels=("t", "y", "x")))  # says what they are
    assert choice.resolved() == "TYX"


def test_rgb_keeps_its_colours_last(chosen):
    choice = AxesChoice(chosen)
    choice.set_image(image((5, 20, 30, 3), rgb=True))
    assert choice.resolved() == "ZYXC"
    choice.value = "TYXC"
    assert choice.resolved() == "TYXC"
