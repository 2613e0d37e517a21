"""What of predicted objects becomes instance labels."""

import numpy as np
import pytest

from napari_segkit.images.corrections import as_predicted, painted_corrections
from napari_segkit.images.regions import Part, Region
from napari_segkit.instances.corrected_objects import accepted_objects, corrected_objects


@pytest.fixture(params=[(), (2,)], ids=["plane", "stack"])
def predicted(request):
    """Three objects, in every plane."""
    ids = np.zeros((*request.param, 20, 30), np.int32)
    ids[..., 2:8, 2:8], ids[..., 2:8, 8:14], ids[..., 12:18, 20:28] = 1, 2, 3
    return ids


def labels_after(prediction, predicted, labels, unlabelled=0):
    painted = painted_corrections(prediction, predicted, None, unlabelled=None)
    before = as_predicted(painted, predicted, None)
    result = labels.copy()
    for patch in corrected_objects(prediction, labels, painted, before, unlabelled):
        result[patch.box] = patch.on(result)
    return result


def test_an_object_that_was_extended_is_taken_whole_and_others_are_not(predicted):
    prediction, labels = predicted.copy(), np.zeros(predicted.shape, np.uint16)
    prediction[..., 12:18, 18:20] = 3
    result = labels_after(prediction, predicted, labels)
    np.testing.assert_array_equal(result, prediction == 3)


def test_what_is_overpainted_by_its_neighbour_changes_both(predicted):
    prediction, labels = predicted.copy(), np.zeros(predicted.shape, np.uint16)
    prediction[..., 2:8, 8:10] = 1
    result = labels_after(prediction, predicted, labels)
    np.testing.assert_array_equal(result, np.where(prediction < 3, prediction, 0))


def test_an_object_keeps_its_id_in_the_labels_and_new_ones_are_free(predicted):
    prediction, labels = predicted.copy(), np.zeros(predicted.shape, np.uint16)
    labels[..., 12:18, 20:28], labels[..., 2:4, 2:4] = 1, 7
    prediction[..., 12:18, 18:20], prediction[..., 8:10, 2:8] = 3, 1
    prediction[..., 15:19, 2:6] = 9
    result = labels_after(prediction, predicted, labels)
    assert np.unique(result[prediction == 3]).tolist() == [1]
    assert np.unique(result[prediction == 1]).tolist() == [7]
    assert np.unique(result[prediction == 9]).tolist() == [2]


def test_labels_stay_where_nobody_painted(predicted):
    prediction, labels = predicted.copy(), np.zeros(predicted.shape, np.uint16)
    labels[..., 0:30:2, :] = 5  # stripes of another object through all
    prediction[..., 12:18, 18:20] = 3
    result = labels_after(prediction, predicted, labels)
    painted = prediction != predicted
    np.testing.assert_array_equal(result[~painted & (labels == 5)], 5)
    assert (result[painted] == result[painted].ravel()[0]).all()
    assert result[painted].ravel()[0] not in (0, 5)


def test_an_erased_object_is_erased_in_the_labels(predicted):
    prediction, labels = predicted.copy(), predicted.astype(np.uint16)
    prediction[prediction == 2] = 0
    result = labels_after(prediction, predicted, labels)
    np.testing.assert_array_equal(result, prediction)


def test_what_is_not_annotated_is_filled_and_its_value_is_no_id(predicted):
    prediction, labels = predicted.copy(), np.full(predicted.shape, 1, np.uint16)
    prediction[..., 12:18, 18:20] = 3
    result = labels_after(prediction, predicted, labels, unlabelled=1)
    np.testing.assert_array_equal(result, np.where(prediction == 3, 2, 1))


def test_objects_mostly_inside_the_shapes_are_accepted_whole(predicted):
    inside = np.zeros(predicted.shape, bool)
    inside[..., :10, :9] = True  # all of 1, a column of 2
    whole = tuple(slice(0, n) for n in inside.shape)
    region = Region("ZYX"[-inside.ndim :], inside.shape, (Part(whole, inside),))
    labels = np.zeros(predicted.shape, np.uint16)
    labels[..., 3, 3] = 4
    result = labels.copy()
    for patch in accepted_objects(predicted, labels, region, 0):
        result[patch.box] = patch.on(result)
    np.testing.assert_array_equal(result, np.where(predicted == 1, 4, 0))
