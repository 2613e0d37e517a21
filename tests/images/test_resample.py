import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.resample import resample, resample_pairs, resize_linear
from napari_segkit.steps import drain

QUICK = TrainConfig(
    epochs=1,
    steps_per_epoch=2,
    batch_size=2,
    unlabelled=None,
    tile=TileConfig(16, 0),
    validation=None,
)


def ball(shape, spacing):
    """A ball of radius 5 world units at the centre, for voxels of any size."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    return (sum(np.square(a) for a in np.meshgrid(*axes, indexing="ij")) < 25).astype(np.uint8)


@settings(deadline=None, max_examples=15)
@given(
    lengths=st.tuples(st.integers(1, 6), *[st.integers(32, 40)] * 2),
    sizes=st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * 3),
    size=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_lengths_in_world_units_are_preserved(lengths, sizes, size):
    image = resample(AxesImage(np.zeros((2, *lengths)), "CZYX", sizes), size, 3)
    assert image.spacing == (size,) * 3
    assert image.shape[0] == 2
    for new, old, edge in zip(image.shape[1:], lengths, sizes, strict=True):
        assert new == max(1, round(old * edge / size))


def test_2d_models_do_not_resample_z():
    image = resample(AxesImage(np.zeros((4, 10, 10)), "ZYX", (5.0, 2.0, 2.0)), 1.0, 2)
    assert image.shape == (4, 20, 20)
    assert image.spacing == (5.0, 1.0, 1.0)


def test_interpolation_is_linear_between_pixel_centres():
    values = np.random.default_rng(0).random((7, 9)).astype(np.float32)
    positions = [(np.arange(2 * n) + 0.5) / 2 - 0.5 for n in values.shape]
    expected = ndimage.map_coordinates(values, np.meshgrid(*positions, indexing="ij"), order=1)
    np.testing.assert_allclose(
        resize_linear(values, (14, 18))[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-6
    )
    assert resize_linear(values, (7, 9)) is values


def test_thin_strokes_are_not_lost_between_new_pixels():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 21] = 1
    labels[7, 33] = 2
    image = AxesImage(np.zeros((40, 40)), "YX")
    _, (smaller,) = resample_pairs([image], [labels], 4.0, 2, unlabelled=0, cache=ArrayCache())
    assert (smaller[:, 5] == 1).all()
    assert smaller[1, 8] == 2


@pytest.mark.filterwarnings("ignore:Class 2. fewer than")
def test_a_class_lost_by_resampling_is_named():
    labels = np.ones((40, 40), np.uint8)
    labels[3, 3] = 2
    image = np.random.default_rng(0).random((40, 40))
    config = TrainConfig(**vars(QUICK) | {"voxel_size": 4.0})
    with pytest.raises(ValueError, match="At voxel_size 4 no pixel of class 2 is left"):
        Segmenter().fit(image, labels, config)


@pytest.mark.parametrize("size", [1e-6, 1000.0])
def test_a_voxel_size_in_other_units_is_refused(size):
    with pytest.raises(ValueError, match=r"voxel_size=.*in world units; the image's voxels are"):
        resample(AxesImage(np.zeros((40, 40, 40)), "ZYX"), size, 3)


def test_alpha_is_left_out_when_resampling():
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 4), np.uint8)
    image[..., 3] = 255
    labels = (image[..., 0] > 100).astype(np.uint8) + 1
    config = TrainConfig(**vars(QUICK) | {"voxel_size": 0.9})
    segmenter = Segmenter().fit(image, labels, config)
    assert segmenter.trained.channels == 3
    assert segmenter.predict(image[..., :3]).shape == (40, 40)


def test_statistics_are_those_of_the_image_before_resampling():
    image = np.random.default_rng(0).random((64, 64))
    labels = (image > 0.5).astype(np.uint8)
    config = TrainConfig(**vars(QUICK) | {"voxel_size": 3.0})
    segmenter = Segmenter().fit(image, labels, config)
    steps = segmenter.predict_tiles(image, statistics=segmenter.measure(image))
    np.testing.assert_array_equal(drain(steps).labels, segmenter.predict(image))


def test_resampled_labels_keep_their_values():
    image = AxesImage(np.zeros((8, 8)), "YX", (1.0, 2.0, 2.0))
    labels = np.random.default_rng(0).choice([0, 3, 200], (8, 8)).astype(np.uint8)
    _, (larger,) = resample_pairs([image], [labels], 1.0, 2, unlabelled=None, cache=ArrayCache())
    np.testing.assert_array_equal(larger, labels.repeat(2, 0).repeat(2, 1))
    assert larger.dtype == labels.dtype


def test_volumes_of_different_voxel_sizes_are_refused_or_resampled():
    shapes, sizes = [(16, 16, 16), (8, 16, 16)], [(1.0, 1.0, 1.1), (2.0, 1.0, 1.1)]
    truths = [ball(*pair) for pair in zip(shapes, sizes, strict=True)]
    images = [
        AxesImage(t + np.random.default_rng(0).normal(0, 0.1, t.shape), "ZYX", s, name)
        for t, s, name in zip(truths, sizes, ["one", "two"], strict=True)
    ]
    segmenter = Segmenter(ModelSpec("unet3d"))
    with pytest.raises(ValueError, match=r"one has voxels of 1 x 1 x 1.1 and two of 2 x 1 x 1.1"):
        segmenter.fit(images, truths, QUICK)
    segmenter.fit(images, truths, TrainConfig(**vars(QUICK) | {"voxel_size": 1.5}))
    assert segmenter.trained.spacing == (1.5, 1.5, 1.5)
    for image in images:
        predicted = segmenter.predict_proba(image)
        assert predicted.shape == (2, *image.shape)
        np.testing.assert_allclose(predicted.sum(axis=0), 1, atol=1e-5)


def test_predictions_at_another_spacing_agree_in_the_world():
    fine = ball((32, 32, 32), (0.5, 0.5, 0.5))
    config = TrainConfig(**vars(QUICK) | {"voxel_size": 1.0, "epochs": 20})
    image = fine + np.random.default_rng(0).normal(0, 0.05, fine.shape)
    segmenter = Segmenter(ModelSpec("unet3d")).fit(image, fine, config, spacing=(0.5,) * 3)
    assert (segmenter.predict(image, spacing=(0.5,) * 3) == fine).mean() > 0.97
    coarse = ball((8, 16, 16), (2.0, 1.0, 1.0))
    predicted = segmenter.predict(coarse.astype(float), spacing=(2.0, 1.0, 1.0))
    assert (predicted == coarse).mean() > 0.95


def test_spacing_1_is_known_if_the_orientation_is():
    volume = ball((16, 16, 16), (1.0, 1.0, 1.0)) * 1.0
    image = AxesImage(volume, "ZYX", orientation="SAR")
    segmenter = Segmenter(ModelSpec("unet3d")).fit(image, volume.astype(int), QUICK)
    with pytest.warns(UserWarning, match="voxels of 5 x 0.5 x 0.5"):
        segmenter.predict(AxesImage(volume, "ZYX", (5.0, 0.5, 0.5), orientation="SAR"))


def test_voxel_sizes_other_than_the_models_give_a_warning():
    volume = ball((16, 16, 16), (1.0, 1.0, 1.0)) * 1.0
    segmenter = Segmenter(ModelSpec("unet3d"))
    segmenter.fit(volume, volume.astype(int), QUICK, spacing=(1.0, 1.0, 2.0))
    with pytest.warns(UserWarning, match=r"voxels of 3 x 1 x 2 .*trained on 1 x 1 x 2"):
        segmenter.predict(volume, spacing=(3.0, 1.0, 2.0))


def test_images_in_other_units_are_the_same(tmp_path):
    truth = ball((16, 16, 16), (0.5, 0.5, 0.5))
    pixels = truth + np.random.default_rng(0).normal(0, 0.05, truth.shape)
    um = AxesImage(pixels, "ZYX", (0.5, 0.5, 0.5), "um.tif", unit="um")
    nm = AxesImage(pixels, "ZYX", (500, 500, 500), "nm.tif", unit="nm")
    config = TrainConfig(**vars(QUICK) | {"voxel_size": 1.0})
    segmenter = Segmenter(ModelSpec("unet3d")).fit([um, nm], [truth, truth], config)
    assert (segmenter.trained.spacing, segmenter.trained.unit) == ((1, 1, 1), "um")
    segmenter.save(tmp_path / "a.segkit")
    for known in (segmenter, Segmenter.load(tmp_path / "a.segkit")):
        np.testing.assert_array_equal(known.predict_proba(nm), known.predict_proba(um))


def test_another_voxel_size_is_told_in_the_unit_of_the_model():
    volume = ball((16, 16, 16), (1.0, 1.0, 1.0)) * 1.0
    image = AxesImage(volume, "ZYX", (0.5, 0.5, 0.5), unit="um")
    segmenter = Segmenter(ModelSpec("unet3d")).fit(image, volume.astype(int), QUICK)
    with pytest.warns(UserWarning, match=r"of 0.7 x 0.5 x 0.5 um .*trained on 0.5 x 0.5 x 0.5 um"):
        segmenter.predict(AxesImage(volume, "ZYX", (700, 500, 500), unit="nm"))
