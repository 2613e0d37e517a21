import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import FocalLoss
from scipy.special import log_softmax, softmax
from torch.nn import functional as F

from napari_segkit.images.labels import IGNORE
from napari_segkit.training.losses import LOSSES, StepLoss


def cross_entropy_and_dice(logits, target):
    """Written out for the labelled pixels alone, in float64; Dice image by image."""
    classes = logits.shape[1]
    entropies, dices = [], []
    for image, indices in zip(logits, target, strict=True):
        truth = indices[indices != IGNORE]
        pixels = np.moveaxis(image, 0, -1)[indices != IGNORE]
        entropies += (-log_softmax(pixels, axis=1)[np.arange(len(truth)), truth]).tolist()
        probable, wanted = softmax(pixels, axis=1), np.eye(classes)[truth]
        score = 2 * (probable * wanted).sum(0) / (probable + wanted).sum(0).clip(1e-7)
        dices.append(np.where(wanted.sum(0) > 0, 1 - score, 0).mean())
    return np.mean(entropies) + np.mean(dices)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 5), st.floats(0, 0.95))
def test_the_loss_is_that_of_the_labelled_pixels_alone(seed, classes, unlabelled):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, classes, 6, 7))
    target = rng.integers(0, classes, (2, 6, 7))
    target[rng.random(target.shape) < unlabelled] = IGNORE
    target[0, 0, 0] = 0
    value = StepLoss()(torch.from_numpy(logits), torch.from_numpy(target))
    np.testing.assert_allclose(value.item(), cross_entropy_and_dice(logits, target), rtol=1e-5)


def batch(classes, shape=(3, 6, 7), unlabelled=0.4):
    """Logits and targets, the last image of which is unlabelled."""
    random = torch.Generator().manual_seed(0)
    count, *size = shape
    logits = torch.randn(count, classes, *size, generator=random)
    target = torch.randint(0, max(2, classes), shape, generator=random)
    target[torch.rand(shape, generator=random) < unlabelled] = IGNORE
    target[-1] = IGNORE
    return logits, target


def value_and_slope(loss, logits, *target):
    logits = logits.clone().requires_grad_()
    value = loss(logits, *target)
    value.backward()
    return value.item(), logits.grad


@pytest.mark.parametrize("shape", [(3, 6, 7), (2, 3, 4, 5)], ids=["2D", "3D"])
@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("name", LOSSES)
def test_what_unlabelled_pixels_hold_changes_nothing(name, classes, shape):
    loss, (logits, target) = StepLoss(name), batch(classes, shape)
    expected = value_and_slope(loss, logits, target)
    hidden = (target == IGNORE).unsqueeze(1)
    for other in (1e30, float("inf"), float("nan")):
        value, slope = value_and_slope(loss, logits.masked_fill(hidden, other), target)
        assert value == expected[0]
        assert torch.equal(slope, expected[1])
    assert not expected[1][hidden.expand_as(logits)].any()
    assert (expected[1] != 0).any()


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 3.0])])
@pytest.mark.parametrize("name", LOSSES)
def test_the_shares_of_parts_add_up(name, weights):
    logits, target = batch(3, (4, 6, 7))
    if name == "bce_dice":
        logits, target, weights = logits[:, :2], target.clamp_max(1), None
    loss = StepLoss(name, weights)
    value, slope = value_and_slope(loss, logits, target)
    parts = [slice(0, 1), slice(1, 3), slice(3, 4)]
    shares = [value_and_slope(loss, logits[p], target[p], target) for p in parts]
    assert sum(share for share, _ in shares) == pytest.approx(value, rel=1e-6)
    torch.testing.assert_close(torch.cat([s for _, s in shares]), slope, rtol=1e-5, atol=1e-7)


def each_image(loss):
    """Mean over the images of a loss of libraries."""

    def mean(logits, target):
        pairs = zip(logits.split(1), target.split(1), strict=True)
        return torch.stack([loss(*pair) for pair in pairs]).mean()

    return mean


def focal_of_monai(logits, target):
    """With softmax; it averages over the classes, too."""
    return 3 * FocalLoss(use_softmax=True, to_onehot_y=True)(logits, target.unsqueeze(1))


def focal_of_labelled(logits, target):
    pixels = logits.movedim(1, -1)[target != IGNORE]
    return focal_of_monai(pixels, target[target != IGNORE])


MODE = {"mode": "multiclass", "ignore_index": IGNORE}
OF_LIBRARIES = {
    "dice": each_image(smp.DiceLoss(**MODE)),
    "tversky": each_image(smp.TverskyLoss(**MODE, alpha=0.3, beta=0.7)),
    "cross_entropy": torch.nn.CrossEntropyLoss(ignore_index=IGNORE),
    "focal": focal_of_labelled,
}


@pytest.mark.parametrize("name", OF_LIBRARIES)
def test_a_loss_is_that_of_a_library(name):
    logits, target = batch(3)
    ours = value_and_slope(StepLoss(name), logits, target)
    theirs = value_and_slope(OF_LIBRARIES[name], logits, target)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_lovasz_is_the_iou_of_certain_predictions():
    target = torch.tensor([[[0, 0, 1, 1]], [[0, IGNORE, 1, IGNORE]]])
    predicted = torch.tensor([[[0, 1, 1, 1]], [[0, 1, 1, 0]]])
    logits = 100.0 * F.one_hot(predicted, 2).movedim(-1, 1)
    expected = 1 - ((1 / 2 + 2 / 3) / 2 + 1) / 2
    assert StepLoss("lovasz")(logits, target).item() == pytest.approx(expected)


def test_one_logit_is_learned_by_binary_cross_entropy_and_dice():
    logits, target = batch(1)
    seen = (target != IGNORE)[:2]
    bce = F.binary_cross_entropy_with_logits(logits[:2, 0][seen], target[:2][seen].float())
    dice = each_image(smp.DiceLoss("binary", ignore_index=IGNORE))(logits[:2], target[:2])
    ours = StepLoss("bce_dice")(logits[:2], target[:2])
    assert ours.item() == pytest.approx((bce + dice).item(), rel=1e-6)


def test_class_weights_are_those_of_torch():
    weights = torch.tensor([0.2, 1.0, 3.0])
    logits, target = batch(3)
    theirs = torch.nn.CrossEntropyLoss(weights, ignore_index=IGNORE)(logits, target)
    assert StepLoss("cross_entropy", weights)(logits, target).item() == pytest.approx(theirs.item())
