import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit.config import AugmentConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import identity_statistics
from napari_segkit.images.labels import IGNORE
from napari_segkit.training.sampler import Sample, Sampler


def sampler(shape=(200, 150), size=(64, 64), augment=False, labelled=((5, 7), (190, 20))):
    """An image whose two channels are its pixels' places, one labelled pixel per class."""
    image = np.stack(np.indices(shape)).astype(np.float32)
    indices = np.full(shape, IGNORE, np.int16)
    for index, place in enumerate(labelled):
        indices[place] = index
    sample = Sample(AxesImage(image, "CYX"), AxesImage(indices, "YX"), identity_statistics(2))
    random = np.random.default_rng(0)
    return Sampler([sample], size, len(labelled), augment=AugmentConfig(augment), random=random)


def test_every_patch_holds_a_labelled_pixel_and_classes_come_equally_often():
    _, targets = sampler().batch(60)
    present = [[bool((t == index).any()) for t in targets] for index in (0, 1)]
    assert all(map(any, zip(*present, strict=True)))
    assert 15 < sum(present[0]) < 45


@settings(deadline=None, max_examples=25)
@given(st.integers(20, 140), st.integers(20, 140), st.booleans())
def test_image_and_target_move_together(height, width, augment):
    drawn = sampler((height, width), (64, 64), False, ((3, 4), (height - 2, width - 5)))
    drawn.augment = AugmentConfig(augment)
    images, targets = drawn.batch(4)
    places = {0: (3, 4), 1: (height - 2, width - 5)}
    for image, target in zip(images.numpy(), targets.numpy(), strict=True):
        for index, place in places.items():
            for y, x in np.argwhere(target == index):
                if augment:  # brightness and contrast change the numbers, not their order
                    assert image[:, y, x] == pytest.approx(place, rel=0.3, abs=1)
                else:
                    assert tuple(image[:, y, x]) == place


def test_patches_lie_inside_an_image_that_holds_them():
    images, _ = sampler().batch(20)
    rows = images[:, 0]
    assert ((rows[:, 1:] - rows[:, :-1]) == 1).all()


def test_the_same_seed_draws_the_same_patches():
    (a, _), (b, _) = sampler(augment=True).batch(8), sampler(augment=True).batch(8)
    np.testing.assert_array_equal(a, b)


def test_volumes_are_drawn_as_volumes():
    indices = np.full((6, 20, 30), IGNORE, np.int16)
    indices[2, 3, 4], indices[5, 10, 20] = 0, 1
    sample = Sample(
        AxesImage(np.zeros((6, 20, 30)), "ZYX"), AxesImage(indices, "ZYX"), identity_statistics(1)
    )
    images, targets = Sampler(
        [sample], (8, 16, 16), 2, augment=AugmentConfig(), random=np.random.default_rng(1)
    ).batch(4)
    assert images.shape == (4, 1, 8, 16, 16)
    assert all((t != IGNORE).any() for t in targets)


def places_of(shape):
    """An image whose three channels are its voxels' places, all of one class."""
    image = np.stack(np.indices(shape)).astype(np.float32)
    indices = np.zeros(shape, np.int16)
    return Sample(AxesImage(image, "CZYX"), AxesImage(indices, "ZYX"), identity_statistics(3))


def draw(sample, count=30, **options):
    random = np.random.default_rng(0)
    off = AugmentConfig(False)
    return Sampler([sample], (16, 16), 1, augment=off, random=random, **options).batch(count)[0]


def test_slices_along_three_axes_are_drawn():
    images = draw(places_of((20, 24, 28)), three_axes=True).numpy()
    directions = set()
    for z, y, x in images:
        steps = [abs(np.diff(place, axis=axis)).max() for place in (z, y, x) for axis in (0, 1)]
        directions.add(
            "".join(
                "-" if not any(s) else "v" if s[0] else "h"
                for s in zip(steps[::2], steps[1::2], strict=True)
            )
        )
    assert directions == {"-vh", "v-h", "hv-"}  # along Z, along Y, along X


def test_neighbouring_slices_are_drawn_one_after_the_other():
    images = draw(places_of((5, 24, 28)), neighbours=1).numpy()
    assert images.shape[1:] == (9, 16, 16)
    before, own, after = (images[:, 3 * n, 0, 0].astype(int) for n in range(3))
    assert set(own) == set(range(5))
    np.testing.assert_array_equal(before, np.where(own == 0, 1, own - 1))
    np.testing.assert_array_equal(after, np.where(own == 4, 3, own + 1))
    np.testing.assert_array_equal(images[:, 1:3], images[:, 4:6])  # the same pixels of each


def test_labels_that_change_are_found_along_all_axes():
    sample = places_of((6, 7, 8))
    sample.indices.data[:] = IGNORE
    random = np.random.default_rng(0)
    drawn = Sampler(
        [sample], (16, 16), 1, augment=AugmentConfig(False), random=random, three_axes=True
    )
    assert drawn.is_empty
    sample.indices.data[2, 3, 4] = 0
    drawn.refresh(0, (slice(2, 3), slice(3, 4), slice(4, 5)))
    _, targets = drawn.batch(12)
    assert ((targets == 0).sum((1, 2)) > 0).all()
    assert len(drawn._labelled) == 3
