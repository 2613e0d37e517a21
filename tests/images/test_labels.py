import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from skimage.data import coins
from skimage.filters import gaussian
from skimage.measure import label
from skimage.transform import rescale

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.binary_masks import clean_grey_edges
from napari_segkit.images.classes import classes_of
from napari_segkit.images.label_stats import count_labels, label_stats
from napari_segkit.images.labels import (
    IGNORE,
    LabelsError,
    from_indices,
    likeliest,
    looks_like_instance_ids,
    read_class_labels,
    to_indices,
)
from napari_segkit.images.training_pairs import training_classes


def read_one(labels, image=None, **options):
    images = None if image is None else [image]
    (values,), _ = read_class_labels([labels], images=images, **options)
    return values


@pytest.fixture
def mask():
    """A real binary mask, 0 and 255."""
    return np.where(gaussian(coins(), 3) > 0.45, 255, 0).astype(np.uint8)


@given(hnp.arrays(np.uint16, (5, 7), elements=st.integers(0, 9)), st.none() | st.integers(0, 9))
def test_values_are_mapped_and_mapped_back(values, unlabelled):
    classes = [v for v in np.unique(values) if v != unlabelled]
    if not classes:
        return
    indices = to_indices(values, classes)
    left_out = values == unlabelled
    assert (indices[left_out] == IGNORE).all()
    np.testing.assert_array_equal(from_indices(indices, classes)[~left_out], values[~left_out])


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 10), st.just(3), st.just(4)),
        elements=st.sampled_from([-np.inf, -1, 0, 0.5, 1, 7]),
    ),
    st.integers(0, 300),
)
def test_the_likeliest_class_is_the_first_of_equal_ones(maps, first):
    classes = range(first, first + len(maps))
    found = from_indices(likeliest(maps), classes)
    np.testing.assert_array_equal(found, maps.argmax(axis=0) + first)
    assert found.dtype == np.min_scalar_type(classes[-1])


@given(hnp.arrays(np.uint8, (6, 6), elements=st.integers(0, 4)), st.none() | st.integers(0, 4))
def test_label_stats_count_every_pixel_once(values, unlabelled):
    stats = label_stats(values, unlabelled=unlabelled, labels_are="classes")
    assert sum(stats.counts.values()) + stats.unlabelled == values.size
    assert unlabelled not in stats.counts
    assert (stats.problem is None) == (len(stats.counts) > 1)


def test_a_clean_mask_keeps_its_values(mask):
    assert read_one(mask, unlabelled=None) is mask
    assert label_stats(mask, unlabelled=None).counts.keys() == {0, 255}


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, ">u2"])
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("factor", [0.5, 2])
def test_grey_edges_of_a_resized_mask_are_cleaned_with_a_note(mask, order, factor, dtype):
    resized = np.clip(rescale(mask / 255, factor, order) * 255, 0, 255).astype(dtype)
    assert len(np.unique(resized)) > 4
    cleaned = read_one(resized, unlabelled=None)
    np.testing.assert_array_equal(cleaned, np.where(resized > 127, 255, 0))
    stats = label_stats(resized, unlabelled=None)
    assert stats.counts.keys() == {0, 255}
    assert "above 127" in stats.notes[0]


def test_classes_next_to_255_are_not_taken_for_grey_edges(mask):
    labels = np.zeros((64, 64), np.uint8)
    for value in range(1, 8):
        labels[:, 8 * value : 8 * value + 8] = value * 20
    labels[:8] = 255
    assert clean_grey_edges(labels, None) is labels
    assert clean_grey_edges(mask, 255) is mask


def test_instance_ids_are_refused_or_merged_into_one_class(mask):
    ids = label(mask > 0).astype(np.uint16)
    assert looks_like_instance_ids(ids, None)
    with pytest.raises(LabelsError, match="look like instance ids") as error:
        read_one(ids, unlabelled=None)
    assert error.value.remedies == ("labels_are='objects'", "labels_are='classes'")
    one = read_one(ids, unlabelled=None, labels_are="objects")
    np.testing.assert_array_equal(one, (ids > 0).astype(np.uint8))
    assert read_one(ids, unlabelled=None, labels_are="classes") is ids


def test_training_on_classes_offers_training_on_objects(mask):
    ids = label(mask > 0).astype(np.uint16)
    for values in (ids, np.arange(1200).reshape(30, 40)):
        stats = label_stats(values, unlabelled=None)
        assert "or ModelSpec(..., objects='distance') to train on single objects" in stats.problem
        assert stats.remedies[-1] == "objects='distance'"
    with pytest.raises(LabelsError, match=r"ModelSpec\(\.\.\., objects='distance'\)") as error:
        training_classes([ids], [count_labels(ids, None, "ask")], TrainConfig(unlabelled=None))
    assert error.value.remedies == label_stats(ids, unlabelled=None).remedies


def test_unlabelled_pixels_of_objects_stay_unlabelled():
    ids = np.array([[0, 1, 2], [3, 255, 255]], np.uint8)
    one = read_one(ids, unlabelled=255, labels_are="objects")
    np.testing.assert_array_equal(one, [[0, 1, 1], [1, 255, 255]])


def test_scribbles_of_many_classes_are_not_instance_ids():
    scribbles = np.zeros((64, 64), np.uint8)
    for value in range(1, 8):
        scribbles[8 * value, 2:20] = value
        scribbles[8 * value, 40:60] = value
    assert not looks_like_instance_ids(scribbles, 0)


def test_labels_painted_on_single_channels_are_merged():
    image = AxesImage(np.zeros((3, 8, 9)), "CYX")
    painted = np.zeros((3, 8, 9), np.uint8)
    painted[0, 2], painted[2, 5] = 1, 2
    folded = read_one(painted, image=image)
    assert folded.shape == (8, 9)
    assert (folded[2] == 1).all()
    assert (folded[5] == 2).all()
    painted[1, 2] = 2
    with pytest.raises(LabelsError, match="9 pixels are painted differently"):
        read_one(painted, image=image)


@pytest.mark.parametrize(
    ("labels", "sentence", "remedies"),
    [
        (np.zeros((8, 8), np.uint8), "Nothing is labelled", ("paint",)),
        (np.eye(8, dtype=np.uint8), "one class only", ("paint", "unlabelled=None")),
        (np.ones((8, 8), np.uint8), "in every pixel", ("paint",)),
        (np.eye(8) / 2, "fractions such as 0.5", ()),
        (np.eye(8) / 2, "give labels, not probabilities", ()),
        (np.eye(8, dtype=bool), "one class only", ("paint", "unlabelled=None")),
        (np.eye(8, dtype=complex), "complex128", ()),
        (-np.eye(8, dtype=int), "negative", ()),
        (np.zeros((8, 9), int), "resample those of another grid", ()),
        (np.zeros((1, 8, 8), int), "needs labels of shape", ()),
    ],
)
def test_labels_that_cannot_train_are_explained(labels, sentence, remedies):
    stats = label_stats(labels, image=AxesImage(np.zeros((8, 8)), "YX"))
    assert sentence in stats.problem
    assert stats.remedies == remedies


@pytest.mark.parametrize(
    ("labels", "unlabelled", "sentence"),
    [
        (np.eye(40, dtype=np.uint8), 0, "Value 0 covers 98% of the pixels and one other value"),
        (np.eye(40, dtype=np.uint8) * 2 + np.eye(40, k=1, dtype=np.uint8), None, "are scribbles"),
        (np.tile([[1, 2, 2, 0]], (20, 10)), 0, "background of a mask"),
        (np.tile([[1, 2, 255, 0]], (20, 10)).astype(np.uint8), None, "unlabelled=255"),
    ],
)
def test_an_unlikely_choice_of_unlabelled_gives_a_note(labels, unlabelled, sentence):
    assert any(sentence in note for note in label_stats(labels, unlabelled=unlabelled).notes)


def test_names_and_colours_come_from_the_layer():
    colormap = DirectLabelColormap(color_dict={0: "transparent", 1: "red", None: "gray"})
    layer = Labels(
        np.zeros((4, 4), int),
        features={"index": [2, 1], "name": ["cell", "ground"]},
        colormap=colormap,
    )
    first, second, third = classes_of(layer, [1, 2, 3])
    assert (first.name, first.color) == ("ground", "#ff0000")
    assert second.name == "cell"
    assert third.name == "class 3"
    assert classes_of(np.zeros(3), [1])[0].name == "class 1"
