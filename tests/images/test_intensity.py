import dask.array as da
import numpy as np
import pytest
from skimage.data import coins

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import (
    identity_statistics,
    measure_intensities,
    measure_statistics,
    mostly_zero,
    note_missing,
    require_contrast,
)


def test_the_1st_and_99th_percentile_become_0_and_1():
    image = AxesImage(coins(), "YX")
    scaled = measure_statistics([image], 2).apply(image.read({}, (slice(None), slice(None))))
    assert scaled.dtype == np.float32
    assert np.percentile(scaled, 1) == pytest.approx(0, abs=1e-6)
    assert np.percentile(scaled, 99) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("count", [1, 2, 137, 5000])
def test_short_integers_are_counted_to_the_percentiles_of_numpy(dtype, count):
    lowest = max(np.iinfo(dtype).min, -500)
    pixels = np.random.default_rng(count).integers(lowest, 255, (1, count)).astype(dtype)
    measured = measure_statistics([AxesImage(pixels, "YX")], 2)
    expected = np.percentile(pixels.astype(float), (1, 99)) if count > 1 else pixels[0, [0, 0]]
    assert (*measured.low, *measured.high) == tuple(expected)


@pytest.mark.parametrize("factor", [0.5, 2, 100])
def test_scaled_intensities_normalise_to_the_same(factor):
    pixels = coins()[None].astype(float)
    one, other = (
        measure_statistics([AxesImage(p[0], "YX")], 2).apply(p) for p in (pixels, pixels * factor)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_channels_are_measured_separately_and_one_may_be_constant():
    pixels = np.stack([coins(), coins() * 0 + 7, coins() // 2])
    statistics = measure_statistics([AxesImage(pixels, "CYX")], 2)
    assert statistics.low[0] != statistics.low[2]
    assert (statistics.low[1], statistics.high[1]) == (7, 7)


def test_zero_background_can_be_left_out():
    head = np.zeros((100, 100))
    head[30:60, 30:60] = np.linspace(100, 200, 900).reshape(30, 30)
    image = AxesImage(head, "YX")
    measured = measure_intensities(image, 2, 0)
    assert mostly_zero([measured])
    assert measured.nonzero == measure_statistics([image], 2, nonzero=True)
    assert not mostly_zero([measure_intensities(AxesImage(coins(), "YX"), 2, 0)])
    assert measure_statistics([image], 2, nonzero=True).low[0] > 100
    assert measure_statistics([image], 2).low[0] == 0


def test_few_bright_pixels_on_a_flat_background_still_give_a_range():
    spots = np.zeros((200, 200))
    spots[::50, ::50] = 9
    assert measure_statistics([AxesImage(spots, "YX")], 2).high == (9.0,)


def test_a_large_lazy_image_is_measured_from_a_fixed_sample():
    rng = np.random.default_rng(0)
    whole = rng.normal(10, 2, (6, 1024, 1024)).astype(np.float32)
    lazy = da.from_array(whole, chunks=(1, 256, 256))
    sampled = [measure_statistics([AxesImage(lazy, "ZYX")], ndim) for ndim in (2, 2, 3)]
    assert sampled[0] == sampled[1]
    assert sampled[0].low[0] == pytest.approx(np.percentile(whole, 1), abs=0.05)
    assert sampled[2].high[0] == pytest.approx(np.percentile(whole, 99), abs=0.05)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinite_pixels_are_left_out_and_scaled_to_dark(value):
    pixels = coins().astype(float)
    pixels[:4] = value
    image = AxesImage(pixels, "YX", name="scan")
    statistics = measure_statistics([image], 2)
    assert statistics == measure_statistics([AxesImage(pixels[4:], "YX")], 2)
    scaled = statistics.apply(pixels[None])
    assert (scaled[0, :4] == 0).all()
    assert np.isfinite(scaled).all()
    with pytest.warns(UserWarning, match=f"scan has {pixels[:4].size} NaN or infinite pixels"):
        note_missing(image, "they are dark")


def test_blank_images_have_no_contrast_and_are_scaled_to_zero():
    blank = AxesImage(np.full((9, 9), 3), "YX", name="well")
    statistics = measure_statistics([blank], 2)
    assert statistics.is_blank
    assert not statistics.apply(blank.data[None]).any()
    with pytest.raises(ValueError, match="well is constant"):
        require_contrast([statistics], [blank])
    full = measure_statistics([AxesImage(coins(), "YX")], 2)
    require_contrast([statistics, full], [blank, blank])


def test_identity_changes_nothing():
    pixels = coins()[None]
    np.testing.assert_array_equal(identity_statistics(1).apply(pixels), pixels)
