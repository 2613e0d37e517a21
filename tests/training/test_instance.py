import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.config import AugmentConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.intensity import identity_statistics
from napari_segkit.images.labels import IGNORE, LabelsError
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.instance import InstanceTrainer
from napari_segkit.training.instance_sampler import ObjectSampler
from napari_segkit.training.prepare_data import prepare_data
from napari_segkit.training.sampler import Sample
from napari_segkit.training.training_setup import TrainingSetup


def scene(shape=(200, 180), edge=9, pitch=20):
    """Squares in rows; the image's pixels are their ids."""
    ids = np.zeros(shape, np.int32)
    number = 0
    for y in range(5, shape[0] - edge, pitch):
        for x in range(5, shape[1] - edge, pitch):
            number += 1
            ids[y : y + edge, x : x + edge] = number
    return ids


def sampler(ids, size=(64, 64), class_of=None, augment=False):
    sample = Sample(
        AxesImage(np.maximum(ids, 0).astype(np.float32), "YX"),
        AxesImage(ids, "YX"),
        identity_statistics(1),
    )
    class_of = np.append(0, np.ones(ids.max(), np.intp)) if class_of is None else class_of
    config = augment if isinstance(augment, AugmentConfig) else AugmentConfig(augment)
    random = np.random.default_rng(0)
    return ObjectSampler([sample], size, class_of, augment=config, random=random)


@pytest.mark.parametrize("augment", [False, True])
def test_boxes_classes_and_masks_are_those_of_the_objects_in_view(augment):
    ids = scene()
    class_of = np.append(0, np.arange(ids.max()) % 2 + 1)
    drawn = sampler(ids, class_of=class_of, augment=augment)
    images, targets = drawn.batch(6)
    assert images.shape == (6, 1, 64, 64)
    for image, target in zip(images, targets, strict=True):
        for box, label, mask in zip(
            *(target[k] for k in ("boxes", "labels", "masks")), strict=True
        ):
            x0, y0, x1, y1 = box.int().tolist()
            assert mask[y0:y1, x0:x1].sum() == mask.sum() == (x1 - x0) * (y1 - y0)
            if not augment:
                (owner,) = image[0][mask.bool()].unique().tolist()
                assert class_of[int(owner)] == label


def test_slivers_at_the_edge_are_not_learned():
    _, targets = sampler(scene()).batch(30)
    assert min(int(t["masks"].flatten(1).sum(1).min()) for t in targets if len(t["boxes"])) >= 12


def test_patches_lie_inside_the_annotated_region():
    ids = scene()
    known = np.zeros(ids.shape, bool)
    known[20:120, 30:110] = True
    marked = np.where(known, ids, IGNORE)
    drawn = sampler(marked)
    for _ in range(10):
        _, _, (y, x), _ = drawn._choose_window()
        assert known[y : y + 64, x : x + 64].all()


def test_narrow_regions_give_smaller_patches_of_one_size():
    ids = scene()
    marked = np.full_like(ids, IGNORE)
    marked[20:62, 30:90] = ids[20:62, 30:90]
    images, _ = sampler(marked).batch(4)
    assert images.shape[-2:] == (32, 32)


def test_a_region_too_narrow_for_any_patch_is_refused():
    ids = scene()
    marked = np.full_like(ids, IGNORE)
    marked[20:40, 30:90] = ids[20:40, 30:90]
    with pytest.raises(LabelsError, match="at least 32 x 32"):
        sampler(marked)


def test_mirrored_copies_are_separate_objects():
    ids = np.zeros((40, 40), np.int32)
    ids[10:16, 12:18] = 1
    _, targets = sampler(ids).batch(2)
    for target in targets:
        sizes = target["boxes"][:, 2:] - target["boxes"][:, :2]
        assert len(sizes) >= 2
        assert sizes.max() == 6


def test_some_patches_may_hold_nothing():
    ids = np.zeros((600, 600), np.int32)
    ids[4:12, 4:12] = 1
    counts = [len(t["boxes"]) for t in sampler(ids).batch(60)[1]]
    assert 0 in counts
    assert sum(c > 0 for c in counts) > 40


def test_the_same_seed_draws_the_same_patches():
    (a, _), (b, _) = (
        sampler(scene(), augment=True).batch(5),
        sampler(scene(), augment=True).batch(5),
    )
    np.testing.assert_array_equal(a, b)


def test_an_object_larger_than_a_patch_is_trained_on():
    ids = np.zeros((400, 400), np.int32)
    ids[40:360, 40:360] = 1
    _, targets = sampler(ids).batch(8)
    assert sum(len(t["boxes"]) for t in targets) >= 7


def training(spec, config, ids=None):
    """A trainer on noise with these objects."""
    ids = scene((96, 96)) if ids is None else ids
    images = [AxesImage(np.random.default_rng(0).random(ids.shape).astype(np.float32), "YX")]
    class_of = np.append(0, np.ones(ids.max(), np.intp))
    classes = [LabelClass(0, "background", "#000000"), LabelClass(1, "object", "#ffffff")]
    labelled = LabelledImages([(images[0], ids)], classes, class_of)
    data = prepare_data(spec, config, labelled)
    return InstanceTrainer(TrainingSetup(spec, data, config, torch.device("cpu")))


@pytest.mark.parametrize(
    ("tile", "patch", "size", "overlap"),
    [
        (TileConfig(), 256, 512, 256),
        (TileConfig(overlap=64), 256, 512, 64),
        (TileConfig(overlap=160), 256, 512, 160),
        (TileConfig(tile_size=128), 128, 128, 48 + 16),
    ],
)
def test_tiles_are_larger_than_patches_unless_configured(tile, patch, size, overlap):
    trainer = training(
        ModelSpec("solo", encoder="resnet18"), TrainConfig(tile=tile), scene((300, 300))
    )
    assert trainer.sampler.size == (patch, patch)
    model = trainer.snapshot()
    assert model.tile_size == (size, size)
    assert model.overlap == (overlap, overlap)


@pytest.mark.parametrize("voxel_size", [None, 1.0])
def test_objects_that_fill_the_image_need_no_background(voxel_size):
    """As cells of a tissue do."""
    ids = 1 + np.arange(4).reshape(2, 2).repeat(32, 0).repeat(32, 1)
    image = np.random.default_rng(0).random(ids.shape).astype(np.float32)
    config = TrainConfig(
        epochs=1, steps_per_epoch=1, batch_size=2, labels_are="objects", voxel_size=voxel_size
    )
    segmenter = Segmenter(ModelSpec("unet", objects="boundary"), device="cpu")
    segmenter.fit(image, ids, config)
    assert segmenter.predict_proba(image).shape == (2, *ids.shape)
    assert [c.name for c in segmenter.classes] == ["background", "object"]


def test_components_without_background_are_refused():
    ids = 1 + np.arange(4).reshape(2, 2).repeat(32, 0).repeat(32, 1)
    segmenter = Segmenter(ModelSpec("pixels", objects="components"), device="cpu")
    with pytest.raises(LabelsError, match="boundary"):
        segmenter.fit(ids.astype(np.float32), ids, TrainConfig(labels_are="objects"))


def test_batch_statistics_are_measured_on_normalised_images():
    """Pretrained weights come with a normalisation."""
    config = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2, augment=False)
    trainer = training(ModelSpec("maskrcnn", encoder="mobilenet_v3_large"), config)
    trainer.network.mean.fill_(0.5)
    trainer.network.std.fill_(0.1)
    list(trainer.steps())
    trained = trainer.snapshot().network
    first = next(m for m in trained.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    conv = next(m for m in trained.backbone.modules() if isinstance(m, torch.nn.Conv2d))
    batch = torch.cat(list(trainer._recent_images(10)))
    seen = conv((batch - 0.5) / 0.1)
    torch.testing.assert_close(first.running_mean, seen.mean((0, 2, 3)), rtol=0.05, atol=0.05)
