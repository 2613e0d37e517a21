"""Two classes as one logit with a sigmoid."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.models import Inputs, outputs
from napari_segkit.models.memory_estimate import estimate_memory

SPEC = ModelSpec("segresnet", encoder="small", dims="2D")
CONFIG = TrainConfig(
    epochs=1,
    steps_per_epoch=4,
    batch_size=2,
    loss="bce_dice",
    unlabelled=None,
    validation=None,
    tile=TileConfig(32, 0),
)


@pytest.fixture(scope="module")
def trained(scene):
    image, labels = scene
    return Segmenter(SPEC, device="cpu").fit(image, 7 * (labels > 0), CONFIG)


def test_the_network_has_one_output_and_the_result_two_classes(trained, scene):
    image, _ = scene
    probabilities = trained.predict_proba(image)
    with torch.inference_mode():
        logits = trained.trained.network(torch.zeros(1, 1, 32, 32))
    assert logits.shape == (1, 1, 32, 32)
    assert probabilities.shape == (2, *image.shape)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(trained.predict(image), 7 * (probabilities[1] > 0.5))


def test_the_probability_is_the_sigmoid_also_in_other_programs(trained, scene):
    tile = torch.from_numpy(scene[0][None, None, :32, :32]).float()
    low, high = (torch.tensor(ends) for ends in ((0.0,), (1.0,)))
    with torch.inference_mode():
        expected = trained.trained.network(tile).sigmoid()
        given = trained.as_module()(tile, low, high)
    torch.testing.assert_close(given, torch.cat([1 - expected, expected], 1))


def test_the_file_gives_the_same_labels(trained, scene, tmp_path):
    loaded = Segmenter.load(trained.save(tmp_path / "a"), device="cpu")
    np.testing.assert_array_equal(loaded.predict(scene[0]), trained.predict(scene[0]))


def test_more_than_two_classes_are_refused_before_any_work(scene):
    with pytest.raises(ValueError, match="'bce_dice' tells two classes apart, and there are 3"):
        next(Segmenter(SPEC, device="cpu").train_epochs(*scene, CONFIG))
    objects = replace(SPEC, objects="distance")
    with pytest.raises(ValueError, match="objects='distance' makes 4 levels"):
        outputs(objects, 2, CONFIG)
    assert outputs(replace(SPEC, objects="components"), 2, CONFIG) == 1
    assert outputs(ModelSpec("pixels"), 3, CONFIG) == 3


def test_memory_is_that_of_one_output():
    one, two = (
        estimate_memory(SPEC, Inputs(1, count, (1.0, 1.0)), (64, 64), 2) for count in (1, 2)
    )
    assert one.training_memory < two.training_memory
