"""Mask R-CNN: inputs, outputs, anchors, and weights of torchvision."""

import hashlib
import re

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import detection, resnet18
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d, box_iou

from napari_segkit.config import ModelSpec
from napari_segkit.models import MODELS, Inputs, build
from napari_segkit.models.instance.maskrcnn import coco_categories, count_classes
from napari_segkit.models.meta_device import meta_device
from napari_segkit.models.weights.pretrained import WeightsError, available, initialise

SMALL = np.full((50, 2), 12.0)
THEIRS = {"resnet50": "maskrcnn_resnet50_fpn", "resnet50_v2": "maskrcnn_resnet50_fpn_v2"}
HEADS = ("box_predictor.cls_score", "box_predictor.bbox_pred", "mask_predictor.mask_fcn_logits")
ENTRY = "MaskRCNN_ResNet50_FPN_Weights.COCO_V1"


def network(encoder="resnet18", channels=1, classes=2, weights=None):
    torch.manual_seed(0)
    spec = ModelSpec("maskrcnn", encoder=encoder, weights=weights and str(weights))
    inputs = Inputs(channels, classes, (1.0, 1.0))
    made = build(spec, inputs)
    initialise(made, spec, inputs)
    made.roi_heads.fg_bg_sampler.batch_size_per_image = 32  # boxes in a step; 512 take seconds
    return made


def target(objects, height, width, edge=8):
    corners = torch.rand(objects, 2) * torch.tensor([width - edge, height - edge])
    boxes = torch.cat([corners, corners + edge], 1).floor()
    masks = torch.zeros(objects, height, width, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    return {"boxes": boxes, "labels": torch.ones(objects, dtype=torch.int64), "masks": masks}


def found_by(made, images):
    with torch.no_grad():
        return made.eval()(images)


def same_objects(given, other):
    return all(torch.equal(g[key], o[key]) for g, o in zip(given, other, strict=True) for key in g)


def photograph(height=64, width=96):
    """Smooth image, so that rounding does not matter."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.manual_seed(0))
    return nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def varied(made):
    """Random batch statistics, as after training."""
    for name, values in made.state_dict().items():
        if name.endswith("running_var"):
            values.copy_(torch.rand_like(values) + 0.5)
    return made.eval()


def equal_to_torchvisions(made, theirs):
    """Compare both on a small image, which torchvision enlarges to its own scale."""
    theirs.transform.min_size, theirs.transform.max_size = (96,), 128
    assert made.resize.tolist() == [800, 1333]
    made.resize.copy_(torch.tensor([96.0, 128.0]))
    image = photograph()
    (ours,) = found_by(made, image)
    with torch.no_grad():
        (given,) = theirs(list(image))
    assert len(given["boxes"]) > 10
    for key in ("boxes", "scores", "labels"):
        torch.testing.assert_close(ours[key], given[key], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("objects", [0, 200])
@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v3_large"])
def test_losses_and_gradients_are_finite(encoder, objects):
    made = network(encoder)
    made.set_sizes(np.full((max(objects, 1), 2), 8.0)[:objects])
    losses = made.train()(torch.rand(2, 1, 96, 64), [target(objects, 96, 64)] * 2)
    assert set(losses) == {
        *("loss_objectness", "loss_rpn_box_reg"),
        *("loss_classifier", "loss_box_reg", "loss_mask"),
    }
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters() if p.grad is not None)
    assert all(torch.isfinite(values).all() for values in made.state_dict().values())


def test_heads_with_batch_norm_accept_images_without_objects():
    made = network("resnet50_v2", channels=3)
    losses = made.train()(torch.rand(1, 3, 64, 64), [target(0, 64, 64)])
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(values).all() for values in made.state_dict().values())


def test_targets_are_not_changed():
    made = network()
    known = target(3, 64, 64)
    before = {key: values.clone() for key, values in known.items()}
    made.resize.copy_(torch.tensor([96.0, 128.0]))  # as with weights from COCO
    made.train()(torch.rand(1, 1, 64, 64), [known])
    assert same_objects([before], [known])


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("shape", [(32, 96), (64, 64)])
def test_detections_have_falling_scores_and_masks_in_boxes(channels, shape):
    made = network(channels=channels, classes=3)
    results = found_by(made, torch.rand(3, channels, *shape))
    assert len(results) == 3
    for objects in results:
        count = len(objects["scores"])
        assert count > 5
        assert objects["boxes"].shape == (count, 4)
        assert objects["masks"].shape == (count, 28, 28)
        assert objects["masks"].dtype == torch.float32
        assert objects["masks"].min() >= 0
        assert objects["masks"].max() <= 1
        assert objects["labels"].dtype == torch.int64
        assert set(objects["labels"].tolist()) <= {1, 2}
        assert objects["scores"].min() >= made.floor
        assert (objects["scores"].diff() <= 0).all()
        assert (objects["boxes"] >= 0).all()
        assert (objects["boxes"] <= torch.tensor([*shape[::-1], *shape[::-1]])).all()


def test_an_image_gives_the_same_result_in_a_batch():
    made = network()
    images = torch.rand(2, 1, 64, 64)
    both = found_by(made, images)
    (alone,) = found_by(made, images[1:])
    torch.testing.assert_close(alone, both[1], rtol=1e-4, atol=1e-4)


def test_no_detections_give_an_empty_result():
    made = network()
    nn.init.zeros_(made.roi_heads.box_predictor.cls_score.weight)
    made.roi_heads.box_predictor.cls_score.bias.data.copy_(torch.tensor([20.0, -20.0]))
    (objects,) = found_by(made, torch.rand(1, 1, 64, 64))
    assert objects["boxes"].shape == (0, 4)
    assert objects["masks"].shape == (0, 28, 28)


def test_larger_images_may_have_more_objects():
    made = network()
    nn.init.zeros_(made.roi_heads.box_predictor.cls_score.weight)
    made.roi_heads.nms_thresh = 1.0
    small, large = (len(found_by(made, torch.rand(1, 1, n, n))[0]["scores"]) for n in (128, 256))
    assert small >= 100
    assert large >= 4 * small


def test_the_state_dict_restores_the_network():
    made = network()
    made.set_sizes(SMALL)
    images = torch.rand(1, 1, 64, 64)
    other = network()
    other.set_sizes(SMALL * 9)
    assert other.sizes_text() != made.sizes_text()
    other.load_state_dict(made.state_dict())
    assert other.sizes_text() == made.sizes_text()
    assert same_objects(found_by(made, images), found_by(other, images))


@pytest.mark.parametrize("edges", [(9, 12), (25, 40), (70, 120), (16, 100)])
def test_anchors_fit_the_objects(edges):
    sizes = np.random.default_rng(0).uniform(*edges, (300, 1)) * [1, 1]
    made = network()
    made.set_sizes(sizes)
    cells = made.rpn.anchor_generator.cells.flatten(0, 1)
    boxes = torch.as_tensor(np.concatenate([-sizes, sizes], 1) / 2, dtype=torch.float32)
    assert box_iou(boxes, cells).max(1).values.min() > 0.5
    assert re.fullmatch(r"anchors of \d+(, \d+)+ pixels", made.sizes_text())


@pytest.mark.parametrize("encoder", MODELS["maskrcnn"].encoders)
def test_shapes_on_the_meta_device_are_the_same(encoder):
    inputs = Inputs(2, 4, (1.0, 1.0))
    with meta_device():
        shapes = build(ModelSpec("maskrcnn", encoder=encoder), inputs).state_dict()
    assert all(values.is_meta for values in shapes.values())
    if encoder in ("resnet18", "mobilenet_v3_large"):
        real = build(ModelSpec("maskrcnn", encoder=encoder), inputs).state_dict()
        assert {k: v.shape for k, v in real.items()} == {k: v.shape for k, v in shapes.items()}


@pytest.mark.parametrize("encoder", THEIRS)
def test_layers_and_names_are_torchvisions(encoder):
    with meta_device():
        theirs = getattr(detection, THEIRS[encoder])(weights=None, weights_backbone=None)
        ours = build(ModelSpec("maskrcnn", encoder=encoder), Inputs(3, 91, (1.0, 1.0)))
    given = {name: values.shape for name, values in theirs.state_dict().items()}
    got = {name: values.shape for name, values in ours.state_dict().items()}
    assert given.items() <= got.items()
    assert set(got) - set(given) == {"mean", "std", "resize", "rpn.anchor_generator.cells"}


def test_distant_pixels_do_not_change_features():
    """An object has the same features in a tile as in the full image."""
    made = network().eval()
    images = torch.rand(1, 1, 64, 1024).repeat(2, 1, 1, 1)
    images[1, :, :, 960:] = 5.0
    with torch.no_grad():
        for level in made.backbone(images).values():
            one, other = level[..., : level.shape[-1] // 8]
            assert torch.equal(one, other)
            assert not torch.equal(*level)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", THEIRS)
def test_a_file_of_torchvision_gives_the_same_results(encoder, tmp_path):
    torch.manual_seed(1)
    theirs = varied(getattr(detection, THEIRS[encoder])(weights=None, weights_backbone=None))
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    equal_to_torchvisions(network(encoder, 3, 91, tmp_path / "w.pth"), theirs)


@pytest.fixture
def coco(tmp_path, monkeypatch):
    """A network and file like torchvision's first one, with its older names."""
    torch.manual_seed(1)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5
    )
    theirs = varied(detection.MaskRCNN(backbone, 91))
    for module in theirs.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0
            module.running_var[::2] = 1e-6  # where it matters
            module.weight[::2] = 1e-3
    state = {}
    for name, values in theirs.state_dict().items():
        name = re.sub(r"(_blocks\.\d|head\.conv)\.0(\.0)?\.", r"\1.", name)
        name = re.sub(r"mask_head\.(\d)\.0", lambda n: f"mask_head.mask_fcn{int(n[1]) + 1}", name)
        state[name] = values
    assert {"rpn.head.conv.weight", "roi_heads.mask_head.mask_fcn4.bias"} <= set(state)
    file = tmp_path / "file.pth"
    torch.save(state, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    file = file.rename(tmp_path / f"maskrcnn-{digest}.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torchvision.models.get_weight(ENTRY).value, "url", file.as_uri())
    return theirs, state


@pytest.mark.slow
def test_coco_weights_keep_frozen_batch_norm(coco):
    theirs, _ = coco
    equal_to_torchvisions(network("resnet50", 3, 91, "coco"), theirs)


@pytest.mark.slow
def test_layers_that_depend_on_the_classes_stay_random(coco):
    theirs, given = coco
    assert count_classes(given) == 91
    made = network("resnet50", 1, 3, "coco")
    got = made.state_dict()
    for name, values in theirs.state_dict().items():
        if any(head in name for head in HEADS):
            assert got[name].shape != values.shape
        elif name == "backbone.body.conv1.weight":
            torch.testing.assert_close(got[name], values.sum(1, keepdim=True))
        else:
            torch.testing.assert_close(got[name], values, rtol=0, atol=2e-5)
    assert made.sizes_text() == "anchors of 32, 64, 128, 256, 512 pixels"
    made.set_sizes(SMALL)
    assert made.resize.tolist() == [0, 0]
    torch.testing.assert_close(made.mean, torch.tensor([0.449]))


def test_weights_from_imagenet_fill_the_encoder(tmp_path, monkeypatch):
    given = resnet18().state_dict()
    torch.save(given, tmp_path / "w.pth")
    digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()[:8]
    file = (tmp_path / "w.pth").rename(tmp_path / f"resnet18-{digest}.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    entry = torchvision.models.get_weight("ResNet18_Weights.IMAGENET1K_V1").value
    monkeypatch.setattr(entry, "url", file.as_uri())
    for weights in ("imagenet", file):
        made = network(channels=3, weights=weights)
        body = made.backbone.body.state_dict()
        assert all(torch.equal(values, given[name]) for name, values in body.items())
        assert made.resize.tolist() == [0, 0]
        torch.testing.assert_close(made.std, torch.tensor([0.229, 0.224, 0.225]))


def test_weights_of_a_trained_network_keep_its_anchors(tmp_path):
    made = network()
    made.set_sizes(SMALL)
    torch.save(made.state_dict(), tmp_path / "own.pth")
    other = network(classes=4, weights=tmp_path / "own.pth")
    assert other.sizes_text() == made.sizes_text()
    assert other.mean.tolist() == [0]


@pytest.mark.parametrize("encoder", MODELS["maskrcnn"].encoders)
def test_names_of_weights(encoder):
    words = ("imagenet", "coco") if encoder in THEIRS else ("imagenet",)
    assert available(ModelSpec("maskrcnn", encoder=encoder)) == words
    if encoder not in THEIRS:
        with pytest.raises(WeightsError, match="imagenet"):
            network(encoder, weights="coco")


def test_names_of_coco_categories():
    names = coco_categories()
    assert len(names) == 91
    assert names[:2] == ("__background__", "person")
    assert "N/A" in names
    assert count_classes({"conv1.weight": torch.zeros(3)}) is None


@pytest.mark.slow
def test_it_overfits_one_image():
    random = np.random.default_rng(0)
    truth = np.zeros((96, 96), np.int64)
    for number, place in enumerate(np.ndindex(4, 4), 1):
        rows, columns = np.indices(truth.shape) - 24 * np.array(place)[:, None, None] - 12
        radii = random.uniform(5, 11, 2)
        truth[(rows / radii[0]) ** 2 + (columns / radii[1]) ** 2 < 1] = number
    image = torch.as_tensor((truth > 0) + random.normal(0, 0.2, truth.shape), dtype=torch.float32)
    masks = torch.as_tensor(truth == np.arange(1, 17)[:, None, None], dtype=torch.uint8)
    boxes = torchvision.ops.masks_to_boxes(masks) + torch.tensor([0, 0, 1, 1])
    known = {"boxes": boxes, "labels": torch.ones(16, dtype=torch.int64), "masks": masks}
    made = network()
    made.set_sizes((boxes[:, 2:] - boxes[:, :2]).numpy()[:, ::-1])
    optimiser = torch.optim.AdamW(made.parameters(), 1e-3)
    images = image[None, None].repeat(2, 1, 1, 1)
    for _ in range(80):
        loss = sum(made.train()(images, [known] * 2).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    (objects,) = found_by(made, images[:1])
    sure = objects["boxes"][objects["scores"] > 0.5]
    overlap = box_iou(boxes, sure)
    assert (overlap.max(1).values > 0.6).all()
    assert len(sure) <= 17
