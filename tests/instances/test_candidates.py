import numpy as np
import pytest
import torch
from skimage.draw import disk
from torchvision.models.detection.roi_heads import paste_masks_in_image

from napari_segkit import ObjectConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.instances.candidates import (
    MaskCandidates,
    RegionCandidates,
    SelectedObjects,
    SoftMasks,
)
from napari_segkit.instances.panoptic_candidates import PanopticCandidates
from napari_segkit.instances.results import Objects
from napari_segkit.instances.roi_masks import extract_mask, paste

CLASSES = tuple(
    LabelClass(v, n, "#ffffff") for v, n in ((0, "background"), (4, "cell"), (7, "dot"))
)
FULL = np.ones((28, 28), np.float16)


def soft_masks(boxes, scores, positions=None, masks=None):
    count = len(boxes)
    return SoftMasks(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(masks if masks is not None else [FULL] * count, np.float16).reshape(-1, 28, 28),
        np.array(positions or [1] * count, np.intp),
        np.array(scores, np.float32),
    )


def mask_objects(*args, shape=(40, 60), spacing=(1.0, 1.0, 1.0), **more):
    image = AxesImage(np.zeros(shape), "YX", spacing)
    masks = MaskCandidates([soft_masks(*args, **more)], image)
    return Objects(masks, ObjectConfig(), CLASSES, image)


def test_a_shared_pixel_belongs_to_the_higher_score():
    objects = mask_objects([[0, 0, 20, 20], [10, 0, 30, 20]], [0.9, 0.8])
    assert len(objects) == 2
    assert (objects.labels[:20, :20] == 1).all()
    assert (objects.labels[:20, 20:30] == 2).all()


def test_objects_that_others_mostly_cover_are_dropped():
    assert len(mask_objects([[0, 0, 20, 20], [2, 2, 21, 20]], [0.9, 0.8])) == 1


def test_thresholds_change_without_predicting_again_in_both_directions():
    objects = mask_objects([[0, 0, 9, 9], [20, 20, 30, 32], [30, 0, 60, 10]], [0.9, 0.6, 0.2])
    assert len(objects) == 2
    assert len(objects.filtered(ObjectConfig(score=0.1))) == 3
    assert len(objects.filtered(ObjectConfig(score=0.7))) == 1
    assert len(objects.filtered(ObjectConfig(border=False))) == 1
    assert objects.filtered(ObjectConfig(min_size=100)).table["area"].tolist() == [120]
    assert objects.filtered(ObjectConfig(max_size=100)).table["area"].tolist() == [81]


def test_the_mask_threshold_moves_the_outline():
    ramp = np.broadcast_to(np.linspace(0, 1, 28), (28, 28))
    objects = mask_objects([[0, 0, 28, 28]], [0.9], masks=[ramp], shape=(28, 28))
    sizes = [
        int((objects.filtered(ObjectConfig(mask_threshold=t)).labels > 0).sum()) for t in (0.2, 0.8)
    ]
    assert sizes[0] > 3 * sizes[1] > 0


def test_the_table_has_class_score_area_in_world_units_and_box():
    objects = mask_objects(
        [[3, 5, 13, 25], [30, 0, 40, 10]], [0.9, 0.75], positions=[2, 1], spacing=(1, 0.5, 0.25)
    )
    row = objects.table.iloc[0]
    assert (row["index"], row["class"]) == (1, "dot")
    assert row["score"] == pytest.approx(0.9)
    assert (row["pixels"], row["area"]) == (200, 25.0)
    assert tuple(row[["y0", "x0", "y1", "x1"]]) == (5, 3, 25, 13)
    assert objects.table["index"].tolist() == [1, 2]
    assert np.unique(objects.combined()).tolist() == [0, 4, 7]
    assert np.unique(objects.combined(["dot"])).tolist() == [0, 7]
    assert np.unique(objects.combined([4, "dot"], as_one=True)).tolist() == [0, 1]
    assert np.unique(objects.combined("dot")).tolist() == [0, 7]
    with pytest.raises(ValueError, match="no class 'dog'; choose among cell, dot"):
        objects.combined(["dog"])


def test_properties_are_measured_in_world_units():
    objects = mask_objects([[3, 5, 13, 25]], [0.9], spacing=(1, 0.5, 0.25))
    measured = objects.measured("equivalent_diameter_area", "centroid").iloc[0]
    assert measured["equivalent_diameter_area"] == pytest.approx(2 * np.sqrt(25 / np.pi))
    assert measured["y"] == pytest.approx(14.5 * 0.5)
    with pytest.raises(ValueError, match="cannot be measured here"):
        objects.measured("colour")


def regions(labels, axes, spacing=(1.0, 1.0, 1.0), ndim=2):
    count = int(labels.max())
    image = AxesImage(np.zeros(labels.shape), axes, spacing)
    all_objects = SelectedObjects(labels, np.ones(count, np.intp), np.ones(count, np.float32))
    return Objects(RegionCandidates(all_objects, image, ndim), ObjectConfig(), CLASSES, image)


def test_a_perimeter_is_measured_on_square_pixels_only():
    square = mask_objects([[3, 5, 13, 25]], [0.9], spacing=(3, 0.5, 0.5)).measured()
    assert square["perimeter"].item() == pytest.approx(2 * (9 + 19) * 0.5)
    oblong = mask_objects([[3, 5, 13, 25]], [0.9], spacing=(1, 0.5, 0.25))
    assert np.isnan(oblong.measured()["perimeter"].item())
    assert np.isnan(oblong.measured("perimeter", "extent")["perimeter"].item())
    assert oblong.measured()["solidity"].item() == 1


def test_flat_objects_in_a_volume_have_no_solidity():
    labels = np.zeros((6, 8, 10), np.int32)
    labels[0, 0, 0], labels[2, 1:7, 1:6] = 1, 2
    labels[range(6), range(6), 9] = 3
    labels[3:6, :3, :3] = 4
    labels[4, 1, 1] = 0
    measured = regions(labels, "ZYX", (2.0, 1.0, 1.0), ndim=3).measured()
    assert np.isnan(measured["solidity"][:3]).all()
    assert measured["solidity"][3] == pytest.approx(26 / 27)
    assert measured["extent"].tolist() == pytest.approx([1, 1, 1 / 6, 26 / 27])


def test_an_object_in_several_frames_has_one_row_and_no_measurements():
    labels = np.zeros((3, 20, 20), np.int32)
    labels[:, 10:], labels[1, 2:6, 3:7] = 1, 2
    measured = regions(labels, "TYX").measured()
    assert measured["index"].tolist() == [1, 2]
    assert np.isnan(measured.loc[0, ["x", "extent", "solidity", "perimeter"]].astype(float)).all()
    assert measured.loc[1, ["y", "x", "extent"]].tolist() == [3.5, 4.5, 1]


def test_boxes_are_rectangles_around_the_pixels():
    (corners,) = mask_objects([[3, 5, 13, 25]], [0.9]).outlines()
    assert corners.min(axis=0).tolist() == [4.5, 2.5]
    assert corners.max(axis=0).tolist() == [24.5, 12.5]


def test_no_object_gives_an_empty_table():
    objects = mask_objects([], [])
    assert len(objects) == 0
    assert objects.labels.max() == 0
    assert {"index", "class", "score", "area", "y0", "x1"} <= set(objects.table.columns)
    assert len(objects.measured()) == 0


def stack(link):
    image = AxesImage(np.zeros((3, 40, 60)), "ZYX", (2.0, 1.0, 1.0))
    boxes = [[[0, 0, 20, 20], [30, 0, 40, 10]], [[1, 0, 21, 20]], [[1, 1, 21, 21]]]
    scores = [[0.9, 0.8], [0.7], [0.8]]
    frames = [soft_masks(b, s) for b, s in zip(boxes, scores, strict=True)]
    return Objects(MaskCandidates(frames, image), ObjectConfig(link=link), CLASSES, image)


def test_slices_are_linked_or_left_separate():
    linked, separate = stack(0.25), stack(None)
    assert (len(linked), len(separate)) == (2, 4)
    assert linked.table["volume"].max() == 3 * 400 * 2.0
    assert linked.table["score"].max() == pytest.approx(0.8, abs=0.01)
    assert linked.table["z1"].max() == 3


def test_each_frame_has_its_own_ids():
    image = AxesImage(np.zeros((2, 40, 60)), "TYX")
    frames = [soft_masks([[0, 0, 20, 20]], [0.9]), soft_masks([[0, 0, 20, 20]], [0.8])]
    objects = Objects(MaskCandidates(frames, image), ObjectConfig(), CLASSES, image)
    assert [np.unique(frame[frame > 0]).tolist() for frame in objects.labels] == [[1], [2]]
    assert objects.table["t0"].tolist() == [0, 1]


def test_regions_are_filtered_reversibly():
    labels = np.zeros((20, 20), np.int32)
    labels[:5, :5], labels[10:14, 10:14] = 1, 2
    all_objects = SelectedObjects(labels, np.array([1, 2]), np.array([0.3, 0.9], np.float32))
    image = AxesImage(np.zeros((20, 20)), "YX")
    objects = Objects(RegionCandidates(all_objects, image, 2), ObjectConfig(), CLASSES, image)
    assert objects.table["class"].tolist() == ["dot"]
    assert len(objects.filtered(ObjectConfig(score=0.2))) == 2


def test_a_panoptic_result_needs_maps_of_occurring_classes_only():
    image = AxesImage(np.zeros((20, 30)), "YX")
    masks = MaskCandidates(
        [soft_masks([[0, 0, 10, 20], [15, 0, 25, 20]], [0.9, 0.8], [7, 2])], image
    )
    assert masks.positions.tolist() == [2, 7]
    maps = np.full((2, 20, 30), [[[0.3]], [[0.7]]], np.float16)
    most_likely = np.zeros((20, 30), np.uint8)
    most_likely[:, 25:] = 1
    sky = np.full((20, 30), 0.5, np.float16)
    both = PanopticCandidates(masks, [2, 7], maps, [81, 82], most_likely, sky, image)
    chosen = both.select(ObjectConfig())
    assert chosen.positions.tolist() == [7, 81, 82]
    assert chosen.scores.tolist() == pytest.approx([0.7, 0.5, 0.5], abs=1e-3)
    assert np.unique(chosen.labels[:, :10]).tolist() == [1]
    assert np.unique(chosen.labels[:, 10:25]).tolist() == [2]
    assert np.unique(chosen.labels[:, 25:]).tolist() == [3]
    assert both.positions.tolist() == [2, 7, 81, 82]


def soft_disc():
    mask = np.zeros((28, 28), np.float32)
    mask[disk((14, 14), 11)] = 1
    return mask


@pytest.mark.parametrize("box", [(3.2, 4.7, 60.9, 33.1), (9, 11, 31, 35), (-8, 20, 30, 70)])
def test_masks_are_pasted_as_torchvision_pastes_them(box):
    """But for what its boxes lose by being rounded to whole pixels."""
    theirs = paste_masks_in_image(
        torch.from_numpy(soft_disc())[None, None], torch.tensor([box]), (64, 80)
    )
    ours = np.zeros((64, 80), np.float32)
    probabilities, place = paste(soft_disc(), box, (64, 80))
    ours[place] = probabilities
    a, b = theirs[0, 0].numpy() >= 0.5, ours >= 0.5
    assert (a & b).sum() / (a | b).sum() > 0.9


def test_an_extracted_mask_pasted_again_is_the_same():
    plane = np.zeros((64, 80), np.float32)
    plane[disk((30, 40), 17)] = 1
    box = (23.0, 13.0, 58.0, 48.0)
    pasted, place = paste(extract_mask(plane, box, (0, 0)), box, plane.shape)
    again = np.zeros_like(plane, bool)
    again[place] = pasted >= 0.5
    assert (again & (plane > 0)).sum() / (again | (plane > 0)).sum() > 0.95
