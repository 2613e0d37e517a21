"""Labels follow their image, whatever is done to it, and no value is invented."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk
from skimage.transform import rotate

from napari_segkit import AugmentConfig, augmented_patches
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import identity_statistics
from napari_segkit.images.labels import IGNORE
from napari_segkit.training.augment import Augmentation
from napari_segkit.training.instance_sampler import ObjectSampler
from napari_segkit.training.sampler import Sample, Sampler

NOTHING = AugmentConfig(
    horizontal_flip=False,
    vertical_flip=False,
    depth_flip=False,
    quarter_turns=False,
    brightness=0,
    contrast=0,
)
TURNS = replace(AugmentConfig(), brightness=0, contrast=0)
WARPS = {"rotation": {"rotation": 180}, "scale": {"scale": 0.5}, "elastic": {"elastic": 10}}
INTENSITIES = ("brightness", "contrast", "gamma", "noise", "blur", "channel_drop", "bias_field")
SHAPES = [(48, 48), (32, 40), (16, 24, 24), (8, 20, 28)]


def discs(shape=(96, 96)):
    """Discs in rows, all but some of them on ids of their own."""
    ids = np.zeros(shape, np.int32)
    for number, centre in enumerate(np.ndindex(4, 4), 1):
        ids[disk(np.add(np.multiply(centre, 24), 12), 8, shape=shape)] = number
    return ids


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_flips_and_turns_move_image_and_labels_alike(shape, seed):
    labels = np.arange(np.prod(shape)).reshape(shape)  # each pixel has a value of its own
    images, moved = augmented_patches(labels[None], labels, TURNS, count=4, seed=seed)
    np.testing.assert_array_equal(images[:, 0], moved)
    for each in moved:
        np.testing.assert_array_equal(np.sort(each.ravel()), labels.ravel())


def test_all_symmetries_of_a_square_come_up_and_those_switched_off_do_not():
    labels = np.arange(9).reshape(3, 3)

    def found(config):
        return {p.tobytes() for p in augmented_patches(labels[None], labels, config, count=200)[1]}

    assert len(found(TURNS)) == 8
    assert len(found(replace(TURNS, quarter_turns=False))) == 4
    upright = replace(TURNS, quarter_turns=False, vertical_flip=False)
    assert found(upright) == {labels.tobytes(), labels[:, ::-1].tobytes()}
    assert found(NOTHING) == found(AugmentConfig(False)) == {labels.tobytes()}


COLOUR, CHANNELS_FIRST = ("YXC", (3, 3, 3)), ("CYX", (3, 3, 3))


@pytest.mark.parametrize(
    ("image", "upright", "symmetries"),
    [
        (COLOUR, "auto", 2),
        (CHANNELS_FIRST, "auto", 8),
        (("YX", (3, 3)), "auto", 8),
        (COLOUR, "no", 8),
        (("YX", (3, 3)), "yes", 2),
    ],
)
def test_what_has_an_up_and_a_down_is_not_turned(image, upright, symmetries):
    axes, shape = image
    labels = np.arange(9, dtype=np.int16).reshape(3, 3)
    pixels = AxesImage(np.zeros(shape, np.uint8), axes)
    sample = Sample(pixels, AxesImage(labels, "YX"), identity_statistics(pixels.channels))
    changes, random = replace(TURNS, upright=upright), np.random.default_rng(0)
    sampler = Sampler([sample], (3, 3), 9, augment=changes, random=random)
    targets = np.concatenate([sampler.batch(50)[1].numpy() for _ in range(2)])
    assert len({target.tobytes() for target in targets}) == symmetries


def test_switched_off_it_changes_nothing_whatever_else_is_set():
    image, labels = np.random.default_rng(0).random((2, 24, 24), np.float32), discs((24, 24))
    config = AugmentConfig(False, rotation=90, noise=0.5, bias_field=1, channel_drop=1)
    for off in (config, NOTHING):
        for each in zip(*augmented_patches(image, labels, off), strict=True):
            np.testing.assert_array_equal(each[0], image)
            np.testing.assert_array_equal(each[1], labels)


def test_depth_is_flipped_and_never_turned():
    labels = np.arange(27).reshape(3, 3, 3)
    config = replace(NOTHING, depth_flip=True)
    _, moved = augmented_patches(labels[None], labels, config, count=40)
    assert {p.tobytes() for p in moved} == {labels.tobytes(), labels[::-1].tobytes()}


@pytest.mark.parametrize("change", WARPS.values(), ids=WARPS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_warped_label_stays_on_its_object(change, ndim):
    """The image is the label, blurred by the interpolation only."""
    labels = discs() if ndim == 2 else np.repeat(discs()[None, :48, :48], 8, axis=0)
    spacing = None if ndim == 2 else (5.0, 1.0, 1.0)
    images, moved = augmented_patches(
        (labels > 0)[None], labels, replace(NOTHING, **change), spacing=spacing, count=12
    )
    changed = [not np.array_equal(each, labels) for each in moved]
    assert 0 < sum(changed) < 12
    for (image,), each in zip(images, moved, strict=True):
        assert iou(image > 0.5, each > 0) > 0.97
        assert set(np.unique(each)) <= set(np.unique(labels))


def test_a_rotation_is_that_of_scikit_image():
    labels = np.zeros((65, 65), np.int32)
    labels[disk((26, 40), 7)] = 3
    image = np.random.default_rng(0).random((65, 65), np.float32)
    images, moved = augmented_patches(
        image[None], labels, replace(NOTHING, rotation=90), count=8, seed=1
    )
    changed = [not np.array_equal(each, labels) for each in moved]
    assert 0 < sum(changed) < 8
    for (pixels,), each in zip(images[changed], moved[changed], strict=True):
        y, x = np.argwhere(each == 3).mean(0) - 32
        angle = np.degrees(np.arctan2(-y, x) - np.arctan2(6, 8))
        expected = rotate((labels == 3).astype(float), angle, order=1) > 0.5
        assert iou(expected, each == 3) > 0.9
        turned = rotate(image, angle, order=1)
        inside = disk((32, 32), 28)
        assert np.corrcoef(turned[inside], pixels[inside])[0, 1] > 0.9


def test_slices_of_thick_spacing_are_never_mixed():
    labels = np.repeat(np.arange(6)[:, None, None], 24, 1).repeat(24, 2)
    config = AugmentConfig(rotation=180, scale=0.5, elastic=10, depth_flip=False)
    images, moved = augmented_patches(
        labels[None], labels, replace(config, brightness=0, contrast=0), spacing=(4, 1, 1)
    )
    np.testing.assert_array_equal(moved, np.broadcast_to(labels, moved.shape))
    np.testing.assert_allclose(images[:, 0], moved, atol=1e-4)
    _, mixed = augmented_patches(labels[None], labels, config)  # isotropic
    assert not np.array_equal(mixed, moved)


def test_a_small_deformation_moves_no_pixel_further_than_asked():
    places = np.stack(np.indices((80, 80))).astype(np.float32)
    config = replace(NOTHING, elastic=6)
    images, _ = augmented_patches(places, np.zeros((80, 80), int), config, count=20)
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))  # mirrored further out
    distance = np.abs(images - places)[inner]
    assert 1 < distance.max() <= 6.001


@pytest.mark.parametrize("name", INTENSITIES)
@pytest.mark.parametrize("shape", [(32, 32), (8, 16, 16)])
def test_intensities_change_alone_and_little(name, shape):
    image = np.random.default_rng(0).random((2, *shape), np.float32)
    labels = np.random.default_rng(1).integers(0, 5, shape)
    config = replace(NOTHING, **{name: 0.2})
    images, moved = augmented_patches(image, labels, config, count=12)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(moved, np.broadcast_to(labels, moved.shape))
    assert not np.array_equal(images, np.broadcast_to(image, images.shape))
    if name == "channel_drop":
        dropped = (images == 0).all(axis=tuple(range(2, images.ndim)))
        assert set(dropped.sum(1)) == {0, 1}
    else:
        assert np.corrcoef(images.ravel(), np.broadcast_to(image, images.shape).ravel())[0, 1] > 0.8


def test_one_channel_is_never_dropped():
    image = np.ones((1, 8, 8), np.float32)
    config = replace(NOTHING, channel_drop=1)
    assert augmented_patches(image, np.zeros((8, 8), int), config)[0].all()


def test_the_same_seed_gives_the_same_patches():
    image, labels = np.random.default_rng(0).random((1, 32, 32), np.float32), discs((32, 32))
    strong = {"rotation": 180, "scale": 0.5, "elastic": 9, "noise": 0.3, "blur": 2, "gamma": 1}
    config = AugmentConfig(**strong, bias_field=0.5)
    first, again, other = (augmented_patches(image, labels, config, seed=s) for s in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize(
    ("image", "change", "said"),
    [
        ((8, 8), {}, "does not fit labels of shape"),
        ((1, 8, 8), {"count": 0}, "at least 1"),
        ((1, 8, 8), {"spacing": (0, 1)}, "positive numbers"),
        ((1, 8, 8), {"labels": np.zeros((8, 8))}, "whole numbers"),
        ((1, 8, 8), {"config": True}, "AugmentConfig"),
    ],
)
def test_what_does_not_fit_is_refused(image, change, said):
    arguments = {"labels": np.zeros((8, 8), int)} | change
    with pytest.raises((ValueError, TypeError), match=said):
        augmented_patches(np.zeros(image), **arguments)


def one_sample(image, indices, axes="YX"):
    return Sample(
        AxesImage(image.astype(np.float32), axes),
        AxesImage(indices, axes),
        identity_statistics(1),
    )


def test_a_patch_keeps_the_labelled_pixel_that_it_was_drawn_for():
    """However it is warped, and what is unlabelled stays so."""
    indices = np.full((70, 90), IGNORE, np.int16)
    indices[0, 0], indices[50, 88] = 0, 1
    image = np.zeros(indices.shape)
    image[0, 0], image[50, 88] = 10, 20
    config = AugmentConfig(rotation=180, scale=1, elastic=20, brightness=0, contrast=0)
    random = np.random.default_rng(0)
    sampler = Sampler([one_sample(image, indices)], (32, 32), 2, augment=config, random=random)
    images, targets = sampler.batch(40)
    for (pixels,), target in zip(images.numpy(), targets.numpy(), strict=True):
        present = set(np.unique(target)) - {IGNORE}
        assert present
        assert present <= {0, 1}
        for index in present:  # a pixel may be magnified
            assert pixels[target == index].max() == pytest.approx(10 + 10 * index, rel=1e-3)


def test_an_earlier_batch_is_drawn_again_from_the_state_before_it():
    indices = (discs() > 0).astype(np.int16)
    config = AugmentConfig(rotation=180, scale=0.5, elastic=9, noise=0.3, blur=2, bias_field=0.2)
    random = np.random.default_rng(5)
    sampler = Sampler([one_sample(indices, indices)], (32, 32), 2, augment=config, random=random)
    sampler.batch(3)
    state = random.bit_generator.state
    images, _ = sampler.batch(4)
    sampler.batch(2)
    np.testing.assert_array_equal(sampler.redraw_images(4, state), images)


@pytest.mark.parametrize("annotated", [True, False])
def test_boxes_lie_around_the_masks_of_warped_objects(annotated):
    ids = discs()
    if not annotated:
        ids[70:] = -1
    image = np.where(ids > 0, 100.0 + ids, 0)
    config = replace(TURNS, rotation=180, scale=0.3, elastic=8)
    class_of = np.append(0, np.arange(ids.max()) % 2 + 1)
    random = np.random.default_rng(0)
    sampler = ObjectSampler(
        [one_sample(image, ids)], (64, 64), class_of, augment=config, random=random
    )
    images, targets = sampler.batch(12)
    for (pixels,), target in zip(images.numpy(), targets, strict=True):
        masks = target["masks"].numpy().astype(bool)
        assert masks.sum(0).max() <= 1
        for box, label, mask in zip(target["boxes"], target["labels"], masks, strict=True):
            x0, y0, x1, y1 = box.int().tolist()
            assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
            edges = (mask[y0], mask[y1 - 1], mask[:, x0], mask[:, x1 - 1])
            assert all(edge.any() for edge in edges)
            owner = round(float(np.median(pixels[mask]))) - 100
            assert class_of[owner] == label
        everything = pixels > 50  # nothing of an object is missing but slivers at the edge
        assert iou(everything[8:-8, 8:-8], masks.any(0)[8:-8, 8:-8]) > 0.9


def test_a_view_of_what_is_not_annotated_is_not_trained_on():
    ids = discs((100, 100))
    ids[70:] = -1
    image = np.where(ids < 0, -5.0, ids)
    random = np.random.default_rng(0)
    sampler = ObjectSampler(
        [one_sample(image, ids)],
        (64, 64),
        np.append(0, np.ones(16, np.intp)),
        augment=replace(TURNS, rotation=180, scale=0.5),
        random=random,
    )
    images, _ = sampler.batch(20)
    assert images.min() > -2.6  # the border itself, interpolated


def test_a_channel_is_dropped_in_all_slices():
    config = replace(NOTHING, channel_drop=1)
    image, target = np.ones((6, 8, 8), np.float32), np.zeros((8, 8), np.int16)
    drawn = Augmentation(config, (1.0, 1.0), slices=3).draw(
        lambda start, size: (image.copy(), target), (8, 8), (0, 0), np.random.default_rng(0)
    )
    dropped = ~drawn[0].any((1, 2))
    assert dropped.tolist() in ([True, False] * 3, [False, True] * 3)
    grey = Augmentation(config, (1.0, 1.0), slices=6).draw(
        lambda start, size: (image.copy(), target), (8, 8), (0, 0), np.random.default_rng(0)
    )
    assert grey[0].all()
