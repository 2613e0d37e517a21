"""Masks of 0 and 255, whatever program has saved them."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.images.binary_masks import has_grey_edges
from napari_segkit.images.label_stats import label_stats

Y, X = np.mgrid[:96, :128]
SHAPES = {
    "disc": (Y - 40) ** 2 + (X - 60) ** 2 < 600,
    "dots": (Y % 20 - 10) ** 2 + (X % 20 - 10) ** 2 < 16,
    "lines": (X + Y) % 37 < 2,
    "blocks": (Y // 16 + X // 16) % 2 > 0,
}
MASKS = {name: np.where(inside, 255, 0).astype(np.uint8) for name, inside in SHAPES.items()}
PIXELS = ModelSpec("pixels")


def pillow_jpeg(mask, quality):
    file = BytesIO()
    Pictures.fromarray(mask).save(file, "JPEG", quality=quality)
    return np.array(Pictures.open(file))


def opencv_jpeg(mask, quality):
    _, coded = cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("quality", [30, 75, 85, 95, 100])
@pytest.mark.parametrize("write", [pillow_jpeg, opencv_jpeg])
def test_a_mask_smeared_by_jpeg_has_two_classes_again(mask, quality, write):
    smeared = write(mask, quality)
    stats = label_stats(smeared, unlabelled=None)
    assert stats.counts == {0: int((mask == 0).sum()), 255: int((mask == 255).sum())}
    assert ("above 127" in str(stats.notes)) == (len(np.unique(smeared)) > 2)


@pytest.mark.parametrize("count", [12, 60, 200])
@pytest.mark.parametrize("border", [0, 255])
def test_many_regions_with_borders_are_no_smeared_mask(count, border):
    rng = np.random.default_rng(0)
    places = rng.integers(0, 128, (count, 2))
    nearest = ((Y[..., None] - places[:, 0]) ** 2 + (X[..., None] - places[:, 1]) ** 2).argmin(-1)
    labels = (nearest + 1).astype(np.uint8)
    edges = (labels != np.roll(labels, 2, 0)) | (labels != np.roll(labels, 2, 1))
    labels[edges] = border
    labels[:4, :4], labels[-4:, -4:] = 0, 255
    assert not has_grey_edges(labels, None)


@pytest.mark.parametrize("classes", [(0, 5, 250), (0, 1, 2, 254, 255), (0, 3, 251, 253)])
def test_classes_near_0_and_255_are_no_smeared_mask(classes):
    labels = np.choose(X // 26, classes, mode="clip").astype(np.uint8)
    assert label_stats(labels, unlabelled=None).counts.keys() == set(classes)


def test_a_border_of_its_own_value_is_a_class():
    border = SHAPES["disc"] ^ ((Y - 40) ** 2 + (X - 60) ** 2 < 700)
    labels = np.where(border, 127, MASKS["disc"] // 255 * 254).astype(np.uint8)
    assert label_stats(labels, unlabelled=None).counts.keys() == {0, 127, 254}


@pytest.mark.parametrize("smear", [lambda mask: mask, lambda mask: pillow_jpeg(mask, 75)])
def test_a_mask_of_0_and_255_is_trained_on_without_a_choice(smear):
    image = MASKS["disc"].astype(np.float32) + X
    stats = label_stats(smear(MASKS["disc"]))
    assert (stats.problem, stats.unlabelled) == (None, 0)
    assert stats.counts.keys() == {0, 255}
    with pytest.warns(UserWarning, match=r"above 127|0 is taken as the background") as said:
        seg = Segmenter(PIXELS).fit(image, smear(MASKS["disc"]))
    assert "0 is taken as the background" in str(said[-1].message)
    assert [c.value for c in seg.classes] == [0, 255]
    assert seg.trained.config.unlabelled is None
    assert (seg.predict(image) == MASKS["disc"]).mean() > 0.99


def test_empty_and_full_masks_belong_to_masks_of_0_and_255():
    image = MASKS["disc"].astype(np.float32)
    masks = [MASKS["disc"], MASKS["disc"] * 0, np.full_like(MASKS["disc"], 255)]
    with pytest.warns(UserWarning, match="0 is taken as the background"):
        seg = Segmenter(PIXELS).fit([image, X * 1.0, image], masks)
    assert [c.value for c in seg.classes] == [0, 255]


@pytest.mark.parametrize("painted", [1, 2, 254])
def test_one_painted_class_is_still_asked_about(painted):
    stats = label_stats(MASKS["disc"] // 255 * np.uint8(painted))
    assert stats.remedies == ("paint", "unlabelled=None")


@pytest.mark.parametrize("value", [2**31, 2**32, 2**63])
def test_values_too_large_for_a_class_are_refused_before_training(value):
    labels = SHAPES["disc"].astype(np.uint64) * np.uint64(value) + np.uint64(1)
    with pytest.raises(ValueError, match=rf"The labels of image hold the value {value + 1}, but"):
        Segmenter(PIXELS).fit(X, labels, TrainConfig(unlabelled=None))
    one_class = TrainConfig(unlabelled=None, labels_are="objects")
    ids = labels - np.uint64(1)
    assert len(Segmenter(PIXELS).fit(X, ids, one_class).classes) == 2
