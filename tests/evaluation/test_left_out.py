"""Pixels that count in no metric: outside a region, or seen by a model."""

import numpy as np
import pytest
import tifffile

from napari_segkit import evaluate
from napari_segkit.images.labels import IGNORE

TRUTH = np.zeros((40, 50), np.uint8)
TRUTH[10:30, 10:40] = 1
PREDICTION = np.roll(TRUTH, 3, axis=0)
POLYGON = np.array([[4, 4], [4, 30], [25, 30], [25, 4]])


class Model:
    """What a Segmenter says of its training: rows it was trained on and validated with."""

    records_training = True

    def __init__(self, trained, validated=slice(0)):
        self.rows = trained, validated

    def trained_pixels(self, image):
        return self._mask(image, 0)

    def validation_pixels(self, image):
        return self._mask(image, 1)

    def _mask(self, image, number):
        if not np.array_equal(image, self.image):
            return None
        mask = np.zeros(image.shape, bool)
        mask[self.rows[number]] = True
        return mask

    image = np.arange(2000).reshape(40, 50)


ROWS = np.zeros((40, 50), bool)
ROWS[5:20] = True


@pytest.mark.parametrize("region", [np.s_[5:20, :], {"Y": slice(5, 20)}, ROWS.astype(np.uint8)])
def test_a_region_counts_as_if_the_rest_were_cut_off(region):
    report = evaluate(PREDICTION, TRUTH, region=region)
    assert report.counts.tolist() == evaluate(PREDICTION[5:20], TRUTH[5:20]).counts.tolist()
    assert report.not_counted.outside == 25 * 50
    assert "Only a region counts" in str(report)


def test_outlines_limit_all_kinds_and_layers_of_slices():
    stack = np.stack([TRUTH, PREDICTION])
    box = np.s_[:, 4:25, 4:30]
    report = evaluate(stack[::-1], stack, region=[POLYGON])
    assert report.counts.tolist() == evaluate(stack[::-1][box], stack[box]).counts.tolist()
    objects = evaluate(PREDICTION, TRUTH, kind="instance", region=[POLYGON])
    cut = evaluate(PREDICTION[4:25, 4:30], TRUTH[4:25, 4:30], kind="instance")
    assert objects.matches.equals(cut.matches)
    assert objects.dice == cut.dice


def test_pixels_that_a_model_has_seen_do_not_count():
    model = Model(slice(0, 14), slice(14, 18))
    report = evaluate(PREDICTION, TRUTH, unseen_by=model, images=Model.image)
    assert report.counts.tolist() == evaluate(PREDICTION[18:], TRUTH[18:]).counts.tolist()
    left_out = report.not_counted
    assert (left_out.trained, left_out.validated, left_out.images) == (700, 200, 1)
    assert IGNORE not in report.classes
    both = evaluate(
        [PREDICTION] * 2, [TRUTH] * 2, unseen_by=model, images=[Model.image, Model.image + 1]
    )
    assert both.pixels == report.pixels + TRUTH.size
    region = evaluate(
        PREDICTION, TRUTH, unseen_by=model, images=Model.image, region=np.s_[10:20, :], unlabelled=0
    )
    assert region.pixels == (TRUTH[18:20] == 1).sum()
    assert region.not_counted.trained == 4 * 50


def test_an_image_that_was_wholly_seen_is_not_in_the_table():
    model = Model(slice(None))
    images = [Model.image, Model.image + 1]
    report = evaluate([PREDICTION] * 2, [TRUTH] * 2, unseen_by=model, images=images)
    assert report.pixels == TRUTH.size
    assert "Nothing is left of 1 image" in str(report)
    with pytest.raises(ValueError, match="was trained on every labelled pixel"):
        evaluate(PREDICTION, TRUTH, unseen_by=model, images=Model.image)
    other = evaluate(PREDICTION, TRUTH, unseen_by=model, images=Model.image + 1)
    assert "trained on none of these images" in str(other)


def test_what_cannot_limit_is_said(tmp_path):
    forgetful = Model(slice(9))
    forgetful.records_training = False
    with pytest.raises(ValueError, match="does not record what it was trained on"):
        evaluate(PREDICTION, TRUTH, unseen_by=forgetful, images=Model.image)
    with pytest.raises(TypeError, match=r"unseen_by is 'cells.segkit'"):
        evaluate(PREDICTION, TRUTH, unseen_by="cells.segkit", images=Model.image)
    with pytest.raises(ValueError, match="unseen_by and images go together"):
        evaluate(PREDICTION, TRUTH, unseen_by=Model(slice(9)))
    with pytest.raises(ValueError, match="give the images that belong to the truth"):
        evaluate(PREDICTION[9:], TRUTH[9:], unseen_by=Model(slice(9)), images=Model.image)
    with pytest.raises(ValueError, match="every pixel of the region of the truth is 1"):
        evaluate(PREDICTION, TRUTH, unlabelled=1, region=np.s_[15:16, 20:30])


def test_folders_are_paired_by_names(tmp_path):
    for folder, labels in (("pred", PREDICTION), ("gt", TRUTH)):
        (tmp_path / folder).mkdir()
        for number in range(2):
            file = tmp_path / folder / f"c{number}_{folder}.tif"
            tifffile.imwrite(file, labels + np.uint8(number))
    report = evaluate(tmp_path / "pred", str(tmp_path / "gt"))
    pairs = [PREDICTION, PREDICTION + 1], [TRUTH, TRUTH + 1]
    assert report.iou == evaluate(*pairs).iou
    assert list(report.images) == ["c0_pred.tif", "c1_pred.tif"]
