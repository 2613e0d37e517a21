from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from napari.layers import Labels

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import IGNORE, LabelsError
from napari_segkit.instances.label_ids import instance_ids, read_objects


def squares(count=6, value=None, edge=4):
    """A row of squares, each with its own number, or all with one."""
    labels = np.zeros((12, 10 * count), np.int64)
    for number in range(count):
        labels[4 : 4 + edge, 10 * number + 3 : 10 * number + 3 + edge] = value or number + 1
    return labels


def read_ids(labels, **choices):
    return instance_ids(labels, **choices)[0]


def image_of(labels):
    return AxesImage(np.zeros(labels.shape), "YX")


def test_each_value_is_an_object_however_large():
    labels = np.where(squares() > 0, squares() * 100_000, 0)
    ids, values = instance_ids(labels)
    np.testing.assert_array_equal(ids, squares())
    assert values.tolist() == [100_000 * n for n in range(1, 7)]
    assert ids.dtype == np.int32


@pytest.mark.parametrize("unlabelled", [None, 0])
def test_nothing_is_left_out_by_default(unlabelled):
    assert (read_ids(squares(), unlabelled=unlabelled) >= 0).all()


def test_another_unlabelled_value_is_left_out():
    labels = squares()
    labels[:, 40:] = 255
    found = read_objects([labels], unlabelled=255)
    assert (found.ids[0][:, 40:] == IGNORE).all()
    assert len(found.class_of) == 5


def test_few_values_in_many_components_are_asked_about():
    with pytest.raises(
        LabelsError, match=r"1 value\(s\) in 6 connected components.*labels_are='classes'"
    ) as error:
        read_ids(squares(value=1))
    assert error.value.remedies == ("labels_are='classes'", "labels_are='objects'")


def test_ids_that_restart_in_each_slice_are_not_asked_about():
    assert read_ids(np.stack([squares()] * 9)).max() == 6


def test_each_component_of_a_class_is_an_object():
    labels = squares()
    labels[labels > 0] = 2 + labels[labels > 0] % 2
    found = read_objects([labels], labels_are="classes")
    assert [c.value for c in found.classes] == [0, 2, 3]
    assert found.class_of.tolist() == [0, 2, 1, 2, 1, 2, 1]


def test_one_value_with_several_components_can_be_one_object():
    assert read_ids(squares(value=7), labels_are="objects").max() == 1


def test_ids_of_several_images_are_distinct():
    found = read_objects([squares(), squares(3)])
    assert set(np.unique(found.ids[0])) & set(np.unique(found.ids[1])) == {0}
    assert len(found.class_of) == 10
    assert [c.name for c in found.classes] == ["background", "object"]


def test_classes_come_from_a_layers_features():
    layer = Labels(
        squares(3), features=pd.DataFrame({"index": [1, 2, 3], "class": ["b", "a", "b"]})
    )
    found = read_objects([layer])
    assert [c.name for c in found.classes] == ["background", "a", "b"]
    assert found.class_of.tolist() == [0, 2, 1, 2]


def test_classes_come_from_a_second_labels_array_by_majority():
    labels, classes = squares(3), np.zeros((12, 30), int)
    classes[:, :20], classes[:, 20:] = 5, 9
    classes[4, 3] = 9
    said = r"1 of 3 objects hold .* object 1 \(15 pixels of class 5, 1 pixels of class 9\)"
    with pytest.warns(UserWarning, match=said):
        found = read_objects([labels], object_classes=[classes])
    assert [c.value for c in found.classes] == [0, 5, 9]
    assert found.class_of.tolist() == [0, 1, 1, 2]


def test_objects_without_a_class_are_refused():
    classes = np.zeros((12, 30), int)
    classes[:, :20] = 5
    with pytest.raises(LabelsError, match="1 of 3 objects have no class"):
        read_objects([squares(3)], object_classes=[classes])


def test_outside_the_regions_nothing_is_annotated():
    corners = np.array([[0, 0], [0, 25], [12, 25], [12, 0]])
    found = read_objects([squares()], regions=[[corners]])
    assert set(np.unique(found.ids[0])) == {IGNORE, 0, 1, 2, 3}


@pytest.mark.parametrize("regions", [None, [[np.array([[0, 0], [0, 2], [2, 2], [2, 0]])]]])
def test_no_object_is_refused(regions):
    labels = squares() if regions else np.zeros((12, 60), int)
    with pytest.raises(LabelsError, match="hold no object"):
        read_objects([labels], regions=regions)


def test_negative_values_and_other_shapes_are_refused():
    with pytest.raises(LabelsError, match="negative"):
        read_objects([squares() - 1])
    with pytest.raises(LabelsError, match="shape"):
        read_objects([squares()], images=[image_of(squares(2))])


def test_time_points_are_separate_and_slices_if_the_method_is_2d():
    """Two squares in the first plane touch one in the second."""
    labels = np.zeros((2, 12, 30), int)
    labels[0, 2:6, 2:6] = labels[0, 2:6, 10:14] = labels[1, 2:6, 2:14] = 1
    counts = {
        (axes, ndim): instance_ids(labels, labels_are="classes", axes=axes, ndim=ndim)[0].max()
        for axes in ("TYX", "ZYX")
        for ndim in (2, 3)
    }
    assert counts == {("TYX", 2): 3, ("TYX", 3): 3, ("ZYX", 2): 3, ("ZYX", 3): 1}


def test_regions_belong_to_the_pixels_they_were_drawn_on():
    """The image lies the other way up; so do the labels, once they are read."""
    labels = np.zeros((2, 12, 20), int)
    labels[0, 1:4, 2:6], labels[0, 8:11, 2:6] = 1, 2
    layer = Labels(labels, metadata={"nifti": SimpleNamespace(orientation="SAR")})
    region = np.zeros(labels.shape, bool)
    region[:, :6] = True
    image = AxesImage(np.zeros(labels.shape), "ZYX", orientation="SPR")
    found = read_objects([layer], regions=[region], images=[image])
    assert set(np.unique(found.ids[0])) == {IGNORE, 0, 1}
    assert (found.ids[0][0, 8:11, 2:6] == 1).all()


def test_stuff_is_no_object_and_new_objects_get_the_only_class():
    features = pd.DataFrame({"index": [1, 2], "class": ["cell", "sky"], "kind": ["thing", "stuff"]})
    found = read_objects([Labels(squares(3), features=features)])
    assert [c.name for c in found.classes] == ["background", "cell"]
    assert np.unique(found.ids[0]).tolist() == [0, 1, 3]


def test_missing_values_in_the_table_are_no_class_names():
    features = pd.DataFrame({"index": [1, 2], "class": pd.array(["a", pd.NA], dtype="string")})
    assert [c.name for c in read_objects([Labels(squares(2), features=features)]).classes] == [
        "background",
        "a",
    ]


@pytest.mark.parametrize("highest", [9, 2**40])
@pytest.mark.parametrize("dtype", [">i8", np.uint64])
def test_ids_of_any_size_and_byte_order_are_renumbered_without_being_changed(highest, dtype):
    values = np.array([[0, 3, 3], [highest, 0, 7]], dtype)
    values.flags.writeable = False
    ids, of_value = instance_ids(values, labels_are="objects")
    np.testing.assert_array_equal(ids, [[0, 1, 1], [3, 0, 2]])
    np.testing.assert_array_equal(of_value, [3, 7, highest])
