import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.data.images import Image
from napari_segkit.data.resample import fit_to, on_one_grid, resample

QUICK = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, unlabelled=None, tile=TileConfig(16, 0)
)


def ball(shape, spacing):
    """A ball of 5 units across in the middle, whatever the voxels."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    return (sum(np.square(a) for a in np.meshgrid(*axes, indexing="ij")) < 25).astype(np.uint8)


@given(
    lengths=st.tuples(*[st.integers(1, 12)] * 3),
    sizes=st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * 3),
    size=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_lengths_in_world_units_stay(lengths, sizes, size):
    image = resample(Image(np.zeros((2, *lengths)), "CZYX", sizes), size, 3)
    assert image.spacing == (size,) * 3
    assert image.shape[0] == 2
    for new, old, edge in zip(image.shape[1:], lengths, sizes, strict=True):
        assert new == max(1, round(old * edge / size))


def test_flat_models_leave_z_alone():
    image = resample(Image(np.zeros((4, 10, 10)), "ZYX", (5.0, 2.0, 2.0)), 1.0, 2)
    assert image.shape == (4, 20, 20)
    assert image.spacing == (5.0, 1.0, 1.0)


def test_stretching_is_linear_between_the_centres_of_pixels():
    values = np.random.default_rng(0).random((7, 9)).astype(np.float32)
    expected = ndimage.zoom(values, 2, order=1, mode="reflect", grid_mode=True)
    np.testing.assert_allclose(fit_to(values, (14, 18)), expected, atol=1e-6)
    assert fit_to(values, (7, 9)) is values


def test_labels_keep_their_values():
    image = Image(np.zeros((8, 8)), "YX", (1.0, 2.0, 2.0))
    labels = np.random.default_rng(0).choice([0, 3, 200], (8, 8)).astype(np.uint8)
    _, (larger,) = on_one_grid([image], [labels], 1.0, 2)
    np.testing.assert_array_equal(larger, labels.repeat(2, 0).repeat(2, 1))
    assert larger.dtype == labels.dtype


def test_volumes_of_other_voxels_are_refused_or_resampled():
    shapes, sizes = [(16, 16, 16), (8, 16, 16)], [(1.0, 1.0, 1.1), (2.0, 1.0, 1.1)]
    truths = [ball(*pair) for pair in zip(shapes, sizes, strict=True)]
    images = [
        Image(t + np.random.default_rng(0).normal(0, 0.1, t.shape), "ZYX", s, name)
        for t, s, name in zip(truths, sizes, ["one", "two"], strict=True)
    ]
    segmenter = Segmenter(ModelSpec("unet3d"))
    with pytest.raises(ValueError, match=r"one has voxels of 1 x 1 x 1.1 and two of 2 x 1 x 1.1"):
        segmenter.fit(images, truths, QUICK)
    segmenter.fit(images, truths, TrainConfig(**vars(QUICK) | {"voxel_size": 1.5}))
    assert segmenter.trained.spacing == (1.5, 1.5, 1.5)
    for image in images:
        found = segmenter.predict_proba(image)
        assert found.shape == (2, *image.shape)
        np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_a_prediction_on_another_grid_is_the_same_in_the_world():
    fine = ball((32, 32, 32), (0.5, 0.5, 0.5))
    config = TrainConfig(**vars(QUICK) | {"voxel_size": 1.0, "epochs": 30})
    image = fine + np.random.default_rng(0).normal(0, 0.05, fine.shape)
    segmenter = Segmenter(ModelSpec("unet3d")).fit(image, fine, config, spacing=(0.5,) * 3)
    assert (segmenter.predict(image, spacing=(0.5,) * 3) == fine).mean() > 0.97
    coarse = ball((8, 16, 16), (2.0, 1.0, 1.0))
    found = segmenter.predict(coarse.astype(float), spacing=(2.0, 1.0, 1.0))
    assert (found == coarse).mean() > 0.95


def test_other_voxels_than_the_models_are_said():
    volume = ball((16, 16, 16), (1.0, 1.0, 1.0)) * 1.0
    segmenter = Segmenter(ModelSpec("unet3d"))
    segmenter.fit(volume, volume.astype(int), QUICK, spacing=(1.0, 1.0, 2.0))
    with pytest.warns(UserWarning, match=r"voxels of 3 x 1 x 2 .*learned on 1 x 1 x 2"):
        segmenter.predict(volume, spacing=(3.0, 1.0, 2.0))
