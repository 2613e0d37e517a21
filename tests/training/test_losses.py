import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from napari_segkit.images.labels import IGNORE
from napari_segkit.training.losses import CrossEntropyDice


def reference(logits, target):
    """Cross-entropy and Dice written out for the labelled pixels alone, in float64."""
    classes = logits.shape[1]
    pixels = np.moveaxis(logits, 1, -1).reshape(-1, classes)[target.ravel() != IGNORE]
    truth = target.ravel()[target.ravel() != IGNORE]
    entropy = -log_softmax(pixels, axis=1)[np.arange(len(truth)), truth].mean()
    probable, wanted = softmax(pixels, axis=1), np.eye(classes)[truth]
    score = 2 * (probable * wanted).sum(0) / (probable + wanted).sum(0).clip(1e-7)
    return entropy + np.where(wanted.sum(0) > 0, 1 - score, 0).mean()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 5), st.floats(0, 0.95))
def test_the_loss_is_that_of_the_labelled_pixels_alone(seed, classes, unlabelled):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, classes, 6, 7))
    target = rng.integers(0, classes, (2, 6, 7))
    target[rng.random(target.shape) < unlabelled] = IGNORE
    target[0, 0, 0] = 0
    value = CrossEntropyDice()(torch.from_numpy(logits), torch.from_numpy(target))
    np.testing.assert_allclose(value.item(), reference(logits, target), rtol=1e-5)


def test_unlabelled_pixels_have_no_gradient():
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    target = torch.full((1, 8, 8), IGNORE)
    target[:, 2:4] = 1
    CrossEntropyDice()(logits, target).backward()
    moved = logits.grad.abs().sum(dim=(0, 1)) > 0
    assert moved[2:4].all()
    assert moved.sum() == 16
