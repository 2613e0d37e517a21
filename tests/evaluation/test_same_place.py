"""Layers that do not lie on each other are compared only if that is asked for."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_segkit import MRFConfig, RefineConfig, Segmenter, evaluate, fit_refinement
from napari_segkit.config import ModelSpec, TrainConfig

MASK = np.zeros((32, 32), np.uint8)
MASK[8:20, 8:24] = 1
PIXELS = (MASK * 50).astype(np.float32) + np.random.default_rng(0).normal(0, 1, MASK.shape)
APART = "do not lie on each other: pixels of equal index are up to 100"


def labels(name, **options):
    return Labels(MASK.copy(), name=name, **options)


def test_evaluate_refuses_layers_that_lie_apart_unless_by_index():
    here, there = labels("here"), labels("there", translate=(100, 0))
    with pytest.raises(ValueError, match=f"here and there {APART}") as error:
        evaluate(here, there)
    assert error.value.remedies == ("by_index=True",)
    report = evaluate(here, there, by_index=True)
    assert report.dice[1] == 1
    assert f"Compared pixel by pixel, although here and there {APART}" in report.notes[0]


def test_evaluate_of_several_layers_names_those_that_lie_apart():
    truths = [labels("t0"), labels("t1", translate=(100, 0)), labels("t2", scale=(2, 2))]
    predictions = [labels("p0"), labels("p1"), labels("p2")]
    with pytest.raises(ValueError, match=f"p1 and t1 {APART}.*The same is true of p2"):
        evaluate(predictions, truths)


def test_arrays_have_no_place():
    assert evaluate(labels("here", translate=(100, 0)), MASK).dice[1] == 1


def test_fit_says_which_labels_lie_apart():
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    image = Image(PIXELS, name="cells")
    config = TrainConfig(epochs=1, unlabelled=None)
    with pytest.warns(UserWarning, match=f"cells and there {APART}"):
        segmenter.fit(image, labels("there", translate=(100, 0)), config)


def test_fit_says_which_validation_labels_lie_apart():
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    image, held_out = Image(PIXELS, name="cells"), Image(PIXELS, name="held out")
    config = TrainConfig(epochs=1, unlabelled=None)
    validation = (held_out, labels("there", translate=(100, 0)))
    with pytest.warns(UserWarning, match=f"held out and there {APART}"):
        segmenter.fit(image, labels("here"), config, validation=validation)


def test_fit_refinement_says_that_the_truth_lies_apart():
    maps = np.stack([1 - 0.8 * MASK, 0.8 * MASK]).astype(np.float32)
    config = RefineConfig("mrf", mrf=MRFConfig(iterations=1))
    with pytest.warns(UserWarning, match=f"cells and there {APART}"):
        fit_refinement(
            maps, Image(PIXELS, name="cells"), labels("there", translate=(100, 0)), config
        )
