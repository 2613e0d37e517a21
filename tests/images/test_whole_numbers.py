"""Label values that are integers but for how they are stored."""

import numpy as np
import pytest

from napari_segkit.images.labels import LabelsError, read_class_labels
from napari_segkit.images.whole_numbers import integers_if_whole

FLOAT = np.float32


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False], np.uint8),
        (FLOAT([0, 0.99999994]), np.uint8),
        (FLOAT([0, 65535 * 0.9999999]), np.uint16),
        ([-1.0, 2.0], np.int8),
        (np.int64([0, 7]), np.int64),
    ],
)
def test_whole_values_become_integers(values, dtype):
    integers = integers_if_whole(np.asarray(values))
    assert integers.dtype == dtype
    np.testing.assert_array_equal(integers, np.rint(np.asarray(values, float)))


@pytest.mark.parametrize("values", [[0.4], [0, np.nan], [0, np.inf], [1e300], []])
def test_other_values_stay(values):
    np.testing.assert_array_equal(integers_if_whole(np.asarray(values, float)), values)


def test_arrays_of_the_console_are_taken_as_files_are():
    (labels,), _ = read_class_labels([np.eye(4) > 0], unlabelled=None)
    np.testing.assert_array_equal(labels, np.eye(4))
    (labels,), _ = read_class_labels([np.eye(4) * FLOAT(0.99999994)], unlabelled=None)
    np.testing.assert_array_equal(labels, np.eye(4))
    with pytest.raises(LabelsError, match=r"fractions such as 0\.25, but .* np\.rint"):
        read_class_labels([np.eye(4) / 4])
