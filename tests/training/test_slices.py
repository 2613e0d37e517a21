"""Trainings of 2D networks on volumes: with neighbouring slices, and along three axes."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segkit import (
    ModelSpec,
    PredictConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
    mean_model,
)
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.jobs.held_out_pictures import picture_of_predictions
from napari_segkit.training.held_out import HeldOutImage

SPEC = ModelSpec("segresnet", dims="2D", neighbour_slices=1)
SHORT = TrainConfig(
    epochs=2, steps_per_epoch=3, batch_size=2, unlabelled=None, tile=TileConfig(tile_size=32)
)


@pytest.fixture(scope="module")
def stack():
    """A volume whose class is that of the slice above: 1 where that is bright."""
    bright = np.random.default_rng(0).integers(0, 2, 24).astype(np.float32)
    image = np.repeat(bright, 32 * 32).reshape(24, 32, 32)
    image += np.random.default_rng(1).normal(0, 0.05, image.shape).astype(np.float32)
    return image, np.roll(image > 0.5, 1, axis=0).astype(np.uint8)


@pytest.fixture(scope="module")
def trained(stack):
    config = TrainConfig(
        epochs=5, batch_size=8, unlabelled=None, validation=None, tile=TileConfig(tile_size=32)
    )
    return Segmenter(SPEC, device="cpu").fit(*stack, config, axes="ZYX")


def test_a_network_learns_from_the_slices_beside_its_own(stack, trained):
    image, labels = stack
    inner = np.s_[1:-1]
    assert (trained.predict(image, axes="ZYX") == labels)[inner].mean() > 0.95


def test_the_file_of_such_a_model_gives_the_same_pixels(stack, trained, tmp_path):
    trained.save(tmp_path / "a.segkit")
    again = Segmenter.load(tmp_path / "a.segkit", device="cpu")
    assert again.spec.neighbour_slices == 1
    assert again.trained.channels == 1
    first = next(iter(again.trained.network.parameters()))
    assert first.shape[1] == 3
    pair = (s.predict_proba(stack[0], axes="ZYX") for s in (trained, again))
    np.testing.assert_array_equal(*pair)


def test_what_is_held_out_is_drawn_with_the_slices_beside_it(stack, trained):
    image = AxesImage(stack[0], "ZYX")
    predicted = trained.predict(stack[0], axes="ZYX").astype(np.int64)
    predicted[:, :10, :10] = 1  # so that there are two colours
    held_out = HeldOutImage(image, predicted, np.indices(predicted.shape)[0] == 5)
    picture = picture_of_predictions(trained.trained, [held_out], "cpu")
    labels, prediction = (picture[24:-6, 6 + n * 262 : 6 + n * 262 + 256] for n in (1, 2))
    same = (labels == prediction).all(-1)
    assert same[100:, 100:].all()


def test_objects_are_scored_with_the_slices_beside_theirs(stack):
    ids = np.zeros(stack[0].shape, np.int32)
    ids[:, 4:14, 4:14], ids[:, 18:30, 10:30] = 1, 2
    spec = ModelSpec("segresnet", dims="2D", neighbour_slices=2, objects="distance")
    config = TrainConfig(
        epochs=1, steps_per_epoch=2, batch_size=2, labels_are="objects", tile=TileConfig(32)
    )
    segmenter = Segmenter(spec, device="cpu").fit(stack[0], ids, config, axes="ZYX")
    assert segmenter.trained.provenance["validation"]["score"] >= 0


def test_a_training_along_three_axes_predicts_along_them(stack):
    segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
    segmenter.fit(*stack, replace(SHORT, three_axes=True), axes="ZYX")
    mean = segmenter.predict_proba(stack[0], axes="ZYX", config=PredictConfig(three_axes=True))
    assert mean.shape == (2, *stack[0].shape)
    np.testing.assert_allclose(mean.sum(0), 1, atol=1e-5)


def fit(spec, axes="ZYX", **options):
    shape = (4, 32, 32)[-len(axes) :]
    labels = np.zeros(shape, np.uint8)
    labels[..., 16:] = 1
    config = TrainConfig(epochs=1, unlabelled=None, **options)
    Segmenter(spec, device="cpu").fit(labels.astype(np.float32), labels, config, axes=axes)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (SPEC, {"axes": "YX"}, "neighbour_slices=1, but an image with axes YX has no Z"),
        (ModelSpec(), {"axes": "YX", "three_axes": True}, "image with axes YX has no Z"),
        (ModelSpec("unet3d"), {"three_axes": True}, "unet3d takes whole volumes here"),
        (ModelSpec("pixels"), {"three_axes": True}, "pixels is not trained on slices of volumes"),
    ],
)
def test_what_has_no_slices_is_refused(spec, options, message):
    with pytest.raises(ValueError, match=message):
        fit(spec, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "pixels"}, "pixels takes no neighbouring slices: choose dims='3D'"),
        ({"name": "unet3d", "dims": "3D"}, "for 2D networks: choose dims='2D'"),
    ],
)
def test_methods_without_neighbouring_slices_say_so(options, message):
    with pytest.raises(ValueError, match=message):
        Segmenter(ModelSpec(neighbour_slices=2, **options))


@pytest.mark.parametrize("other", [{"resize": 64}, {"voxel_size": 0.5}])
def test_three_axes_take_slices_as_they_are(other):
    with pytest.raises(ValueError, match="takes slices along Z, Y and X as they are"):
        TrainConfig(three_axes=True, **other)


def test_long_voxels_are_said_before_a_training():
    image = np.zeros((4, 32, 32), np.float32)
    image[:, 16:] = 1
    config = TrainConfig(epochs=1, steps_per_epoch=1, unlabelled=None, three_axes=True)
    steps = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu").train_epochs(
        image, image.astype(np.uint8), config, axes="ZYX", spacing=(7.5, 0.5, 0.5)
    )
    with pytest.warns(UserWarning, match="measure 7.5 x 0.5 x 0.5"):
        next(s for s in steps if s.total)


def test_two_models_with_other_neighbours_have_no_mean(trained):
    other = replace(trained.trained, spec=replace(trained.spec, neighbour_slices=0))
    with pytest.raises(ValueError, match="number of slices is"):
        mean_model([trained, Segmenter.of_trained(other, device="cpu")])
