"""Measurements of labels against masks of NumPy and scikit-image, however they are read."""

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import label, regionprops_table

from napari_segkit import MeasureConfig, measure
from napari_segkit.images.labels import LabelsError
from napari_segkit.measurement import counting, shapes
from napari_segkit.measurement.measure import measurements
from napari_segkit.measurement.sources import MeasureSource

RNG = np.random.default_rng(0)


def blobs(shape=(12, 40, 50), values=6, seed=0):
    """Labels of coarse boxes, each value in several places, some cut by every block."""
    coarse = np.random.default_rng(seed).integers(0, values, [-(-n // 5) for n in shape])
    return np.kron(coarse, np.ones((5,) * len(shape), int))[tuple(map(slice, shape))]


def layer(data, features=None, scale=None, units=None, name="cells"):
    ndim = np.ndim(data)
    return SimpleNamespace(
        data=data, name=name, ndim=ndim, metadata={}, multiscale=False, rgb=False,
        scale=scale or (1.0,) * ndim, units=units or ("pixel",) * ndim,
        features=pd.DataFrame(features or {}), axis_labels=(),
    )  # fmt: skip


@pytest.fixture(params=["array", "blocks", "dask"])
def read(request, monkeypatch):
    """A way to hand in labels, of which the last two are read in several blocks."""
    if request.param == "array":
        return np.asarray
    monkeypatch.setattr(counting, "BLOCK", 300)
    monkeypatch.setattr(shapes, "MAX_BLOCK", 300)
    if request.param == "dask":
        return lambda a: da.from_array(a, chunks=(5, 7, 11, 13)[-a.ndim :])
    return np.asarray


def test_sizes_and_intensities_are_those_of_each_mask(read):
    labels, image = blobs(), RNG.random((12, 40, 50, 2)).astype(np.float32) * 1000
    table = measure(read(labels), image, axes="ZYXC", spacing=(3, 0.5, 0.5)).set_index("class")
    assert table.index.tolist() == [1, 2, 3, 4, 5]
    for value, row in table.iterrows():
        mask = labels == value
        assert row["pixels"] == mask.sum()
        assert row["volume"] == pytest.approx(mask.sum() * 0.75)
        assert row["fraction"] == pytest.approx(mask.mean())
        for channel in range(2):
            pixels = image[mask, channel].astype(np.float64)
            for name in ("mean", "std", "min", "max", "sum"):
                expected = getattr(pixels, name)()
                assert row[f"intensity_{name}-{channel}"] == pytest.approx(expected, rel=1e-9)
        corners = [(i.min(), i.max() + 1) for i in np.nonzero(mask)]
        found = [(row[f"{a}0"], row[f"{a}1"]) for a in "zyx"]
        assert found == corners
        centroid = np.array(np.nonzero(mask)).mean(axis=1) * [3, 0.5, 0.5]
        assert row[["centroid-z", "centroid-y", "centroid-x"]].tolist() == pytest.approx(centroid)


@pytest.mark.parametrize("shape", [(40, 50), (12, 40, 50)])
def test_shapes_are_those_of_scikit_image(read, shape):
    labels = label(blobs(shape))
    table = measure(read(labels.astype(np.uint16)), by="object", shape=True)
    names = ["axis_major_length", "equivalent_diameter_area", "extent"]
    names += ["eccentricity", "perimeter", "orientation"] if len(shape) == 2 else []
    expected = regionprops_table(labels, properties=("label", *names))
    assert table["index"].tolist() == expected["label"].tolist()
    for name in names:
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-6, atol=1e-9)


def test_neighbours_share_an_edge_also_across_blocks(read):
    labels = blobs((30, 50), 30)
    table = measure(read(labels), by="object", neighbours=True)
    for row in table.itertuples():
        mask = np.pad(labels == row.index, 1)
        rings = [np.roll(mask, step, axis)[1:-1, 1:-1] for axis in (0, 1) for step in (1, -1)]
        touching = set(labels[np.any(rings, axis=0)].tolist()) - {0, row.index}
        assert row.touching == " ".join(map(str, sorted(touching)))
        assert row.neighbours == len(touching)


@given(
    hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 9)), elements=st.integers(0, 4)
    ),
    st.integers(1, 20),
)
@settings(max_examples=40, deadline=None)
def test_blocks_of_any_size_give_the_same(labels, size):
    whole = measure(labels, labels, neighbours=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", size)
        pd.testing.assert_frame_equal(measure(labels, labels, neighbours=True), whole)


def test_a_row_for_each_time_point_and_slice():
    labels = blobs((2, 6, 20, 20), seed=1)
    table = measure(labels, axes="TZYX", slices=True, spacing=(4, 2, 2))
    assert (table["unit"] == "").all()
    for (t, z, value), rows in table.groupby(["T", "Z", "class"]):
        assert rows["area"].tolist() == [4 * (labels[t, z] == value).sum()]
    assert len(table) == 2 * 6 * 5


def test_a_class_that_is_absent_at_a_time_has_a_row_of_no_pixels():
    labels = np.zeros((2, 8, 8), int)
    labels[0, :4] = 1
    labels[1, 4:] = 3
    features = {"index": [1, 2, 3], "name": ["cell", "wall", "gap"]}
    image = labels * 10.0
    table = measure(layer(labels, features), image, axes="TYX", shape=True, neighbours=True)
    assert table["name"].tolist() == ["cell", "wall", "gap"] * 2
    assert table["pixels"].tolist() == [32, 0, 0, 0, 0, 32]
    absent = table[table["pixels"] == 0]
    assert absent[["intensity_mean", "extent", "centroid-y", "y0"]].isna().all(axis=None)
    assert (absent["neighbours"] == 0).all()
    objects = measure(labels, axes="TYX", by="object")
    assert objects[["T", "index"]].to_numpy().tolist() == [[0, 1], [1, 3]]


def test_components_are_objects_with_the_name_of_their_class():
    labels = blobs((40, 50), 3)
    source = layer(labels, {"index": [1, 2], "name": ["cell", "wall"]})
    table = measure(source, by="component")
    numbered = label(labels)
    assert sorted(table["pixels"]) == sorted(np.bincount(numbered.ravel())[1:])
    assert table.groupby("class")["pixels"].sum().to_dict() == {
        "cell": (labels == 1).sum(),
        "wall": (labels == 2).sum(),
    }


def test_the_unlabelled_value_is_no_number_of_a_component():
    labels = np.array([[1, 0, 3, 0, 3, 2]])
    table = measure(labels, by="component", unlabelled=2)
    assert table["class"].tolist() == ["class 1", "class 3", "class 3"]


def test_what_is_not_measured():
    labels = np.array([[0, 1, 1], [255, 255, 2]])
    assert measure(labels)["class"].tolist() == [1, 2, 255]
    assert measure(labels, unlabelled=255)["class"].tolist() == [0, 1, 2]
    assert measure(labels, unlabelled=None)["class"].tolist() == [0, 1, 2, 255]
    assert measure(labels, by="object", unlabelled=255)["index"].tolist() == [1, 2]
    assert measure(np.zeros((4, 4), int)).empty


def test_pixels_without_a_number_have_no_intensity():
    image = np.array([[1.0, np.nan, 3.0], [np.nan, np.inf, np.nan]])
    table = measure(np.array([[1, 1, 1], [2, 2, 2]]), image)
    assert table["intensity_mean"].tolist() == pytest.approx([2, np.nan], nan_ok=True)
    assert table["intensity_sum"].tolist() == pytest.approx([4, np.nan], nan_ok=True)
    assert table["pixels"].tolist() == [3, 3]


def test_the_std_of_high_intensities_is_exact():
    image = RNG.normal(1e6, 1, (64, 64))
    (row,) = measure(np.ones((64, 64), int), image).itertuples()
    assert row.intensity_std == pytest.approx(image.std(), rel=1e-9)


def test_pixel_size_and_unit_are_those_of_the_layer():
    units = ("micrometer", "micrometer")
    (row,) = measure(layer(np.ones((4, 5), int), scale=(0.5, 2.0), units=units)).itertuples()
    assert (row.area, row.unit) == (20.0, "um")
    image = layer(np.ones((4, 5)), scale=(0.1, 0.1), units=units)
    (row,) = measure(np.ones((4, 5), int), image).itertuples()
    assert row.area == pytest.approx(0.2)
    (row,) = measure(np.ones((4, 5), int)).itertuples()
    assert (row.area, row.unit) == (20.0, "pixel")


def test_lists_are_named_in_one_table():
    first, second = layer(np.ones((4, 4), int), name="a"), layer(np.full((2, 2), 7), name="b")
    table = measure([first, second], [np.zeros((4, 4)), np.ones((2, 2))])
    assert table[["image", "class", "pixels"]].to_numpy().tolist() == [
        ["a", 1, 16], ["a", 7, 0], ["b", 1, 0], ["b", 7, 4],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="labels holds 2 arrays and image 1"):
        measure([first, second], [np.zeros((4, 4))])


def test_wrong_input_is_refused_before_the_first_step():
    wrong = measurements([MeasureSource(np.ones((4, 4), int), np.ones((5, 5)))], MeasureConfig())
    with pytest.raises(LabelsError, match=r"labels have shape \(4, 4\), but image of shape"):
        next(wrong)
    with pytest.raises(LabelsError, match="negative"):
        measure(np.full((4, 4), -1))
    with pytest.raises(LabelsError, match="fractions"):
        measure(np.full((4, 4), 0.5))
    with pytest.raises(ValueError, match="choose one of 'class', 'object', 'component'"):
        measure(np.ones((4, 4), int), by="pixel")
    with pytest.raises(ValueError, match="have a channel axis"):
        measure(np.ones((2, 4, 4), int), axes="CYX")
