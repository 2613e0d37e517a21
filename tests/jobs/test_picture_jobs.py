"""Pictures of what a training reads and of what its model predicts."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.jobs.augment_picture import picture_of_augmentation
from napari_segkit.jobs.held_out_pictures import MAX_IMAGES, picture_of_predictions
from napari_segkit.jobs.pair_pictures import picture_of_set, random_pairs
from napari_segkit.training.held_out import HeldOutImage
from napari_segkit.training.validation_history import validations_of
from napari_segkit.training_set import TrainingRow, TrainingSet

CONFIG = TrainConfig(unlabelled=None)


def disc(shape=(40, 60), centre=(20, 20)):
    """A bright disc on noise, and its mask."""
    y, x = np.indices(shape[-2:])
    mask = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 100).astype(np.uint8)
    mask = np.broadcast_to(mask, shape).copy()
    return np.random.default_rng(0).integers(0, 60, shape) + 150 * mask, mask


def test_random_pairs_keep_their_order_and_follow_the_seed():
    chosen = random_pairs(range(100), 0)
    assert len(set(chosen)) == 16
    assert chosen == sorted(chosen) == random_pairs(range(100), 0) != random_pairs(range(100), 1)
    assert random_pairs(range(3), 0) == [0, 1, 2]


def test_rows_that_are_left_out_are_not_drawn():
    rows = [TrainingRow(*disc(), role=role) for role in ("train", "validate", "leave out")]
    one, two, all_rows = (
        picture_of_set(TrainingSet(rows[:n]), CONFIG, None, objects=False) for n in (1, 2, 3)
    )
    assert one.shape[1] < two.shape[1]
    np.testing.assert_array_equal(two, all_rows)


@pytest.mark.parametrize(
    ("shape", "spec"), [((40, 60), ModelSpec("unet")), ((8, 40, 60), ModelSpec("unet3d"))]
)
def test_augmentation_is_drawn_beside_the_patch_as_it_is(shape, spec):
    training_set = TrainingSet([TrainingRow(*disc(shape))])
    drawn = picture_of_augmentation(training_set, CONFIG, spec, None)
    again = picture_of_augmentation(training_set, CONFIG, spec, None)
    np.testing.assert_array_equal(drawn, again)
    off = replace(CONFIG, augment=False)
    unchanged = picture_of_augmentation(training_set, off, spec, None)
    width = (unchanged.shape[1] - 6) // 5
    first = [unchanged[24:200, 6 + n * width : n * width + width] for n in range(5)]
    assert all(np.array_equal(first[0], other) for other in first)
    assert not np.array_equal(drawn, unchanged)


@pytest.fixture(scope="module")
def trained():
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(*disc(), CONFIG)


def test_held_out_images_are_drawn_with_labels_and_prediction(trained):
    image, mask = disc(centre=(20, 40))
    held_out = HeldOutImage(AxesImage(image, "YX", name="disc"), mask)
    one = picture_of_predictions(trained.trained, [held_out], "cpu")
    many = picture_of_predictions(trained.trained, [held_out] * 20, "cpu")
    assert many.shape[0] - 6 == MAX_IMAGES * (one.shape[0] - 6)
    thirds = [one[24:-6, 6 + n * 262 : 6 + n * 262 + 256].astype(int) for n in range(3)]
    drawn = [np.abs(third - thirds[0]).sum(-1) > 0 for third in thirds[1:]]
    assert drawn[0].any()
    assert (drawn[0] == drawn[1]).mean() > 0.95  # the disc is easy to find


def test_the_scores_of_a_model_are_read_from_its_file(trained, tmp_path):
    known = validations_of(trained.trained)
    loaded = validations_of(Segmenter.load(trained.save(tmp_path / "m")).trained)
    assert repr(loaded) == repr(known)
    figures = {
        "step": 3,
        "epoch": 1,
        "score": 0.5,
        "is_best": True,
        "loss": None,
        "iou": {"1": 0.5},
    }
    provenance = {"validations": [figures, {"step": "x"}, "nonsense", figures | {"iou": 3}]}
    (read,) = validations_of(replace(trained.trained, provenance=provenance))
    assert (read.done, read.score, read.iou) == (3, 0.5, {1: 0.5})
    assert np.isnan(read.loss)
    assert validations_of(replace(trained.trained, provenance={"validations": 7})) == []
