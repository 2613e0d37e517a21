"""Objects that are predicted block by block into a folder, against those in memory."""

import errno

import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from scipy import ndimage
from torch import nn

from napari_segkit import ModelSpec, ObjectConfig, PredictConfig, Segmenter, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.inference import object_blocks, semantic
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.instances.level_targets import LEVELS, encode_levels
from napari_segkit.instances.roi_masks import extract_mask
from napari_segkit.models import resolve
from napari_segkit.steps import drain

SIZE = 12.0
CALLS = []  # tiles whose masks are predicted
CLASSES = (LabelClass(0, "background", "#000000"), LabelClass(1, "cell", "#ff0000"))


class LevelsNetwork(nn.Module):
    """Finds the probabilities of levels in the channels of its images."""

    def forward(self, x):
        return torch.log(x.clip(1e-4))


@pytest.fixture
def segmenter(make):
    def make_segmenter(objects_by="distance", **changes):
        outputs = 1 + LEVELS[objects_by]
        of_planes = {
            "spec": ModelSpec(objects=objects_by),
            "tile_size": (64, 64),
            "overlap": (16, 16),
        }
        model = make(
            outputs,
            network=LevelsNetwork(),
            config=TrainConfig(normalise="none"),
            classes=CLASSES,
            object_size=SIZE,
            **(of_planes | changes),
        )
        one = Segmenter(ModelSpec(), device="cpu")
        one.trained = model
        return one

    return make_segmenter


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(object_blocks, "BLOCK", 2**12)
    monkeypatch.setattr("napari_segkit.inference.zarr_sink.SMALL_CHUNK", 2**11)


def levels(shape=(150, 170), objects_by="distance", seed=0):
    """What a network would say of discs that touch."""
    random, ids = np.random.default_rng(seed), np.zeros(shape, np.int32)
    y, x = np.indices(shape)
    for number, (row, column) in enumerate(random.uniform(0, shape, (90, 2)), 1):
        ids[(y - row) ** 2 + (x - column) ** 2 <= (SIZE / 2) ** 2] = number
    class_of = [0] + [1] * int(ids.max())
    encoded = encode_levels(ids, class_of, objects_by, spacing=(1, 1), size=SIZE)
    hot = np.eye(1 + LEVELS[objects_by], dtype=np.float32)[encoded]
    return ndimage.gaussian_filter(hot, (1, 1, 0))


def assert_same(stored, expected):
    assert isinstance(stored.labels, zarr.Array)
    np.testing.assert_array_equal(stored.labels[:], expected.labels)
    pd.testing.assert_frame_equal(stored.table, expected.table)


@pytest.mark.parametrize(
    "objects_by", ["components", "distance", pytest.param("boundary", marks=pytest.mark.slow)]
)
def test_a_folder_holds_the_objects_that_memory_would(segmenter, tmp_path, objects_by):
    image, one = levels(objects_by=objects_by), segmenter(objects_by)
    objects = ObjectConfig(score=0.6, min_size=20, border=False)
    config = PredictConfig(uncertainty="entropy")
    settings = {"axes": "YXC", "objects": objects, "config": config, "probabilities": True}
    expected = drain(one.predict_tiles(image, **settings))
    result = drain(one.predict_tiles(image, **settings, out=tmp_path / "a.zarr"))
    assert len(expected.objects) > 20
    assert_same(result.objects, expected.objects)
    np.testing.assert_array_equal(result.probabilities[:], expected.probabilities)
    np.testing.assert_array_equal(result.uncertainty[:], expected.uncertainty)
    written = pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(written, expected.objects.table, check_dtype=False)


@pytest.fixture
def predicted(monkeypatch):
    """The tiles that the network is asked for."""
    seen, before = [], semantic.tile_probabilities

    def tile_probabilities(plan, frame, tiles):
        seen.extend(tiles)
        return before(plan, frame, tiles)

    monkeypatch.setattr(semantic, "tile_probabilities", tile_probabilities)
    return seen


@pytest.mark.filterwarnings("ignore:.*begun before")
def test_a_prediction_that_was_killed_goes_on(segmenter, tmp_path, predicted):
    """Wherever it is stopped: in a block, and while numbers are replaced."""
    image, one, target = levels(), segmenter(), tmp_path / "a.zarr"
    expected, blocks = one.predict_objects(image), 3 * 3
    total = next(one.predict_tiles(image, out=tmp_path / "b.zarr")).total
    predicted.clear()
    for left in (0.7 * total, blocks // 2):
        steps = one.predict_tiles(image, out=target)
        next(step for step in steps if step.total - step.done <= left)
        steps.close()
        assert not target.exists()
    assert_same(one.predict_objects(image, out=target), expected)
    under_way = 2 * 5  # tiles of the rows of a cell
    assert len(predicted) <= total - 2 * blocks + under_way


@pytest.mark.filterwarnings("ignore:.*begun before")
def test_the_folder_gets_its_name_after_the_table(segmenter, tmp_path, predicted, monkeypatch):
    image, one, target = levels((90, 100)), segmenter(), tmp_path / "a.zarr"
    table = tmp_path / "a.csv"
    with monkeypatch.context() as patch:
        patch.setattr("napari_segkit.io.zarr.writer.place_result", full_disk)
        with pytest.raises(OSError, match="What is finished is kept"):
            one.predict_objects(image, out=target)
    text = table.read_text()
    table.write_text("of a person")
    predicted.clear()
    with pytest.raises(ValueError, match=r"a\.csv exists already"):
        one.predict_objects(image, out=target)
    assert table.read_text() == "of a person"
    assert not target.exists()
    table.write_text(text)
    assert_same(one.predict_objects(image, out=target), one.predict_objects(image))
    assert not predicted


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("link", [0.25, pytest.param(None, marks=pytest.mark.slow)])
def test_objects_of_slices_and_times_are_those_in_memory(segmenter, tmp_path, link):
    planes = [levels((90, 100), seed=seed) for seed in (0, 0, 1, 2)]
    planes[1] = ndimage.shift(planes[1], (2, 1, 0))
    image, one = np.stack(planes).reshape(2, 2, *planes[0].shape), segmenter()
    objects = ObjectConfig(link=link, min_size=30)
    expected = one.predict_objects(image, axes="TZYXC", objects=objects)
    found = one.predict_objects(image, axes="TZYXC", objects=objects, out=tmp_path / "a.zarr")
    assert_same(found, expected)


def test_objects_of_a_region_are_those_in_memory(segmenter, tmp_path):
    """But for tiny parts at its edge, which are judged without what is outside."""
    image, one = levels(), segmenter()
    region = [np.array([[20, 10], [140, 60], [100, 160], [10, 120]])]
    expected = one.predict_objects(image, region=region)
    found = one.predict_objects(image, region=region, out=tmp_path / "a.zarr")
    assert (found.labels[:] != 0)[expected.labels != 0].mean() > 0.99
    assert not found.labels[:][expected.labels == 0].any()
    assert 0.9 * len(expected) < len(found) <= len(expected)


@pytest.mark.filterwarnings("ignore:.*begun before")
def test_other_thresholds_are_another_prediction(segmenter, tmp_path):
    image, one, target = levels(), segmenter(), tmp_path / "a.zarr"
    steps = one.predict_tiles(image, out=target)
    next(steps)
    steps.close()
    with pytest.raises(ValueError, match="objects differ"):
        one.predict_objects(image, out=target, objects=ObjectConfig(score=0.9))
    found = one.predict_objects(image, out=target)
    with pytest.raises(ValueError, match="predict them again"):
        found.filtered(ObjectConfig(score=0.9))
    target.rename(tmp_path / "b.zarr")
    with pytest.raises(ValueError, match=r"a\.csv exists already"):
        one.predict_objects(image, out=target)


def test_objects_of_a_volume_are_those_in_memory(segmenter, tmp_path, predicted):
    """And each tile is predicted once, however far blocks look around."""
    spec = resolve(ModelSpec("unet3d", objects="components"))
    tiles = {"tile_size": (16, 16, 16), "overlap": (4, 4, 4)}
    one = segmenter("components", axes="ZYX", spec=spec, **tiles)
    from_middle = (np.indices((26, 28, 28)) % 9 - 4) ** 2
    inside = (from_middle.sum(axis=0) < 12).astype(np.float32)
    image = np.stack([0.9 - 0.8 * inside, 0.1 + 0.8 * inside], axis=-1)
    expected = one.predict_objects(image, axes="ZYXC")
    predicted.clear()
    assert_same(one.predict_objects(image, axes="ZYXC", out=tmp_path / "a.zarr"), expected)
    assert len(expected) > 20
    assert len(predicted) == len({tile.start for tile in predicted}) == 3**3


@pytest.fixture
def mask_segmenter(make, monkeypatch):
    """Masks as a network might give them: of each tile the bright blobs, with scores."""
    one = Segmenter(ModelSpec("maskrcnn", encoder="resnet18"), device="cpu")
    one.trained = mask_model(make)
    monkeypatch.setattr("napari_segkit.inference.local_runner.tile_masks", blobs_of_tiles)
    return one


def mask_model(make):
    """A model of masks, whose network is never asked."""
    return make(
        1,
        network=LevelsNetwork(),
        spec=ModelSpec("maskrcnn", encoder="resnet18"),
        config=TrainConfig(normalise="none"),
        classes=CLASSES,
        object_size=SIZE,
        tile_size=(128, 128),
        overlap=(64, 64),
    )


def blobs_of_tiles(plan, frame, tiles):
    CALLS.extend(tiles)
    return [blobs(plan.read(frame, tile)[0]) for tile in tiles]


def blobs(pixels):
    """Boxes that are a little larger than bright blobs, soft masks, and scores by their shape."""
    found = ndimage.find_objects(ndimage.label(pixels > 0.5)[0])
    boxes = [(x.start - 2, y.start - 2, x.stop + 2, y.stop + 2) for y, x in found]
    masks = [
        extract_mask(np.pad(pixels, 3), np.array(box) + 3, (0, 0)).astype(np.float16)
        for box in boxes
    ]
    return SoftMasks.concatenate(
        [
            SoftMasks(
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array(masks, np.float16).reshape(-1, 28, 28),
                np.ones(len(boxes), np.intp),
                np.array([pixels[f].mean() for f in found], np.float32),
            )
        ]
    )


def test_masks_in_a_folder_are_those_in_memory(mask_segmenter, tmp_path):
    images = [levels((150, 170), seed=seed)[..., 1:].sum(axis=-1) for seed in (0, 0, 1)]
    image = np.stack([images[0], ndimage.shift(images[1], (1, 2)), images[2]])
    config = PredictConfig(uncertainty="margin")
    objects = ObjectConfig(score=0.5, min_size=30)
    settings = {"axes": "ZYX", "config": config, "objects": objects, "probabilities": True}
    expected = drain(mask_segmenter.predict_tiles(image, **settings))
    CALLS.clear()
    steps = mask_segmenter.predict_tiles(image, **settings, out=tmp_path / "a.zarr")
    for _ in range(next(steps).total // 2):
        next(steps)
    steps.close()
    with pytest.warns(UserWarning, match="begun before"):
        result = drain(mask_segmenter.predict_tiles(image, **settings, out=tmp_path / "a.zarr"))
    assert len(expected.objects) > 20
    assert len(CALLS) <= 3 * 4 + 2
    assert_same(result.objects, expected.objects)
    np.testing.assert_array_equal(result.probabilities[:], expected.probabilities)
    np.testing.assert_array_equal(result.uncertainty[:], expected.uncertainty)
