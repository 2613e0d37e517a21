"""Trainings on whole images of one size, in passes over the training set."""

from dataclasses import replace
from itertools import chain

import dask.array as da
import numpy as np
import pytest

from napari_segkit import AugmentConfig, ModelSpec, Segmenter, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import identity_statistics
from napari_segkit.images.labels import IGNORE
from napari_segkit.training.commands import Checkpoint
from napari_segkit.training.sampler import Sample, Sampler
from napari_segkit.training.whole_images import PassSampler

SPEC = ModelSpec("unet", encoder="resnet18")
CONFIG = TrainConfig(
    epochs=3, steps_per_epoch=None, batch_size=3, resize=(32, 64), unlabelled=None,
    normalise="dtype", validation=None,
)  # fmt: skip


def photograph(height, width):
    """A disc brighter than what is around it."""
    y, x = np.mgrid[:height, :width]
    mask = (y / height - 0.5) ** 2 + (x / width - 0.4) ** 2 < 0.06
    noise = np.random.default_rng(height).integers(0, 60, (height, width, 3))
    return (noise + 120 * mask[..., None]).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture(scope="module")
def photographs():
    sizes = [(50, 70), (64, 64), (90, 61), (33, 80), (70, 50), (48, 96), (40, 40)]
    return [list(each) for each in zip(*(photograph(*size) for size in sizes), strict=True)]


@pytest.fixture(scope="module")
def trained(photographs):
    return Segmenter(SPEC, device="cpu").fit(*photographs, CONFIG)


def passes(count, seed=0):
    """Images that are filled with their number; number 2 has no labels."""
    samples = [
        Sample(
            AxesImage(np.full((12, 16), n, np.float32), "YX"),
            AxesImage(np.full((12, 16), IGNORE if n == 2 else n % 2, np.int16), "YX"),
            identity_statistics(1),
        )
        for n in range(count)
    ]
    random = np.random.default_rng(5)
    return PassSampler(
        samples, (16, 16), 2, augment=AugmentConfig(augment=False), random=random, seed=seed
    )


def batches_of(sampler):
    """The numbers of the images in each batch of the next pass, three at once."""
    return [sampler.batch(3)[0][:, 0, 0, 0].int().tolist() for _ in range(3)]


def test_each_pass_takes_every_labelled_image_once_in_another_order():
    sampler = passes(8)
    assert sampler.steps_per_pass(3) == 3
    first, second = batches_of(sampler), batches_of(sampler)
    assert sorted(map(len, first)) == [2, 2, 3]
    assert sorted(chain(*first)) == sorted(chain(*second)) == [0, 1, 3, 4, 5, 6, 7]
    assert first != second
    assert batches_of(passes(8)) == first != batches_of(passes(8, seed=1))


def test_an_image_starts_at_the_corner_of_its_patch_and_a_single_one_is_taken_twice():
    images, targets = passes(1).batch(4)
    assert images.shape == (2, 1, 16, 16)
    assert (targets == 0).all()


def test_a_pass_of_patches_covers_the_images():
    indices = np.zeros((100, 130), np.int16)
    samples = [Sample(AxesImage(indices, "YX"), AxesImage(indices, "YX"), identity_statistics(1))]
    random = np.random.default_rng(0)
    sampler = Sampler(2 * samples, (64, 64), 1, augment=AugmentConfig(augment=False), random=random)
    assert sampler.steps_per_pass(4) == 3  # twice 2 x 3 patches


def test_training_ends_after_as_many_passes_as_epochs(trained):
    assert len(trained.history) == 3 * 3
    assert trained.trained.provenance["images_seen"] == 3 * 7


def test_results_have_the_shape_of_each_image(trained, photographs):
    for image, mask in zip(*photographs, strict=True):
        labels, probabilities = trained.predict(image), trained.predict_proba(image)
        assert labels.shape == mask.shape
        assert probabilities.shape == (2, *mask.shape)
        np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)
        assert (labels == mask).mean() > 0.9


def test_lazy_series_are_predicted_frame_by_frame(trained, photographs):
    image = photographs[0][0]
    series = da.stack([image, image[::-1]]).rechunk((1, 20, 20, 3))
    labels = trained.predict(series, axes="TYXC")
    np.testing.assert_array_equal(labels[0], trained.predict(image))


def test_the_file_gives_the_same_labels(trained, photographs, tmp_path):
    path = trained.save(tmp_path / "photographs")
    loaded = Segmenter.load(path, device="cpu")
    assert loaded.trained.config.resize == (32, 64)
    image = photographs[0][1]
    np.testing.assert_array_equal(loaded.predict(image), trained.predict(image))


def test_a_resumed_training_goes_on_with_the_same_images(trained, photographs, tmp_path):
    steps = Segmenter(SPEC, device="cpu").train_epochs(*photographs, CONFIG)
    for step in steps:
        if step.done == 7:
            steps.send(Checkpoint(tmp_path / "a.state"))
            break
    resumed = Segmenter(SPEC, device="cpu").fit(*photographs, CONFIG, resume=tmp_path / "a.state")
    assert resumed.history == trained.history
    image = photographs[0][0]
    np.testing.assert_array_equal(resumed.predict_proba(image), trained.predict_proba(image))
    assert resumed.trained.provenance["images_seen"] == 21


@pytest.mark.parametrize(
    ("spec", "axes", "said"),
    [
        (ModelSpec("maskrcnn"), "YX", "maskrcnn is an instance method"),
        (ModelSpec("unet3d"), "ZYX", "unet3d takes whole volumes here"),
    ],
)
def test_what_cannot_be_resized_is_refused(spec, axes, said):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 40, 40)[-len(axes) :])
    with pytest.raises(ValueError, match=said):
        Segmenter(spec, device="cpu").fit(pixels, pixels % 2, CONFIG, axes=axes)


def test_objects_of_resized_images_have_the_images_own_pixels(photographs):
    config = replace(CONFIG, epochs=1, unlabelled=0, labels_are="objects")
    spec = ModelSpec("unet", encoder="resnet18", objects="distance")
    trained = Segmenter(spec, device="cpu").fit(*photographs, config)
    found = trained.predict_objects(photographs[0][0])
    assert found.labels.shape == photographs[1][0].shape
