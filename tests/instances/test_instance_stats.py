import numpy as np
import pandas as pd
import pytest
from napari.layers import Labels

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.label_stats import label_stats
from napari_segkit.instances.instance_stats import instance_stats


def squares(count=6, size=6, gap=2):
    """Squares in a row of their own each, so many pixels apart."""
    ids = np.zeros((count * (size + gap), 40), np.uint16)
    for i in range(count):
        ids[i * (size + gap) : i * (size + gap) + size, 4 : 4 + size] = i + 1
    return ids


def test_objects_are_counted_with_their_diameters():
    ids = squares()
    ids[:12, 20:32] = 9
    stats = instance_stats(ids)
    (of_class,) = stats.objects
    assert (of_class.label_class.name, of_class.count) == ("object", 7)
    assert of_class.median == of_class.smallest == pytest.approx(2 * 6 / np.sqrt(np.pi))
    assert of_class.largest == pytest.approx(2 * 12 / np.sqrt(np.pi))
    assert stats.counts == {0: ids.size - 6 * 36 - 144, 1: 6 * 36 + 144}
    assert (stats.notes, stats.problem, stats.unlabelled) == ((), None, 0)


def test_classes_come_from_features_a_second_layer_or_the_values():
    ids, names = squares(4), ["round", "round", "long", "round"]
    layer = Labels(ids, features=pd.DataFrame({"index": [1, 2, 3, 4], "class": names}))
    stats = instance_stats(layer)
    assert [(c.label_class.name, c.count) for c in stats.objects] == [("long", 1), ("round", 3)]
    dots = np.zeros_like(ids)
    dots[2::8, 6] = [5, 5, 5, 7]
    stats = instance_stats(ids, object_classes=dots)
    assert [(c.label_class.value, c.count) for c in stats.objects] == [(5, 3), (7, 1)]
    dots[2, 6] = 0
    stats = instance_stats(ids, object_classes=dots)
    assert "1 of 4 objects have no class" in stats.problem
    assert stats.counts == {5: 2, 7: 1}
    stats = instance_stats((ids > 0) * np.uint8(3), labels_are="classes")
    assert [(c.label_class.value, c.count) for c in stats.objects] == [(3, 4)]


def test_regions_and_an_unlabelled_value_leave_pixels_out():
    ids = squares(4)
    half = [np.array([[0, 0], [0, 40], [16, 40], [16, 0]])]
    stats = instance_stats(ids, regions=half)
    assert stats.objects[0].count == 2
    assert stats.unlabelled == ids.size // 2
    cut = [np.array([[0, 0], [0, 40], [19, 40], [19, 0]])]
    stats = instance_stats(ids, regions=cut)
    assert stats.objects[0].count == 3
    assert stats.objects[0].smallest == stats.objects[0].largest
    ids[16:] = 255
    assert instance_stats(ids, unlabelled=255).unlabelled == ids.size // 2
    assert "no shape" in instance_stats(ids, regions=[]).problem


def test_likely_mistakes_are_noted():
    ids = squares()
    ids[0, 30], ids[3, 30:33] = 20, 21
    ids[20, 20:25] = 1
    small, disconnected = instance_stats(ids).notes
    assert small.startswith("2 objects are smaller than 4 pixels (1 of one pixel)")
    assert disconnected.startswith("1 object is in several connected components")


def test_touching_objects_are_noted_for_connected_components():
    ids = squares(gap=0)
    assert instance_stats(ids, objects_by="boundary").notes == ()
    stats = instance_stats(ids, objects_by="components")
    assert stats.notes[0].startswith("6 objects are touching another")
    assert stats.remedies == ("objects='distance'",)
    assert instance_stats(squares(), objects_by="components").notes == ()
    pairs = np.where(ids > 0, 1 + ids % 2, 0)
    stats = instance_stats(ids, object_classes=pairs, objects_by="components")
    assert stats.notes == ()


def test_labels_like_classes_are_asked_about():
    stats = instance_stats((squares() > 0).astype(np.uint8))
    assert stats.remedies == ("labels_are='classes'", "labels_are='objects'")
    assert stats.objects == ()


def test_an_id_that_returns_in_time_is_another_object():
    ids = np.stack([squares(4), squares(4), np.zeros_like(squares(4))])
    image = AxesImage(np.zeros((*ids.shape, 2)), "TYXC")
    assert instance_stats(ids, image=image).objects[0].count == 8
    assert instance_stats(ids, image=AxesImage(np.zeros(ids.shape), "ZYX")).objects[0].count == 4


def test_ids_for_a_semantic_model_suggest_training_on_objects():
    stats = label_stats(squares(8), unlabelled=None)
    assert stats.remedies[-1] == "objects='distance'"


def test_stacks_are_measured_by_slice_or_as_volumes():
    ids = np.zeros((4, 20, 20), np.uint8)
    ids[:, 2:8, 2:8], ids[1:3, 12:16, 12:16] = 1, 2
    image = AxesImage(np.zeros(ids.shape), "ZYX", (2.0, 1.0, 1.0))
    flat, whole = (instance_stats(ids, image=image, ndim=n).objects[0] for n in (2, 3))
    assert flat.count == whole.count == 2
    assert flat.median == pytest.approx(np.sqrt(4 * 36 / np.pi))
    assert whole.largest == pytest.approx(np.cbrt(6 * 4 * 36 * 2 / np.pi))
