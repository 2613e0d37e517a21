"""2D networks on volumes: neighbouring slices as channels, and the mean along three axes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit import CleanConfig, ClusterConfig, ModelSpec, PredictConfig, RefineConfig
from napari_segkit.cluster.predict import predict_tiles as predict_on_cluster
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.intensity import measure_statistics
from napari_segkit.images.regions import as_region
from napari_segkit.images.slices import read_window, slices_to_channels
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.semantic import predict_tiles
from napari_segkit.inference.view_prediction import ViewPrediction
from napari_segkit.steps import Finish, drain

MEAN = PredictConfig(three_axes=True)
OBJECTS = tuple(LabelClass(value, f"c{value}", "#ffffff") for value in range(2))


def volume(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def neighbours_model(make, channels, neighbours):
    """A model of the image's channels whose network sees so many slices on both sides."""
    model = make(channels * (2 * neighbours + 1), axes="CZYX")
    return replace(model, channels=channels, spec=ModelSpec(neighbour_slices=neighbours))


def probabilities(model, image, **options):
    return drain(predict_tiles(PredictRequest(model, image, probabilities=True, **options)))


def stacked_by_hand(pixels, neighbours):
    """(C, Z, Y, X) as (Z, slices * C, Y, X), mirrored along Z."""
    depth = pixels.shape[1]
    padded = np.pad(pixels, [(0, 0), (neighbours, neighbours), (0, 0), (0, 0)], mode="reflect")
    around = [padded[:, z : z + 2 * neighbours + 1] for z in range(depth)]
    return np.stack([np.concatenate(list(slab.swapaxes(0, 1))) for slab in around])


def untiled(model, pixels):
    """Probabilities (classes, Z, Y, X) of scaled (C, Z, Y, X) pixels, each slice at once."""
    stacks = stacked_by_hand(pixels, model.spec.neighbour_slices)
    height, width = stacks.shape[-2:]
    pad = [(0, 0), (0, 0), (0, 32 + height % 2), (0, 32 + width % 2)]  # as the last tiles are
    padded = torch.from_numpy(np.pad(stacks, pad, mode="reflect"))
    with torch.no_grad():
        found = model.network(padded).softmax(1).numpy()[:, :, :height, :width]
    return found.swapaxes(0, 1)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 3), st.data())
def test_a_window_holds_the_slices_around_it_mirrored_at_the_ends(
    depth, neighbours, channels, data
):
    pixels = volume((2, channels, depth, 6, 5))
    image = AxesImage(pixels, "TCZYX")
    frame = {"T": data.draw(st.integers(0, 1)), "Z": data.draw(st.integers(0, depth - 1))}
    start = [data.draw(st.integers(-4, 5)) for _ in "YX"]
    window = read_window(image, frame, start, (4, 3), neighbours)
    hand = stacked_by_hand(pixels[frame["T"]], neighbours)[frame["Z"]]
    hand = np.pad(hand, [(0, 0), (4, 8), (4, 8)], mode="reflect")
    y, x = (s + 4 for s in start)
    np.testing.assert_array_equal(slices_to_channels(window, 2), hand[:, y : y + 4, x : x + 3])


@pytest.mark.parametrize(
    ("axes", "shape", "neighbours"),
    [("ZYX", (4, 70, 99), 1), ("ZYXC", (3, 60, 70, 3), 2), ("TCZYX", (2, 2, 3, 40, 50), 1)],
)
def test_neighbouring_slices_are_channels_of_the_network(make, axes, shape, neighbours):
    image = AxesImage(volume(shape), axes)
    model = neighbours_model(make, image.channels, neighbours)
    statistics = measure_statistics([image], 2)
    found = probabilities(model, image)
    for frame in AxesImage(found.labels, image.label_axes).frames(3):
        pixels = statistics.apply(image.read(frame, [slice(0, n) for n in image.spatial_shape(3)]))
        index = tuple(frame.values())
        expected = untiled(model, pixels)
        np.testing.assert_allclose(found.probabilities[:, *index], expected, atol=1e-5)
        values = np.take(model.values, expected.argmax(0))
        assert (found.labels[index] == values).mean() > 0.9999


def test_neighbours_are_those_of_the_whole_in_regions_zarr_and_views(make, tmp_path):
    pixels = volume((5, 100, 130))
    image, model = AxesImage(pixels, "ZYX"), neighbours_model(make, 1, 1)
    whole = probabilities(model, image)
    region = as_region(np.s_[2, 10:50, 70:], image)
    part = probabilities(model, image, region=region)
    np.testing.assert_array_equal(part.labels[2, 10:50, 70:], whole.labels[2, 10:50, 70:])
    stored = zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(2, 64, 64))
    lazy = probabilities(model, replace(image, data=stored))
    np.testing.assert_array_equal(lazy.labels, whole.labels)
    view = ViewPrediction(PredictRequest(model, image), [image])
    (cells,) = [view._cells(0)]
    place = cells.missing(as_region(np.s_[1, :, :], image).parts[0].box)[0]
    index = cells.box(place)
    np.testing.assert_array_equal(drain(cells.predict(place)).squeeze(), whole.labels[index][0])


def test_a_model_that_sees_neighbours_needs_slices(make):
    with pytest.raises(ValueError, match="sees 3 slices at once: choose a volume"):
        probabilities(neighbours_model(make, 1, 1), AxesImage(volume((40, 50)), "YX"))


def along_by_hand(model, pixels, axis):
    """Probabilities (classes, Z, Y, X) of slices along an axis of a (Z, Y, X) array."""
    turned = np.ascontiguousarray(pixels.swapaxes(0, axis))
    return probabilities(model, AxesImage(turned, "ZYX")).probabilities.swapaxes(1, 1 + axis)


@pytest.mark.parametrize("neighbours", [0, 1])
def test_the_mean_along_three_axes_is_that_of_three_turned_predictions(make, neighbours):
    pixels, model = volume((12, 50, 36)), neighbours_model(make, 1, neighbours)
    expected = sum(along_by_hand(model, pixels, axis) for axis in range(3)) / 3
    image = AxesImage(pixels, "ZYX")
    found = probabilities(model, image, config=MEAN)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    region = as_region(np.s_[3:6, 20:50, 30:], image)
    part = probabilities(model, image, config=MEAN, region=region)
    inside = np.s_[3:6, 20:50, 30:]
    np.testing.assert_allclose(part.probabilities[:, *inside], expected[:, *inside], atol=1e-5)
    assert not part.labels[:3].any()


def test_the_mean_of_a_movie_with_channels_is_that_of_each_time_point(make):
    pixels, model = volume((2, 2, 9, 40, 36)), make(2)
    whole = AxesImage(pixels, "TCZYX")
    found = probabilities(model, whole, config=MEAN).probabilities
    statistics = measure_statistics([whole], 2)
    for t in range(2):
        image = AxesImage(pixels[t], "CZYX")
        one = probabilities(model, image, config=MEAN, statistics=statistics)
        np.testing.assert_allclose(found[:, t], one.probabilities, atol=1e-5)


def test_refinement_takes_the_mean_of_the_axes(make):
    image = AxesImage(volume((6, 40, 36)), "ZYX")
    mean = probabilities(make(1), image, config=MEAN)
    first = mean.labels == 1
    threshold = float(np.median(mean.probabilities[0][first]))
    model = make(1, refine=RefineConfig(clean=(CleanConfig(1, threshold=threshold),)))
    refined = probabilities(model, image, config=MEAN)
    kept = first & (mean.probabilities[0] >= threshold)
    np.testing.assert_array_equal(refined.labels == 1, kept)
    assert 0 < kept.sum() < first.sum()


def test_a_mean_that_is_ended_early_has_no_pixels_of_fewer_axes(make):
    image = AxesImage(volume((6, 40, 36)), "ZYX")
    steps = predict_tiles(PredictRequest(make(1), image, config=MEAN))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    assert end.value.value.is_partial
    assert not end.value.value.labels.any()


def refusals(make):
    stack, flat = (AxesImage(volume(s), a) for s, a in (((4, 40, 36), "ZYX"), ((40, 36), "YX")))
    request = PredictRequest(make(1), stack, config=MEAN)
    return {
        "predicts objects with masks": lambda: PredictRequest(
            make(1, spec=ModelSpec("maskrcnn"), classes=OBJECTS, object_size=9.0),
            stack,
            config=MEAN,
        ),
        "has no slices along Z": lambda: PredictRequest(make(1), flat, config=MEAN),
        "in memory: leave out": lambda: PredictRequest(
            make(1), stack, config=MEAN, sink=type("Other", (), {"start": 0})()
        ),
        "cannot be followed": lambda: ViewPrediction(request, [stack]),
        "a cluster divides": lambda: drain(
            predict_on_cluster(request, ClusterConfig("tcp://nowhere:1"))
        ),
    }


@pytest.mark.parametrize(
    "message", ["with masks", "slices along Z", "in memory", "be followed", "a cluster"]
)
def test_the_mean_is_refused_where_it_cannot_be(make, message):
    ((text, action),) = [pair for pair in refusals(make).items() if message in pair[0]]
    with pytest.raises(ValueError, match=text):
        action()


def test_long_voxels_are_said(make):
    image = AxesImage(volume((4, 40, 36)), "ZYX", (5.0, 0.5, 0.5))
    with pytest.warns(UserWarning, match="measure 5 x 0.5 x 0.5, so slices along Z, Y and X do"):
        probabilities(make(1), image, config=MEAN)
