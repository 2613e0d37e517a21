"""Layers of every kind beside the docks: what cannot be used is never chosen, or said."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes, Surface, Tracks, Vectors

from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.measure.measure_dock import MeasureDock
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.superpixels.superpixel_dock import SuperpixelDock
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import ObjectConfig, TileConfig

DOCKS = [TrainDock, PredictDock, EvaluateDock, MeasureDock, SuperpixelDock]
TRIANGLE = np.array([[0, 0], [0, 9], [9, 9]])
LAYERS = {
    "points": lambda: Points(np.zeros((3, 2))),
    "no points": lambda: Points(ndim=2),
    "shapes": lambda: Shapes([TRIANGLE], shape_type="polygon"),
    "tracks": lambda: Tracks(np.array([[0, 0, 1, 1], [0, 1, 2, 2]])),
    "vectors": lambda: Vectors(np.zeros((3, 2, 2))),
    "surface": lambda: Surface((np.zeros((3, 3)), np.array([[0, 1, 2]]))),
    "a line of pixels": lambda: Image(np.arange(40.0)[None]),
    "nothing but NaN": lambda: Image(np.full((16, 16), np.nan), contrast_limits=(0, 1)),
    "constant": lambda: Image(np.ones((16, 16))),
    "colours": lambda: Image(np.zeros((16, 16, 4), np.uint8)),
    "six dimensions": lambda: Image(np.zeros((1, 1, 1, 1, 8, 8))),
    "huge labels": lambda: Labels(np.full((16, 16), 2**40)),
    "a row of labels": lambda: Labels(np.ones((1, 16), int)),
}


@pytest.mark.parametrize("dock_class", DOCKS)
def test_odd_layers_are_left_out_or_said(dock_class, make_light_viewer, qtbot, require_sentence):
    viewer = make_light_viewer()
    dock = dock_class(viewer)
    qtbot.addWidget(dock)
    for kind, make in LAYERS.items():
        layer = viewer.add_layer(make())
        viewer.layers.selection = {layer}
        hint = dock.bar.hint.text()
        assert hint or dock.bar.button.isEnabled(), kind
        if hint:
            require_sentence(hint)
        viewer.layers.clear()
        assert not dock.bar.button.isEnabled(), kind


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (ObjectConfig, {"min_size": 9, "max_size": 3}),
        (TileConfig, {"tile_size": 64, "overlap": 48}),
    ],
)
def test_numbers_of_a_form_that_exclude_each_other_are_said(
    config, values, qtbot, require_sentence
):
    form = Form(config)
    qtbot.addWidget(form.native)
    for name, value in values.items():
        form[name].value = value
    require_sentence(form.problem)
