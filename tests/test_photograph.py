"""A photograph: predict objects, combine chosen classes to one mask, smooth with a CRF."""

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from napari_segkit import CRFConfig, ModelSpec, RefineConfig, Segmenter, cli
from napari_segkit.io.files import read_labels
from napari_segkit.models import Inputs, build

SPEC = ModelSpec("maskrcnn", encoder="mobilenet_v3_large")
SIZE = (256, 192)
CATEGORIES = {"chair": 62, "couch": 63, "tv": 72}  # the pixel maps hold these less one
STEPS = 45


@pytest.fixture(scope="module")
def living_room(real_data_of, tmp_path_factory):
    """A photograph of a living room as a file, and the class of each pixel."""
    photo = Pictures.open(real_data_of / "images/000000004495.jpg").convert("RGB")
    stuff = Pictures.open(real_data_of / "masks/000000004495.png")
    file = tmp_path_factory.mktemp("photo") / "room.png"
    photo.resize(SIZE, Pictures.Resampling.BILINEAR).save(file)
    return file, np.asarray(stuff.resize(SIZE, Pictures.Resampling.NEAREST)).astype(int) + 1


@pytest.fixture(scope="module")
def real_data_of(real_data):
    """The folder of photographs."""
    folder = real_data / "coco_stuff"
    if not folder.is_dir():
        pytest.skip(f"there are no photographs in {folder}")
    return folder


RECIPE = RefineConfig("crf", crf=CRFConfig(appearance_weight=10, appearance_sigma=20))


@pytest.fixture(scope="module")
def weights(living_room, tmp_path_factory):
    """A file of a whole network with COCO's classes that knows this photograph by heart."""
    torch.manual_seed(0)
    network = build(SPEC, Inputs(3, 91, (1.0, 1.0)))
    file, classes = living_room
    masks = np.stack([classes == c for c in CATEGORIES.values()])
    places = [np.argwhere(mask) for mask in masks]
    boxes = np.array([[*p.min(0)[::-1], *(p.max(0)[::-1] + 1)] for p in places], np.float32)
    network.set_sizes(boxes[:, [3, 2]] - boxes[:, [1, 0]])
    target = {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.tensor(list(CATEGORIES.values())),
        "masks": torch.from_numpy(masks.astype(np.uint8)),
    }
    pixels = torch.from_numpy(np.array(Pictures.open(file))).permute(2, 0, 1)[None] / 255
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the last step count
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, STEPS)
    network.train()
    for _ in range(STEPS):
        optimiser.zero_grad()
        sum(network(pixels, [target]).values()).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        network(pixels, [target])
    path = tmp_path_factory.mktemp("weights") / "photographs.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.slow
def test_chosen_objects_of_a_photograph_as_one_smooth_mask(living_room, weights, tmp_path):
    file, classes = living_room
    image = np.array(Pictures.open(file))

    segmenter = Segmenter(ModelSpec(SPEC.name, encoder=SPEC.encoder, weights=str(weights)))
    found = segmenter.predict_objects(image, refine=RECIPE)
    mask = found.combined(["chair", "couch"], as_one=True)

    assert set(found.table["class"]) == set(CATEGORIES)
    truth = np.isin(classes, [CATEGORIES["chair"], CATEGORIES["couch"]])
    raw = segmenter.predict_objects(image).combined(["chair", "couch"], as_one=True)
    assert _iou(raw, truth) > 0.8
    assert _iou(mask, truth) > _iou(raw, truth) + 0.01

    asked = ["--weights", weights, "--encoder", SPEC.encoder, "--refine", "crf"]
    asked += ["--crf-appearance-weight", 10, "--crf-appearance-sigma", 20]
    masks = ["--masks", "chair,couch", "--one-mask"]
    files = [file, "-o", tmp_path / "mask.png"]
    assert cli.main([str(a) for a in ("predict", "maskrcnn", *files, *asked, *masks)]) == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "mask.png"), mask)


def _iou(mask, truth):
    return (mask.astype(bool) & truth).sum() / (mask.astype(bool) | truth).sum()
