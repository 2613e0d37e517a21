"""Samples of File > Open Sample: their labels, and no network access."""

import socket

import numpy as np
import pytest
from napari.components import ViewerModel
from scipy import ndimage

from napari_segkit.data.samples import coins, ihc, mri
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.label_stats import label_stats
from napari_segkit.images.placement import world_matrix

SAMPLES = pytest.mark.parametrize(
    ("sample", "names"),
    [(coins, ["background", "coin"]), (ihc, ["lumen", "stroma", "gland"])],
    ids=["coins", "ihc"],
)


@SAMPLES
def test_image_scribbles_and_truth_fit(sample, names):
    (image, _, _), (scribbles, _, _), (truth, _, _) = sample()
    assert image.shape[:2] == scribbles.shape == truth.shape
    assert scribbles.dtype == truth.dtype == np.uint8
    assert list(np.unique(truth)) == list(range(1, len(names) + 1))
    assert list(np.unique(scribbles)) == list(range(len(names) + 1))


@SAMPLES
def test_the_scribbles_agree_with_the_truth(sample, names):
    _, (scribbles, _, _), (truth, _, _) = sample()
    painted = scribbles > 0
    assert np.array_equal(scribbles[painted], truth[painted])
    assert 0.02 < painted.mean() < 0.08  # painted in a minute or two


@SAMPLES
def test_the_scribbles_can_be_trained_on(sample, names):
    stats = label_stats(sample()[1][0])
    assert stats.problem is None
    assert min(stats.counts.values()) > 1000


def test_the_truth_has_24_filled_coins():
    coin = coins()[2][0] == 2
    assert ndimage.label(coin)[1] == 24
    assert np.array_equal(ndimage.binary_fill_holes(coin), coin)


@SAMPLES
def test_the_layers_show_their_classes_in_napari(sample, names):
    viewer = ViewerModel()
    for values, options, kind in sample():
        getattr(viewer, f"add_{kind}")(values, **options)
    image, scribbles, truth = viewer.layers
    assert image.rgb == (sample is ihc)
    assert [layer.name for layer in (scribbles, truth)] == [
        f"{image.name} scribbles",
        f"{image.name} truth",
    ]
    assert (scribbles.visible, truth.visible) == (True, False)
    for layer in (scribbles, truth):
        assert dict(zip(layer.features["index"], layer.features["name"], strict=True)) == dict(
            enumerate(names, start=1)
        )
        colors = {tuple(layer.get_color(value)) for value in range(1, len(names) + 1)}
        assert len(colors) == len(names)


@SAMPLES
def test_a_sample_opens_without_any_socket(sample, names, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no sockets here")

    monkeypatch.setattr(socket, "socket", refuse)
    assert len(sample()) == 3


def test_the_mri_is_placed_as_in_its_header():
    ((data, options, kind),) = mri()
    layer = getattr(ViewerModel(), f"add_{kind}")(data, **options)
    image = as_image(layer)
    assert (layer.name, data.dtype, data.shape) == ("mri", np.int16, (2, 24, 96, 128))
    assert (image.axes, image.spacing, image.orientation) == ("TZYX", (2.2, 2, 2), "SAL")
    world = world_matrix(layer) @ (1, 0, 0, 0, 1)  # origin as the file's header has it
    np.testing.assert_allclose(world, (2000, -7.248798, -35.722942, 117.855103, 1), atol=1e-5)
