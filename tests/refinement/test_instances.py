"""Soft masks smoothed one by one, and levels that follow their classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import coins

from napari_segkit import MRFConfig, smooth
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import measure_statistics
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.instances.level_targets import LEVELS, levels_to_classes
from napari_segkit.instances.roi_masks import paste
from napari_segkit.refinement.instances import rescale_levels, smooth_objects
from napari_segkit.steps import drain

MRF = MRFConfig(2.0, intensity_sigma=0.1, iterations=6)
PIXELS = coins()[:80, :110]
IMAGE = AxesImage(PIXELS, "YX", (1.0, 0.5, 0.5))


def candidates(*boxes):
    """Soft discs of 28 x 28 in boxes."""
    rows, cols = (np.indices((28, 28)) - 13.5) / 14
    disc = 1 / (1 + np.exp(8 * (np.hypot(rows, cols) - 0.8)))
    return SoftMasks(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([disc] * len(boxes), np.float16).reshape(-1, 28, 28),
        np.ones(len(boxes), np.intp),
        np.linspace(0.9, 0.5, len(boxes), dtype=np.float32),
    )


def smoothed(found, image=IMAGE, frame=None):
    options = {"statistics": measure_statistics([image], 2), "device": "cpu"}
    return drain(smooth_objects(found, image, frame or {}, MRF, **options))


def test_each_is_smoothed_as_if_alone_in_the_full_image():
    found = candidates(
        (20.3, 12.6, 61.2, 50.9), (40, 30, 70, 60), (-4, 60, 30, 90), (100, 3, 99, 3)
    )
    refined = smoothed(found)
    assert len(refined) == len(found)
    for before, after in zip(found.boxes, refined.boxes, strict=True):
        number = found.boxes.tolist().index(before.tolist())
        soft, place = paste(found.masks[number], before, PIXELS.shape)
        alone = np.zeros((2, *PIXELS.shape), np.float32)
        alone[1][place] = soft
        alone[0] = 1 - alone[1]
        expected = smooth(alone, IMAGE, MRF, device="cpu")[1][place]
        mask, where = paste(refined.masks[number], after, PIXELS.shape)
        assert where == place
        np.testing.assert_allclose(mask, expected, atol=2e-3)


def test_masks_are_as_large_as_their_boxes_and_no_larger():
    refined = smoothed(candidates((20.3, 12.6, 61.2, 50.9), (40, 30, 70, 60)))
    sizes = [m.shape for m in refined.masks]
    assert sizes == [(38, 41), (30, 30)]
    np.testing.assert_array_equal(refined.boxes[0], [20, 13, 61, 51])
    assert refined.take([1]).masks[0].shape == (30, 30)


def test_only_the_frame_is_used_and_not_its_neighbours():
    stack = AxesImage(np.stack([PIXELS[::-1], PIXELS]), "ZYX")
    numbers = {"statistics": measure_statistics([IMAGE], 2), "device": "cpu"}
    found = candidates((20, 12, 61, 50))
    in_stack = drain(smooth_objects(found, stack, {"Z": 1}, MRF, **numbers))
    flat = AxesImage(PIXELS, "YX")
    alone = drain(smooth_objects(found, flat, {}, MRF, **numbers))
    np.testing.assert_array_equal(in_stack.masks[0], alone.masks[0])


def test_without_objects_there_is_nothing_to_do():
    assert len(smoothed(candidates())) == 0


@pytest.mark.parametrize("how", LEVELS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_levels_add_up_to_the_smoothed_classes(how, data):
    things = data.draw(st.integers(1, 3))
    seed = data.draw(st.integers(0, 2**31 - 1))
    random = np.random.default_rng(seed)
    outputs = random.dirichlet([0.2] * (1 + things * LEVELS[how]), (3, 4)).transpose(2, 0, 1)
    outputs = outputs.astype(np.float32)
    classes = random.dirichlet([0.5] * (1 + things), (3, 4)).transpose(2, 0, 1).astype(np.float32)
    changed = rescale_levels(outputs, classes, how)
    assert changed.shape == outputs.shape
    np.testing.assert_allclose(levels_to_classes(changed, how), classes, atol=1e-4)
    same = rescale_levels(outputs, levels_to_classes(outputs, how), how)
    np.testing.assert_allclose(same, outputs, atol=1e-5)


def test_a_class_without_probability_becomes_the_border_level():
    outputs = np.array([1, 0, 0, 0], np.float32).reshape(4, 1, 1)
    classes = np.array([0.1, 0.9], np.float32).reshape(2, 1, 1)
    changed = rescale_levels(outputs, classes, "distance")
    np.testing.assert_allclose(changed.ravel(), [0.1, 0.9, 0, 0], atol=1e-6)
