"""Pretrained complete models predict without a training."""

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, ObjectConfig, Segmenter, TrainConfig
from napari_segkit.models import Inputs, build, resolve
from napari_segkit.models.weights.pretrained import WeightsError

SPEC = ModelSpec("maskrcnn", encoder="mobilenet_v3_large")
EVERYTHING = ObjectConfig(score=0)


@pytest.fixture(scope="module")
def photograph():
    """Discs on a noisy ground, in colour, no multiple of anything."""
    random = np.random.default_rng(0)
    rows, cols = np.indices((90, 130))
    image = random.integers(0, 60, (90, 130, 3))
    for y, x in ((30, 40), (60, 95)):
        image[(rows - y) ** 2 + (cols - x) ** 2 < 200] = (220, 180, 40)
    return image.astype(np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a whole network with COCO's 91 classes; it takes all for persons or dogs."""
    torch.manual_seed(0)
    network = build(SPEC, Inputs(3, 91, (1.0, 1.0)))
    network.roi_heads.box_predictor.cls_score.bias.data[[1, 18]] = 6.0
    network.set_sizes(np.full((5, 2), 28.0))
    path = tmp_path_factory.mktemp("weights") / "whole.pth"
    torch.save(network.state_dict(), path)
    return str(path)


def whole(weights):
    return Segmenter(ModelSpec(SPEC.name, encoder=SPEC.encoder, weights=weights), device="cpu")


def test_a_file_of_a_whole_model_predicts_with_cocos_classes(weights, photograph, tmp_path):
    segmenter = whole(weights)
    assert segmenter.can_predict
    assert not segmenter.is_trained
    found = segmenter.predict_objects(photograph, objects=EVERYTHING)
    assert found.labels.shape == (90, 130)
    assert len(segmenter.classes) == 91
    names = {c.value: c.name for c in segmenter.classes}
    assert (names[0], names[1], names[18]) == ("background", "person", "dog")
    assert len(found) > 0
    assert set(found.table["class"]) <= {"person", "dog"}
    segmenter.save(tmp_path / "whole.segkit")
    loaded = Segmenter.load(tmp_path / "whole.segkit", device="cpu")
    again = loaded.predict_objects(photograph, objects=EVERYTHING)
    np.testing.assert_array_equal(again.labels, found.labels)
    assert again.table["class"].tolist() == found.table["class"].tolist()


def test_a_photograph_is_predicted_in_one_tile(weights, photograph):
    (step,) = whole(weights).predict_tiles(photograph)
    assert (step.done, step.total) == (1, 1)


def test_training_from_it_learns_other_classes(weights, photograph):
    ids = np.zeros((90, 130), np.int32)
    rows, cols = np.indices(ids.shape)
    for number, (y, x) in enumerate(((30, 40), (60, 95)), 1):
        ids[(rows - y) ** 2 + (cols - x) ** 2 < 200] = number
    segmenter = whole(weights)
    segmenter.fit(photograph, ids, TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2))
    assert [c.name for c in segmenter.classes] == ["background", "object"]


def test_a_file_of_an_encoder_is_not_a_complete_model(tmp_path, photograph):
    from torchvision.models import mobilenet_v3_large

    torch.save(mobilenet_v3_large(weights=None).state_dict(), tmp_path / "encoder.pth")
    with pytest.raises(ValueError, match=r"encoder\.pth holds an encoder, not a complete maskrcnn"):
        whole(str(tmp_path / "encoder.pth")).predict(photograph)


def test_weights_that_cannot_predict_are_not_said_to_be_dispensable(tmp_path, photograph):
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"give the path of another weights file\.$"):
        whole(str(tmp_path / "none.pth")).predict(photograph)


def test_weights_of_another_encoder_cannot_predict(weights, photograph):
    spec = ModelSpec("maskrcnn", encoder="resnet18", weights=weights)
    with pytest.raises(WeightsError, match=r"do not fit .* path of another weights file\.$"):
        Segmenter(spec, device="cpu").predict(photograph)


def test_coco_chooses_an_encoder_that_has_such_weights():
    assert resolve(ModelSpec("maskrcnn", weights="coco")).encoder == "resnet50"
    assert not Segmenter(ModelSpec("maskrcnn")).can_predict
    with pytest.raises(ValueError, match="not trained yet"):
        Segmenter(ModelSpec("maskrcnn")).predict(np.zeros((64, 64)))
