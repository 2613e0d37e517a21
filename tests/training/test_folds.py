"""Folds of groups, images and regions: disjoint, complete, apart, and what is said of them."""

import numpy as np
import pytest
from scipy import ndimage

from napari_segkit import ModelSpec, TrainConfig
from napari_segkit.config import FoldConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.folds import Folds

SMALL = ModelSpec("segresnet", dims="2D")
CLASSES = [LabelClass(1, "a", "#888888"), LabelClass(2, "b", "#888888")]


def labelled(*labels, axes="YX", groups=()):
    random = np.random.default_rng(0)
    images = [AxesImage(random.integers(0, 255, v.shape, np.uint8), axes) for v in labels]
    return LabelledImages(list(zip(images, labels, strict=True)), CLASSES, groups=groups)


def dense(shape=(60, 60)):
    """Stripes of two classes."""
    return np.broadcast_to(np.where(np.arange(shape[-1]) // 9 % 2, 2, 1), shape).astype(np.uint8)


def folds_of(images, spec=SMALL, **wanted):
    folds = Folds(spec, TrainConfig(), images, FoldConfig(**wanted))
    return folds, [folds.fold(number) for number in range(folds.count)]


def numbers(pairs, images):
    """Which of the images these are."""
    places = {id(image): n for n, (image, _) in enumerate(images.pairs)}
    return [places[id(image)] for image, *_ in pairs]


def test_no_group_is_in_two_folds_and_each_image_is_held_out_once():
    groups = ["x", "y", "", "x", "z", "y", "w"]
    images = labelled(*[dense() for _ in groups], groups=groups)
    folds, each = folds_of(images, folds=3)
    assert (folds.over, folds.count, folds.notes) == ("groups", 3, ())
    held = [numbers([(h.image,) for h in fold.held_out], images) for fold in each]
    assert sorted(n for own in held for n in own) == list(range(7))
    for own, fold in zip(held, each, strict=True):
        kept = numbers(fold.trained.pairs, images)
        assert sorted(own + kept) == list(range(7))
        assert not {groups[n] or n for n in own} & {groups[n] or n for n in kept}


def test_images_with_the_same_pixels_stay_together():
    images = labelled(*[dense() for _ in range(4)])
    pairs = [*images.pairs, images.pairs[0]]
    _, each = folds_of(LabelledImages(pairs, CLASSES), folds=2)
    assert sorted(len(fold.held_out) for fold in each) in ([2, 3], [1, 4])


@pytest.mark.parametrize(
    ("values", "axes"), [(dense((200, 240)), "YX"), (dense((20, 64, 64)), "ZYX")]
)
def test_regions_are_disjoint_complete_and_apart_from_what_is_trained_on(values, axes):
    images = labelled(values, axes=axes)
    folds, each = folds_of(images)
    assert (folds.over, folds.count) == ("regions", 5)
    assert "same images" in folds.notes[0]
    masks = np.array([fold.held_out[0].mask for fold in each])
    assert (masks.sum(axis=0) == 1).all()
    for mask, fold in zip(masks, each, strict=True):
        ((_, own),) = fold.trained.pairs
        trained = np.asarray(own) > 0
        assert not (ndimage.binary_dilation(mask, np.ones((3,) * mask.ndim)) & trained).any()
        assert set(np.unique(values[mask])) == set(np.unique(values[trained])) == {1, 2}
        assert trained.mean() > 0.4


def test_a_fold_without_a_class_and_fewer_folds_are_said():
    only_a = np.ones((60, 60), np.uint8)
    folds, _ = folds_of(labelled(dense(), only_a, only_a.copy()))
    assert folds.count == 3
    assert folds.notes[0] == "3 folds instead of 5: there are 3 images."
    said = " ".join(folds.notes[1:])
    assert said.count("holds all labels of b") == 1
    assert said.count("has no label of b") == 2


def test_what_cannot_be_divided_is_refused(require_said):
    one = labelled(np.pad(np.ones((9, 9), np.uint8), 20))
    for over, found in (("groups", "there are none"), ("images", "is 1"), ("auto", "is 1")):
        with pytest.raises(ValueError, match=found) as raised:
            folds_of(one, over=over)
        require_said(raised.value, "label more of them")
