"""What is held out of a training: groups, images, slabs, blocks or strokes, no neighbours."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate
from napari_segkit.config import AugmentConfig, CleanConfig, RefineConfig
from napari_segkit.images import run_lengths
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.run_lengths import from_runs, to_runs
from napari_segkit.tiling import Tiling
from napari_segkit.training import label_units
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.events import OverfittingWarning, TrainStep, ValidationStep
from napari_segkit.training.held_out import HeldOut, HeldOutImage
from napari_segkit.training.hold_out import hold_out
from napari_segkit.training.instance_sampler import ObjectSampler
from napari_segkit.training.prepare_data import prepare_data
from napari_segkit.training.scoring import warn_if_overfitting
from napari_segkit.validation import Validation, choose_thresholds

SMALL = ModelSpec("segresnet", dims="2D")
QUICK = TrainConfig(epochs=2, steps_per_epoch=1, batch_size=2, tile=TileConfig(32, 16))
CLASSES = [LabelClass(1, "a", "#888888"), LabelClass(2, "b", "#888888")]
OBJECTS = [LabelClass(0, "background", "#888888"), LabelClass(1, "cell", "#888888")]


def image_of(number, values, axes):
    """An image in the shape of labels, unlike that of another number."""
    pixels = np.random.default_rng(number).integers(0, 255, values.shape)
    return AxesImage(pixels.astype(np.uint8), axes)


def labelled(*labels, axes="YX", groups=()):
    pairs = [(image_of(number, values, axes), values) for number, values in enumerate(labels)]
    return LabelledImages(pairs, CLASSES, groups=groups)


def dense(shape=(200, 240)):
    """Stripes of two classes."""
    return np.broadcast_to(np.where(np.arange(shape[-1]) // 9 % 2, 2, 1), shape).astype(np.uint8)


def strokes(per_class=6):
    """Strokes of 60 pixels on lines far apart, of both classes in turn."""
    values = np.zeros((per_class * 30, 100), np.uint8)
    for number in range(2 * per_class):
        values[15 * number + 5, 20:80] = number % 2 + 1
    return values


def require_apart(mask, left_out, values):
    """No held-out pixel has a neighbour that is trained on; both hold all classes."""
    trained = (values > 0) & ~left_out
    assert not (ndimage.binary_dilation(mask, np.ones((3,) * mask.ndim)) & trained).any()
    assert set(np.unique(values[mask])) == set(np.unique(values[trained])) == {1, 2}


def test_a_group_is_held_out_as_a_whole():
    groups = ["x", "y", "", "x", "z"]
    images = labelled(*[dense((60, 60)).copy() for _ in groups], groups=groups)
    kept, held_out = hold_out(SMALL, TrainConfig(), images)
    trained = {id(values) for _, values in kept.pairs}
    held = [n for n, (_, values) in enumerate(images.pairs) if id(values) not in trained]
    assert held_out.how == "groups"
    assert len(held_out.images) == len(held)
    assert not {groups[n] or n for n in held} & {groups[n] or n for n in range(5) if n not in held}


def test_too_few_groups_are_said_and_regions_are_held_out_instead():
    images = labelled(dense(), dense(), groups=["x", "y"])
    _, held_out = hold_out(SMALL, TrainConfig(), images)
    assert held_out.how == "regions"
    assert "No whole group can be held out" in held_out.about


def test_a_fraction_of_many_images_is_held_out_whole():
    images = labelled(*[dense((60, 60))] * 10)
    kept, held_out = hold_out(SMALL, TrainConfig(), images)
    assert held_out.about == "Validation: 2 of 10 images."
    assert (len(kept.pairs), len(held_out.images)) == (8, 2)


@pytest.mark.parametrize("values", [dense(), strokes()], ids=["blocks", "strokes"])
def test_regions_are_connected_and_apart_from_what_is_trained_on(values):
    results = [hold_out(SMALL, TrainConfig(seed=seed), labelled(values)) for seed in (0, 0, 1)]
    for kept, held_out in results:
        (mask,), (left_out,) = held_out.masks, kept.left_out
        require_apart(mask, left_out, values)
        assert 0.1 < mask.sum() / (values > 0).sum() < 0.4
    masks = [held_out.masks[0] for _, held_out in results]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()


def test_a_stroke_is_held_out_as_a_whole():
    values = strokes()
    _, held_out = hold_out(SMALL, TrainConfig(), labelled(values))
    components, count = ndimage.label(values)
    held = ndimage.mean(held_out.masks[0], components, range(1, count + 1))
    assert set(held) == {0, 1}


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (SMALL, (20, 100, 100)),
        (SMALL, (10, 40, 40)),
        (ModelSpec("segresnet", dims="3D"), (70, 20, 20)),
    ],
    ids=["stack", "small frames", "volume"],
)
def test_a_slab_of_a_stack_or_volume_is_held_out(spec, shape):
    values = dense(shape)
    kept, held_out = hold_out(spec, TrainConfig(), labelled(values, axes="ZYX"))
    (mask,), (left_out,) = held_out.masks, kept.left_out
    planes = mask.all(axis=(1, 2))
    assert planes.sum() == shape[0] // 5
    assert (planes == mask.any(axis=(1, 2))).all()
    assert ndimage.label(planes)[1] == 1
    require_apart(mask, left_out, values)


def test_a_block_of_all_frames_is_held_out_of_a_short_stack():
    values = dense((9, 100, 100))
    kept, held_out = hold_out(SMALL, TrainConfig(), labelled(values, axes="ZYX"))
    (mask,), (left_out,) = held_out.masks, kept.left_out
    assert (mask == mask[0]).all()
    assert left_out.mean() < 0.4
    require_apart(mask, left_out, values)


def test_objects_are_held_out_as_a_whole():
    ids = np.zeros((200, 200), np.int32)
    for number in range(100):
        y, x = divmod(number, 10)
        ids[20 * y + 3 : 20 * y + 15, 20 * x + 3 : 20 * x + 15] = number + 1
    images = LabelledImages(
        [(AxesImage(ids.astype(np.uint8), "YX"), ids)], OBJECTS, np.minimum(np.arange(101), 1)
    )
    _, held_out = hold_out(ModelSpec("unet", objects="distance"), TrainConfig(), images)
    held = ndimage.mean(held_out.masks[0], ids, range(1, 101))
    assert set(held) == {0, 1}
    assert 10 < held.sum() < 40


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (strokes(1), "is labelled in one stroke or region only"),
        (strokes(2), "too few labels of a, b to hold some of them out"),
        (dense((40, 40)), "is labelled in one stroke or region only"),
        (np.repeat([[0, 1, 0], [0, 0, 0], [0, 1, 0], [0, 2, 0]], 5, axis=1), "too few labelled"),
    ],
    ids=["one stroke", "two strokes", "small image", "few pixels"],
)
def test_nothing_is_held_out_of_too_few_labels(values, reason):
    kept, held_out = hold_out(SMALL, TrainConfig(), labelled(values.astype(np.uint8)))
    assert held_out.how is None
    assert held_out.about.startswith("No validation: ")
    assert reason in held_out.about or "one stroke or region only" in held_out.about
    assert not kept.left_out


def grid_of_objects(shape=(300, 130)):
    """Squares of 10 pixels, 20 apart."""
    ids = np.zeros(shape, np.int32)
    places = np.argwhere(np.ones([n // 20 for n in shape]))
    for number, (y, x) in enumerate(20 * places + 4, 1):
        ids[y : y + 10, x : x + 10] = number
    return ids


def of_objects(ids):
    class_of = np.minimum(np.arange(ids.max() + 1), 1)
    return LabelledImages([(image_of(0, ids, "YX"), ids)], OBJECTS, class_of)


UNET = ModelSpec("unet", objects="distance")
MASKS = ModelSpec("maskrcnn")
VOLUME = ModelSpec("segresnet", dims="3D")


@pytest.mark.parametrize(
    ("spec", "config", "images"),
    [
        (SMALL, TrainConfig(), labelled(dense())),
        (SMALL, TrainConfig(resize=96), labelled(dense())),
        (SMALL, TrainConfig(voxel_size=1.7), labelled(strokes())),
        (SMALL, TrainConfig(), labelled(dense((3, 96, 96)), axes="TYX")),
        (VOLUME, TrainConfig(), labelled(dense((70, 20, 20)), axes="ZYX")),
        (VOLUME, TrainConfig(voxel_size=0.7), labelled(dense((70, 20, 20)), axes="ZYX")),
        (UNET, TrainConfig(), of_objects(grid_of_objects())),
        (MASKS, TrainConfig(), of_objects(grid_of_objects())),
    ],
    ids=["2D", "resized", "voxel size", "movie", "3D", "3D voxel size", "distance", "Mask R-CNN"],
)
def test_what_is_scored_is_never_trained_on_nor_next_to_it(spec, config, images):
    kept, held_out = hold_out(spec, config, images)
    data = prepare_data(spec, config, kept, held_out.images)
    (sample,), (held,) = data.samples, data.held_out
    scored, trained = (np.asarray(s.indices.data) != IGNORE for s in (held, sample))
    assert held_out.how == "regions"
    assert scored.any()
    assert trained.sum() > 0.5 * (scored | trained).sum()
    assert not (ndimage.binary_dilation(scored, np.ones((3,) * scored.ndim)) & trained).any()


def test_patches_of_objects_show_nothing_that_is_held_out():
    images = of_objects(grid_of_objects())
    kept, held_out = hold_out(MASKS, TrainConfig(), images)
    data = prepare_data(MASKS, TrainConfig(), kept, held_out.images)
    mask, ids = held_out.masks[0], images.pairs[0][1]
    sampler = ObjectSampler(
        data.samples,
        (256, 256),
        images.class_of,
        augment=AugmentConfig(False),
        random=np.random.default_rng(0),
    )
    shown = {
        id_ for _ in range(20) for id_ in np.unique(sampler._patch()[1]) % len(images.class_of)
    }
    assert sampler.size == (128, 128)  # as long as the image is wide
    assert not shown & set(np.unique(ids[mask & (ids > 0)]))


@pytest.mark.parametrize("values", [dense(), strokes(), dense((10, 40, 40))])
def test_pixels_of_different_folds_are_no_neighbours(values):
    axes = "ZYX"[-values.ndim :]
    kept, held_out = hold_out(ModelSpec("pixels"), TrainConfig(), labelled(values, axes=axes))
    (folds,) = kept.folds
    assert held_out.how == "folds"
    for number in range(folds.max() + 1):
        near = ndimage.binary_dilation(folds == number, np.ones((3,) * folds.ndim))
        assert not (near & (folds >= 0) & (folds != number)).any()


def test_equal_images_are_held_out_together():
    images = labelled(*[dense((60, 60))] * 5)
    pairs = [images.pairs[n] for n in (0, 1, 2, 1, 3, 4, 4)]
    for spec in (SMALL, ModelSpec("pixels")):
        for seed in range(4):
            again = replace(images, pairs=pairs)
            kept, held_out = hold_out(spec, TrainConfig(seed=seed), again)
            folds = [int(f.max()) for f in kept.folds] or [0] * 7
            held = {id(e.image.data) for e in held_out.images}
            assert held_out.how == ("folds" if spec.name == "pixels" else "images")
            assert not held & {id(image.data) for image, _ in kept.pairs}
            assert (folds[1], folds[5]) == (folds[3], folds[6])


def test_a_region_is_held_out_of_all_equal_images():
    images = labelled(dense(), dense())
    images = replace(images, pairs=[images.pairs[0]] * 2)
    kept, held_out = hold_out(SMALL, TrainConfig(), images)
    for mask, left_out in [(held_out.masks[0], out) for out in kept.left_out]:
        assert left_out[mask].all()


def test_a_sample_of_what_is_held_out_is_spread_over_all_of_it():
    axes = [AxesImage(np.zeros((512, 512), np.uint8), "YX") for _ in range(6)]
    values = np.ones((512, 512), np.uint8)
    sparse = np.where(np.arange(512) < 100, values, 0)
    images = [HeldOutImage(image, sparse if n == 3 else values) for n, image in enumerate(axes)]
    held_out = HeldOut("images", "", images)
    validate = Validation(held_out, TrainConfig(), torch.device("cpu"), objects=False)
    assert validate.limit(Tiling((256, 256), (96, 96)), 1000) == 5 * 9 + 3
    assert not validate.is_sample
    assert 10 < validate.limit(Tiling((256, 256), (96, 96)), 20) <= 20
    assert validate.is_sample
    chosen = [validate._places(number, 2) for number in range(6)]
    assert sum(map(bool, chosen)) >= 5
    assert all(x == 0 for _, x in chosen[3].get((), ()))
    assert validate.limit(Tiling((256, 256), (96, 96)), 1) >= 1


def test_one_image_cannot_be_held_out_whole():
    for how in ("images", "groups"):
        with pytest.raises(ValueError, match=f"needs two or more {how}"):
            hold_out(SMALL, TrainConfig(validation=how), labelled(dense()))


def test_no_region_of_an_image_is_held_out_that_takes_too_much_memory(monkeypatch):
    monkeypatch.setattr(label_units, "free_memory", lambda _: 200 * 240)
    _, held_out = hold_out(SMALL, TrainConfig(), labelled(dense()))
    assert held_out.how is None
    assert "GiB of memory" in held_out.about


@pytest.mark.parametrize("block", [2**24, 20])
def test_masks_become_run_lengths_and_come_back(monkeypatch, block):
    monkeypatch.setattr(run_lengths, "BLOCK", block)
    mask = np.random.default_rng(0).random((9, 13)) < 0.5
    for each in (mask, ~mask, mask & False, mask | True):
        assert (from_runs(to_runs(each), each.shape) == each).all()
    short = to_runs(mask, 10)
    assert len(short) <= 10
    assert from_runs(short, mask.shape)[mask].all()
    with pytest.raises(ValueError, match="invalid"):
        from_runs([5, 500], (3, 3))


@pytest.fixture(scope="module")
def trained():
    values = dense((96, 96))
    image = (values * 60 + np.random.default_rng(0).integers(0, 30, values.shape)).astype(np.uint8)
    segmenter = Segmenter(SMALL, device="cpu")
    return image, values, segmenter, list(segmenter.train_epochs(image, values, QUICK))


def test_a_training_is_scored_on_a_held_out_region(trained):
    image, values, segmenter, steps = trained
    (validation,) = (s for s in steps if isinstance(s, ValidationStep))
    (mask,) = segmenter.held_out.masks
    report = evaluate(segmenter.predict(image), np.where(mask, values, 0), unlabelled=0)
    assert validation.dice == pytest.approx(report.dice)
    assert validation.iou == pytest.approx(report.iou)
    assert validation.pixels == mask.sum()
    assert validation.basis == f"{mask.sum()} pixels of 1 image"
    assert np.isfinite(validation.loss)


def test_the_file_tells_which_pixels_were_trained_on(trained, tmp_path):
    image, values, segmenter, _ = trained
    (mask,) = segmenter.held_out.masks
    loaded = Segmenter.load(segmenter.save(tmp_path / "a.segkit"), device="cpu")
    own = loaded.trained_pixels(image)
    require_apart(mask, ~own, values)
    (record,) = loaded.trained.provenance["trained_on"]
    assert (from_runs(record["held_out"], record["shape"]) == mask).all()
    assert (loaded.trained_pixels(image.T.copy(), axes="XY") == own.T).all()
    assert loaded.trained_pixels(image + 1) is None


def test_pixels_are_scored_by_folds_and_all_are_learned_from():
    values = strokes()
    image = values * 90 + np.random.default_rng(0).integers(0, 60, values.shape)
    predictions = []
    for config in (TrainConfig(), TrainConfig(validation=None)):
        segmenter = Segmenter("pixels", device="cpu")
        *_, last = segmenter.train_epochs(image.astype(np.uint8), values, config)
        predictions.append(segmenter.predict(image.astype(np.uint8)))
        assert isinstance(last, ValidationStep if config.validation else TrainStep)
        assert ("validation" in segmenter.trained.provenance) == bool(config.validation)
        if config.validation:
            assert last.pixels == (values > 0).sum()
            assert 0.5 < last.score <= 1
    assert (predictions[0] == predictions[1]).all()


def test_thresholds_move_the_boundary_between_classes():
    truth = np.repeat([1, 2], 500)
    rare = np.random.default_rng(0).normal(np.where(truth == 2, 0.4, 0.15), 0.05).clip(0, 1)
    maps = np.stack([1 - rare, rare]).astype(np.float32)
    (step,) = choose_thresholds(maps, truth, (1, 2))
    assert step.value == 1
    assert 0.65 <= step.threshold <= 0.8


def test_thresholds_are_stored_with_the_model(trained):
    image, values, _, _ = trained
    segmenter, chosen = Segmenter(SMALL, device="cpu"), []
    for clean in [(), (CleanConfig(1, threshold=0.99), CleanConfig(1, min_size=3))]:
        if clean:
            segmenter.refine = RefineConfig(clean=clean)
        segmenter.fit(image, values, replace(QUICK, thresholds=True))
        chosen.append(segmenter.refine.clean)
    assert all(c.threshold is not None for c in chosen[0])
    assert chosen[1] == (*chosen[0], CleanConfig(1, min_size=3))
    with pytest.warns(UserWarning, match="No thresholds are chosen"):
        Segmenter("pixels", device="cpu").fit(image, values, replace(QUICK, thresholds=True))


@pytest.mark.parametrize(
    ("losses", "told_at"),
    [
        ([0.9, 0.8, 1.0, 1.0, 1.1, 1.0, 1.3, 1.4], 5),
        ([0.9, 0.8, 0.85, 0.88, 0.9, 0.93, 0.95, 0.95], None),  # noise
        ([0.9, 0.8, 1.0, 1.0, 1.1, 0.9, 1.0, 1.0], None),
    ],
)
def test_losses_that_drift_apart_are_told_once(losses, told_at):
    validations, told = [], []
    for number, loss in enumerate(losses):
        validations.append({"train_loss": 1 - 0.1 * number, "loss": loss})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warn_if_overfitting(validations)
        told += [number for w in caught if w.category is OverfittingWarning]
    assert told == ([] if told_at is None else [told_at])


def test_of_a_large_set_only_some_images_are_divided(monkeypatch):
    monkeypatch.setattr(label_units, "MAX_DIVIDED", 2 * 200 * 240)
    images = labelled(*[dense() for _ in range(6)])
    kept, held_out = hold_out(SMALL, TrainConfig(validation="regions"), images)
    assert sum(mask is not None for mask in held_out.masks) in (1, 2)
    assert [mask is None for mask in kept.left_out] == [mask is None for mask in held_out.masks]
    part = sum(int(m.sum()) for m in held_out.masks if m is not None) / (6 * 200 * 240)
    assert f"({part:.0%} of the labelled pixels)" in held_out.about
