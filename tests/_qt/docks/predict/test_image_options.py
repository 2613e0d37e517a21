"""The Predict dock: channels by name, levels of a pyramid, the pixel size of the training."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segkit import ModelSpec, PredictConfig, Segmenter, TrainConfig
from napari_segkit._qt.docks.predict.image_options import ImageOptions
from napari_segkit._qt.layers.snapshots import at_level, snapshot
from napari_segkit._qt.session.session import session

MASK = np.zeros((32, 24), np.uint8)
MASK[8:20, 6:18] = 1
FINE = np.kron(MASK * 50.0, np.ones((4, 4)))
PYRAMID = [FINE, FINE[::2, ::2], FINE[::4, ::4]]


@pytest.fixture(scope="module")
def model():
    """Trained on pixels of 0.5 um."""
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    segmenter.fit(PYRAMID[2], MASK, TrainConfig(epochs=1, unlabelled=None), spacing=(0.5, 0.5))
    return replace(segmenter.trained, unit="um")


@pytest.fixture
def viewer(make_light_viewer):
    return make_light_viewer()


@pytest.fixture
def options(viewer, qtbot):
    options = ImageOptions(session(viewer))
    qtbot.addWidget(options)
    return options


def test_the_level_of_the_training_is_proposed_and_another_can_be_chosen(options, viewer, model):
    slide = viewer.add_image(PYRAMID, scale=(0.25, 0.25), units="um")
    options.show_image(slide, "YX", model)
    assert options.level.value == 1
    assert "0.5 x 0.5 um, are nearest" in options.level.note.text()
    assert options.pixel_size.text() == ""
    options.level.choice.native.setCurrentIndex(0)
    options.level.choice.by_hand = True
    options.show_image(slide, "YX", model)
    assert options.config(PredictConfig()).level == 0
    assert "tick Resample to the training's pixel size" in options.pixel_size.text()
    plain = viewer.add_image(FINE)
    options.show_image(plain, "YX", model)
    assert (options.level.value, options.level.isVisibleTo(options)) == (0, False)


def test_resampling_is_offered_where_sizes_differ_and_said_where_one_is_unknown(
    options, viewer, model
):
    finer = viewer.add_image(FINE, scale=(0.125, 0.125), units="um")
    options.show_image(finer, "YX", model)
    assert options.config(PredictConfig()) == PredictConfig()
    options.resample.value = True
    assert options.config(PredictConfig()).resample
    unknown = viewer.add_image(FINE, name="plain")
    options.show_image(unknown, "YX", model)
    assert options.pixel_size.text().startswith("The pixel size of plain is unknown")
    assert options.config(PredictConfig()) == PredictConfig()
    unknown.scale = (0.125, 0.125)  # the text follows the layer
    assert "but the model was trained on 0.5 x 0.5 um" in options.pixel_size.text()


def test_a_level_lies_where_napari_shows_it(viewer):
    layer = viewer.add_image(PYRAMID, scale=(2, 3), translate=(10, 20), rotate=30, shear=[0.1])
    level = at_level(snapshot(layer), 1)
    placed = viewer.add_image(
        level.data, scale=level.scale, translate=level.translate, rotate=30, shear=[0.1]
    )
    # the centre of a pixel is that of the two by two pixels it stands for
    for pixel in ((0, 0), (7, 5)):
        corner = np.multiply(pixel, 2)
        assert np.allclose(placed.data_to_world(pixel), layer.data_to_world(corner + 0.5))


def test_layers_are_chosen_for_channels_by_their_names(options, viewer, model):
    named = replace(
        model, channels=2, contrast=(), intensities=None, channel_names=("t1", "t2"), axes="CYX"
    )
    layers = {
        name: viewer.add_image(MASK * 1.0, name=name)
        for name in ("a t1", "a t2", "b t1", "b t2", "b T1 small")
    }
    options.show_image(layers["b t2"], "YX", named)
    assert options.source == {"t1": layers["b t1"], "t2": layers["b t2"]}
    assert options.problem is None
    assert "'t2': viewer.layers['b t2']" in options.code()
    options.show_image(layers["a t1"], "YX", named)
    assert options.source == {"t1": layers["a t1"], "t2": layers["a t2"]}
    rows = options.channels.rows
    rows["t1"].value = layers["a t2"]
    assert options.problem.startswith("a t2 is chosen for the channels 't1' and 't2'")
    small = viewer.add_image(np.zeros((5, 6)), name="b small")
    rows["t1"].value = small
    assert "must be channels of one image, with the same pixels" in options.problem
    viewer.layers.clear()
    assert options.problem.startswith("Choose the layer of the channel 't1'")


def test_one_image_with_all_channels_needs_no_rows(options, viewer, model):
    named = replace(
        model, channels=2, contrast=(), intensities=None, channel_names=("t1", "t2"), axes="CYX"
    )
    both = viewer.add_image(np.zeros((2, 32, 24)))
    options.show_image(both, "CYX", named)
    assert options.source is both
    assert not options.channels.isVisibleTo(options)
