"""Superpixels of images of any kind, and the vote over them."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import measure

from napari_segkit import RefineConfig, SuperpixelConfig, refine, smooth, superpixels
from napari_segkit.refinement.preview_region import limit_to_tiles, refine_region, tiles_touching
from napari_segkit.refinement.probability_maps import as_probability_maps
from napari_segkit.refinement.superpixels import generate as module
from napari_segkit.refinement.superpixels import methods
from napari_segkit.refinement.superpixels.connected_regions import enforce_connectivity
from napari_segkit.refinement.superpixels.generate import segment_tile, superpixel_tiles

METHODS = ("slic", "watershed", "felzenszwalb", "quickshift")
METHODS_3D = ("slic", "watershed")


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def blobs(shape=(60, 72), seed=0):
    """Bright blobs on a dark background, and their mask."""
    rng = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(rng.random(shape), 5) > 0.5
    return (40 + 160 * truth + rng.normal(0, 8, shape)).astype(np.uint8), truth


def check_superpixels(labels, mask=None):
    """1 to n without gaps, each connected, exactly inside the mask."""
    assert labels.dtype == np.int32
    mask = np.ones(labels.shape, bool) if mask is None else mask
    np.testing.assert_array_equal(labels > 0, mask)
    present = np.unique(labels[labels > 0])
    np.testing.assert_array_equal(present, np.arange(1, len(present) + 1))
    for value in present:
        assert ndimage.label(labels == value)[1] == 1


@given(data=st.data(), method=st.sampled_from(METHODS), size=st.floats(0.5, 40.0))
@settings(max_examples=40, deadline=None)
def test_superpixels_are_connected_and_cover_the_mask(data, method, size):
    ndim = data.draw(st.sampled_from((2, 3) if method in METHODS_3D else (2,)))
    edges = st.tuples(*[st.integers(1, 12)] * ndim)
    shape = data.draw(edges)
    spacing = data.draw(st.tuples(*[st.sampled_from((0.3, 1.0, 2.5))] * ndim))
    mask = data.draw(st.none() | arrays(bool, shape))
    pixels = noise((data.draw(st.integers(1, 4)), *shape), data.draw(st.integers(0, 9)))
    labels = segment_tile(pixels, SuperpixelConfig(method, size), spacing, mask)
    check_superpixels(labels, mask)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [None, 3, 7])
def test_any_channels(method, channels):
    shape = (30, 36) if channels is None else (30, 36, channels)
    labels = superpixels(noise(shape), SuperpixelConfig(method, 9), axes="YXC"[: len(shape)])
    assert labels.shape == (30, 36)
    check_superpixels(labels)


@pytest.mark.parametrize("method", METHODS)
def test_they_have_about_the_requested_width(method):
    image, _ = blobs((120, 130))
    for size in (8, 16):
        labels = superpixels(image, SuperpixelConfig(method, size))
        assert 0.7 * size < np.sqrt(labels.size / labels.max()) < 1.6 * size


@pytest.mark.parametrize("method", METHODS)
def test_they_follow_edges(method):
    image, truth = blobs()
    labels = superpixels(image, SuperpixelConfig(method, 8))
    bright = ndimage.mean(truth, labels, np.arange(1, labels.max() + 1))
    assert (truth == (bright[labels - 1] > 0.5)).mean() > 0.94


@pytest.mark.parametrize("method", METHODS)
def test_one_compactness_serves_every_type(method):
    image, _ = blobs()
    wanted = superpixels(image, SuperpixelConfig(method))
    for same in (image.astype(np.uint16) * 200, image.astype(np.float32) / 255 - 3):
        found = superpixels(same, SuperpixelConfig(method))
        assert (found == wanted).mean() > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_outliers_do_not_cost_other_pixels_their_contrast(method):
    image, truth = blobs()
    image = image / 255
    image[2, 2:4] = -3.4e38  # no data
    labels = superpixels(image, SuperpixelConfig(method, 8))
    check_superpixels(labels)
    bright = ndimage.mean(truth, labels, np.arange(1, labels.max() + 1))
    assert (truth == (bright[labels - 1] > 0.5)).mean() > 0.94


@pytest.mark.parametrize("method", METHODS_3D)
@pytest.mark.parametrize("units", ["pixels", "world"])
def test_in_a_volume_they_are_as_wide_along_every_axis(method, units):
    """In world units: along coarse slices they have fewer pixels."""
    spacing, size = (2.0, 0.5, 0.5), 8 if units == "pixels" else 4.0
    image = ndimage.gaussian_filter(noise((12, 48, 48)), 1)
    config = SuperpixelConfig(method, size, 10.0, units)
    labels = superpixels(image, config, spacing=spacing)
    check_superpixels(labels)
    boxes = ndimage.find_objects(labels)
    wide = [[(b.stop - b.start) * s for b, s in zip(box, spacing, strict=True)] for box in boxes]
    np.testing.assert_allclose(np.median(wide, axis=0), 4.0, atol=1.01)


def test_slices_far_apart_are_segmented_separately():
    image = noise((4, 24, 24))
    labels = superpixels(image, SuperpixelConfig(size=6), spacing=(6.5, 1.0, 1.0))
    np.testing.assert_array_equal(labels, superpixels(image, SuperpixelConfig(size=6), axes="TYX"))
    assert all(len(np.unique(np.nonzero(labels == v)[0])) == 1 for v in range(1, labels.max() + 1))


def test_ids_are_unique_over_time_points():
    labels = superpixels(noise((3, 4, 20, 20)), SuperpixelConfig(size=8), axes="TZYX")
    assert labels.shape == (3, 4, 20, 20)
    frames = [set(np.unique(frame)) for frame in labels]
    assert not frames[0] & frames[1] | frames[1] & frames[2]
    np.testing.assert_array_equal(np.unique(labels), np.arange(1, labels.max() + 1))


def test_axes_in_any_order():
    image = noise((20, 3, 24, 5))
    labels = superpixels(image, SuperpixelConfig(size=8), axes="XCYZ")
    assert labels.shape == (20, 24, 5)
    turned = superpixels(image.transpose(1, 3, 2, 0), SuperpixelConfig(size=8), axes="CZYX")
    np.testing.assert_array_equal(labels.transpose(2, 1, 0), turned)


@pytest.mark.parametrize("method", METHODS)
def test_a_mask(method):
    image, truth = blobs()
    labels = superpixels(image, SuperpixelConfig(method, 8), mask=truth.astype(np.uint8) * 7)
    check_superpixels(labels, truth)
    assert labels.max() > 3
    nothing = superpixels(image, SuperpixelConfig(method, 8), mask=np.zeros_like(truth))
    assert not nothing.any()


def test_slivers_along_a_mask_are_merged():
    mask = np.zeros((48, 48), bool)
    mask[3:37, 7:40] = True
    labels = superpixels(noise((48, 48)), SuperpixelConfig(size=12), mask=mask)
    assert np.bincount(labels.ravel())[1:].min() >= 12**2 / 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-6, 1.0, 50.0, 1e6])
def test_extreme_sizes(method, size):
    config = SuperpixelConfig(method, size)
    if method == "quickshift" and size > 50:
        with pytest.raises(ValueError, match="would take hours"):
            superpixels(noise((14, 15)), config)
        return
    labels = superpixels(noise((14, 15)), config)
    check_superpixels(labels)
    assert size < 50 or labels.max() < 4


@pytest.mark.parametrize(("shape", "config"), [
    ((50, 64), SuperpixelConfig(size=8)),
    ((6, 30, 32), SuperpixelConfig("watershed", size=6)),
])  # fmt: skip
def test_large_images_are_segmented_tile_by_tile(monkeypatch, shape, config):
    image = noise(shape)
    monkeypatch.setattr(module, "MAX_TILE", 900)
    labels, steps = None, superpixel_tiles(image, config)
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as stop:
            labels = stop.value
            break
    assert [s.done for s in seen] == list(range(1, seen[0].total + 1))
    assert len(seen) > 3
    check_superpixels(labels)


@pytest.mark.parametrize(("shape", "size"), [((150, 170), 4), ((12, 50, 60), 2)])
def test_a_flood_in_blocks_finds_the_superpixels_of_one_in_one_go(monkeypatch, shape, size):
    image = ndimage.gaussian_filter(noise((2, *shape)), (0,) + (1,) * len(shape))
    config = SuperpixelConfig("watershed", size)
    wanted = segment_tile(image, config, (1.0,) * len(shape))
    flood = methods.segmentation.watershed
    called = []
    monkeypatch.setattr(methods, "MAX_FLOOD", 1)
    monkeypatch.setattr(
        methods.segmentation, "watershed", lambda *a, **k: called.append(1) or flood(*a, **k)
    )
    found = segment_tile(image, config, (1.0,) * len(shape))
    assert len(called) > 1
    edges = [labels[..., 1:] != labels[..., :-1] for labels in (found, wanted)]
    assert (edges[0] == edges[1]).mean() > 0.998


@given(
    labels=arrays(np.int32, st.sampled_from([(9, 11), (4, 5, 6)]), elements=st.integers(1, 4)),
    least=st.integers(0, 12),
)
@settings(max_examples=40, deadline=None)
def test_small_components_join_the_neighbour_with_the_longest_boundary(labels, least):
    faces = np.array([1.0, 2.0, 3.0])[: labels.ndim]
    found = enforce_connectivity(labels, np.ones(labels.shape, bool), least, faces)
    check_superpixels(found)
    assert found.max() == 1 or np.bincount(found.ravel())[1:].min() >= least
    np.testing.assert_array_equal(found, _joined(labels, least, faces))


def _joined(labels, least, faces):
    """Round by round over all pairs of pixels, without graphs."""
    parts = measure.label(labels, connectivity=1)
    while True:
        shared = defaultdict(float)
        for axis, face in enumerate(faces):
            turned = np.moveaxis(parts, axis, 0)
            for a, b in zip(turned[:-1].ravel(), turned[1:].ravel(), strict=True):
                if a != b:
                    shared[a, b] += face
                    shared[b, a] += face
        small = [a for a in range(1, parts.max() + 1) if (parts == a).sum() < least]
        joins = [
            (a, max((area, b) for (c, b), area in shared.items() if c == a)[1])
            for a in small
            if any(c == a for c, _ in shared)
        ]
        if not joins:
            return parts
        group = np.arange(parts.max() + 1)
        for a, b in joins:
            group[group == group[a]] = group[b]
        parts = measure.label(group[parts], connectivity=1)


def test_a_tile_is_scaled_like_the_full_image(monkeypatch):
    """In a tile of faint noise, superpixels stay squares."""
    image = noise((32, 64)) * 0.01
    image[:, 32:] += np.linspace(0, 1, 32)
    monkeypatch.setattr(module, "MAX_TILE", 32 * 32)
    labels = superpixels(image, SuperpixelConfig(size=8))[:, :32]
    assert labels.max() == 16
    assert len(np.unique(labels[:8, :8])) == 1


@pytest.mark.parametrize("method", METHODS)
def test_the_vote_is_the_mean_over_each_superpixel(method, monkeypatch):
    image, _ = blobs()
    first = noise(image.shape, 1)
    probabilities = np.stack([first, 1 - first])
    monkeypatch.setattr(module, "MAX_TILE", 2000)
    config = SuperpixelConfig(method, 8)
    voted = smooth(probabilities, image, config)
    labels = superpixels(image, config)
    for value in range(1, labels.max() + 1):
        here = labels == value
        wanted = probabilities[:, here].mean(axis=1)
        np.testing.assert_allclose(
            voted[:, here], wanted[:, None] + np.zeros(here.sum()), rtol=1e-4
        )
    np.testing.assert_allclose(voted.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("largest", [500, 3000])
def test_the_vote_is_over_the_superpixels_of_a_large_image(largest, monkeypatch):
    """Blocks of other methods are not the tiles of superpixels."""
    image, _ = blobs((50, 75))
    first = noise(image.shape, 1)
    monkeypatch.setattr(module, "MAX_TILE", 900)
    monkeypatch.setattr("napari_segkit.refinement.smoothing_method.MAX_BLOCK", largest)
    voted = smooth(np.stack([first, 1 - first]), image, SuperpixelConfig(size=8))[0]
    labels = superpixels(image, SuperpixelConfig(size=8))
    np.testing.assert_allclose(voted, _means(first, labels), rtol=1e-4)


def _means(values, labels):
    return ndimage.mean(values, labels, np.arange(1, labels.max() + 1))[labels - 1]


@given(data=st.data(), seed=st.integers(0, 9), spacing=st.sampled_from([1.0, 2.5]))
@settings(max_examples=20, deadline=None)
def test_a_region_has_the_superpixels_of_the_full_image(data, seed, spacing):
    shape = data.draw(st.sampled_from([(50, 75), (8, 20, 24)]))
    ends = [st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in shape]
    region = tuple(slice(a, min(n, a + b)) for (a, b), n in zip(
        data.draw(st.tuples(*ends)), shape, strict=True))  # fmt: skip
    image, _ = blobs(shape, seed)
    first = noise(shape, seed)
    given = np.stack([first, 1 - first])
    config = RefineConfig("superpixels", superpixels=SuperpixelConfig(size=6))
    more = {"axes": "ZYX"[-len(shape) :], "spacing": (spacing,) + (1.0,) * (len(shape) - 1)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_TILE", 900)
        whole = refine(given, image, config, **more)
        maps = as_probability_maps(given, image, **more, uses_image=True)
        found = refine_region(maps, {}, region, config, (0, 1), device="cpu")
    np.testing.assert_array_equal(found, whole[region])


def test_a_region_in_many_tiles_shrinks_to_its_centre(monkeypatch):
    """A preview waits for full tiles, so it is limited to a few."""
    monkeypatch.setattr(module, "MAX_TILE", 900)
    image = noise((9, 60, 70))
    maps = as_probability_maps(
        np.stack([image, 1 - image]), image, axes="ZYX", spacing=None, uses_image=True
    )
    config = RefineConfig("superpixels")
    view = (slice(4, 5), slice(0, 60), slice(5, 70))
    few = limit_to_tiles(maps, view, config, 4)
    assert len(tiles_touching(maps, view, config)) > 4 >= len(tiles_touching(maps, few, config))
    assert all(v.start <= f.start < f.stop <= v.stop for v, f in zip(view, few, strict=True))
    assert all(f.start + f.stop == v.start + v.stop for v, f in zip(view, few, strict=True))
    assert np.prod([f.stop - f.start for f in few]) > 100
    assert limit_to_tiles(maps, few, config, 4) == few
    assert limit_to_tiles(maps, view, RefineConfig("mrf"), 4) == view


def test_the_vote_in_time_series_of_volumes():
    image = noise((2, 5, 16, 16))
    probabilities = np.stack([image, 1 - image])
    voted = smooth(probabilities, image, SuperpixelConfig(size=6), axes="TZYX")
    assert voted.shape == probabilities.shape
    assert 1 < len(np.unique(voted[0])) < image.size / 20


@pytest.mark.parametrize("method", ["felzenszwalb", "quickshift"])
def test_a_volume_is_refused_by_2d_methods(method):
    volume, config = noise((4, 12, 12)), SuperpixelConfig(method)
    with pytest.raises(ValueError, match="choose slic or watershed"):
        superpixels(volume, config)
    with pytest.raises(ValueError, match="choose slic or watershed"):
        smooth(np.stack([volume, 1 - volume]), volume, config)
    assert superpixels(volume, config, axes="TYX").shape == volume.shape


@pytest.mark.parametrize(("image", "mask", "words"), [
    (np.full((8, 8), 7), None, "constant"),
    (noise((8, 8)), np.ones((8, 9), bool), r"mask has the shape \(8, 9\)"),
    (noise((8, 8, 3)), np.ones((3, 8), bool), "needs one of shape"),
])  # fmt: skip
def test_unusable_images_and_masks_are_refused(image, mask, words):
    with pytest.raises(ValueError, match=words):
        superpixels(image, mask=mask)


def test_nan_pixels_belong_to_no_superpixel():
    image = noise((24, 24))
    image[:5] = np.nan
    with pytest.warns(UserWarning, match="image has 120 NaN or infinite pixels"):
        found = superpixels(image)
    assert not found[:5].any()
    assert found[5:].all()
