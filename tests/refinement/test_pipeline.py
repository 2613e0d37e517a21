"""From probabilities to labels: smooth, take the likeliest class, clean up."""

from functools import cache

import numpy as np
import pytest
from skimage.data import coins
from skimage.filters import gaussian

from napari_segkit import CleanConfig, MRFConfig, RefineConfig, refine, smooth
from napari_segkit.refinement.cleanup import clean
from napari_segkit.refinement.pipeline import refine_blocks
from napari_segkit.steps import drain

MRF = RefineConfig("mrf", mrf=MRFConfig(2.0, intensity_sigma=0.2))
CLEAN = (CleanConfig(7, threshold=0.6, fill_holes=40), CleanConfig(2, min_size=30))
BOTH = RefineConfig("mrf", mrf=MRF.mrf, clean=CLEAN)
VALUES = (2, 7, 300)


@cache
def scene(shape=(70, 90)):
    """An image, and noisy probabilities of three classes from dark to bright."""
    image = np.resize(coins()[:70, :90], shape)
    noise = np.random.default_rng(0).normal(0, 0.15, shape)
    bright = gaussian(image / 255 + noise, [0] * (len(shape) - 2) + [1, 1])
    logits = np.stack([-20 * (bright - level) ** 2 for level in (0.2, 0.45, 0.7)])
    maps = np.exp(logits) / np.exp(logits).sum(axis=0)
    return image, maps.astype(np.float32)


def test_only_the_likeliest_class():
    image, maps = scene()
    labels = refine(maps, image, values=VALUES)
    np.testing.assert_array_equal(labels, np.array(VALUES)[maps.argmax(axis=0)])
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(refine(maps), maps.argmax(axis=0))


@pytest.mark.parametrize("shape", [(70, 90), (4, 30, 40)])
def test_it_is_smooth_then_argmax_then_clean(shape):
    image, maps = scene(shape)
    spacing = (2.0, 0.5, 0.5)[-len(shape) :]
    smoothed = smooth(maps, image, MRF.mrf, spacing=spacing)
    labels = np.array(VALUES, np.uint16)[smoothed.argmax(axis=0)]
    expected = clean(labels, CLEAN, probabilities=smoothed, values=VALUES, spacing=spacing)
    assert (expected != labels).any()
    found = drain(refine_blocks(maps, image, BOTH, values=VALUES, spacing=spacing))
    np.testing.assert_array_equal(found.labels, expected)
    np.testing.assert_array_equal(found.probabilities, smoothed)
    alone = refine(maps, image, BOTH, values=VALUES, spacing=spacing)
    np.testing.assert_array_equal(alone, expected)


@pytest.mark.parametrize("axes", ["TYX", "YXT", "XTY"])
def test_time_points_are_refined_one_by_one(axes):
    image, maps = scene((3, 30, 40))
    order = ["TYX".index(a) for a in axes]
    moved = maps.transpose(0, *(1 + i for i in order))
    found = refine(moved, image.transpose(order), BOTH, values=VALUES, axes=axes)
    back = found.transpose([axes.index(a) for a in "TYX"])
    # the image's numbers are those of all its time points
    assert (back == refine(maps, image, BOTH, values=VALUES, axes="TYX")).all()
    alone = refine(maps[:, 1], None, RefineConfig(clean=CLEAN), values=VALUES)
    series = refine(maps, None, RefineConfig(clean=CLEAN), values=VALUES, axes="TYX")
    np.testing.assert_array_equal(series[1], alone)


def test_blocks_agree_with_the_full_image(monkeypatch):
    image, maps = scene()
    whole = refine(maps, image, BOTH, values=VALUES)
    monkeypatch.setattr("napari_segkit.refinement.smoothing_method.MAX_BLOCK", 2000)
    steps = list(refine_blocks(maps, image, BOTH, values=VALUES))
    assert [s.done for s in steps] == list(range(1, steps[-1].total + 1))
    assert len(steps) >= 4
    assert (refine(maps, image, BOTH, values=VALUES) == whole).mean() >= 0.999


def test_probabilities_are_kept_only_on_request():
    image, maps = scene()
    assert drain(refine_blocks(maps, image, MRF, keep=False)).probabilities is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"config": RefineConfig(clean=(CleanConfig(5),))}, r"no class 5; .* class 2, class 7"),
        ({"values": (1, 2)}, "cannot be the label values of 3 classes"),
        ({"values": (1, 2, 2)}, "cannot be the label values of 3 classes"),
        ({"values": (-1, 2, 3)}, "cannot be the label values of 3 classes"),
        ({"config": MRF, "image": None}, "give the image"),
        ({"image": np.zeros((9, 9))}, r"give the image\s+they were predicted from"),
    ],
)
def test_impossible_requests_are_refused_before_any_work(options, said):
    image, maps = scene()
    given = {"image": image, "values": VALUES} | options
    with pytest.raises(ValueError, match=said):
        next(refine_blocks(maps, **given))
