"""The grid MRF compared with loops over pixels, and its energy over the iterations."""

from itertools import product

import numpy as np
import pytest

from napari_segkit import MRFConfig, smooth
from napari_segkit.refinement import mrf
from napari_segkit.refinement.mrf import MRF, neighbours

METHODS = ("mean-field", "icm")
CASES = [
    ((5, 4), (1.0, 1.0), False, 1),
    ((5, 6), (2.0, 0.5), True, 3),
    ((3, 4, 3), (3.0, 1.0, 0.8), True, 2),
    ((4, 3, 3), (1.0, 1.0, 1.0), False, 1),
    ((1, 6, 5), (1.0, 1.0, 1.0), True, 1),
]


def scene(shape, channels=1, classes=3, seed=0):
    """Independent random probabilities and intensities in float32."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), shape)
    return (
        np.moveaxis(probabilities, -1, 0).astype(np.float32),
        rng.random((channels, *shape), dtype=np.float32),
    )


def pairs_of(shape, spacing, diagonals, pixels, sigma):
    """Weight of each neighbour of each pixel, in plain loops."""
    steps = [s for s in product((-1, 0, 1), repeat=len(shape)) if any(s)]
    steps = [s for s in steps if diagonals or np.abs(s).sum() == 1]
    near = {s: 1 / np.linalg.norm(np.multiply(s, spacing)) for s in steps}
    total = sum(near.values())
    found = {}
    for place in np.ndindex(shape):
        found[place] = {}
        for step in steps:
            other = tuple(np.add(place, step))
            if all(0 <= o < n for o, n in zip(other, shape, strict=True)):
                apart = (
                    (pixels[(slice(None), *place)] - pixels[(slice(None), *other)]) ** 2
                ).mean()
                alike = 1.0 if sigma is None else np.exp(-apart / (2 * sigma**2))
                found[place][other] = near[step] / total * alike
    return found


def slow(probabilities, pairs, config):
    """The same iterations, pixel by pixel, in float64."""
    classes, shape = len(probabilities), probabilities.shape[1:]
    unary = np.log(np.maximum(probabilities.astype(np.float64), 1e-6))
    q = np.exp(unary) / np.exp(unary).sum(axis=0)
    seen = (lambda p: np.eye(classes)[p.argmax()]) if config.method == "icm" else (lambda p: p)
    for _ in range(config.iterations):
        for turn in product((0, 1), repeat=len(shape)):
            for place in np.ndindex(shape):
                if tuple(p % 2 for p in place) == turn:
                    here = (slice(None), *place)
                    agreed = sum(
                        (w * seen(q[(slice(None), *o)]) for o, w in pairs[place].items()),
                        np.zeros(classes),
                    )
                    odds = np.exp(unary[here] + config.weight * agreed)
                    q[here] = odds / odds.sum()
    return q


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sigma", [None, 0.3])
@pytest.mark.parametrize(("shape", "spacing", "diagonals", "channels"), CASES)
def test_it_equals_loops_over_pixels(shape, spacing, diagonals, channels, sigma, method):
    probabilities, pixels = scene(shape, channels)
    config = MRFConfig(2.5, 3, diagonals, sigma, method)
    found = MRF(config, spacing).block_smoother(3, "cpu")(probabilities, pixels, [0, 0, 0])
    expected = slow(probabilities, pairs_of(shape, spacing, diagonals, pixels, sigma), config)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def iterations(config, probabilities, pixels, spacing, most=5):
    """Results after 0, 1, 2, ... iterations."""
    yield probabilities
    for count in range(1, most):
        changed = MRFConfig(
            config.weight, count, config.diagonals, config.intensity_sigma, config.method
        )
        yield MRF(changed, spacing).block_smoother(len(probabilities), "cpu")(
            probabilities, pixels, [0, 0, 0]
        )


@pytest.mark.parametrize("weight", [1.0, 8.0])
@pytest.mark.parametrize(("shape", "spacing", "diagonals", "channels"), CASES[:4])
def test_the_energy_never_rises(shape, spacing, diagonals, channels, weight):
    probabilities, pixels = scene(shape, channels)
    pairs = pairs_of(shape, spacing, diagonals, pixels, 0.3)

    def energy(found):
        labels = found.argmax(axis=0)
        own = -np.log(np.take_along_axis(probabilities, labels[None], 0)).sum()
        cost = sum(w for p, os in pairs.items() for o, w in os.items() if labels[p] != labels[o])
        return own + weight * cost / 2  # each pair is met twice

    config = MRFConfig(weight, 1, diagonals, 0.3, "icm")
    energies = [energy(r) for r in iterations(config, probabilities, pixels, spacing)]
    assert np.diff(energies).max() <= 1e-4
    assert energies[-1] < energies[0]


@pytest.mark.parametrize("weight", [1.0, 8.0])
@pytest.mark.parametrize(("shape", "spacing", "diagonals", "channels"), CASES[:4])
def test_mean_field_never_raises_the_divergence(shape, spacing, diagonals, channels, weight):
    """Updated all at once, the pixels of a chessboard would oscillate."""
    probabilities, pixels = scene(shape, channels)
    pairs = pairs_of(shape, spacing, diagonals, pixels, None)

    def divergence(q):
        agree = sum(
            w * (q[(slice(None), *p)] * q[(slice(None), *o)]).sum()
            for p, os in pairs.items()
            for o, w in os.items()
        )
        q = np.maximum(q, 1e-12)
        return (q * (np.log(q) - np.log(probabilities))).sum() - weight * agree / 2

    config = MRFConfig(weight, 1, diagonals)
    found = [divergence(r) for r in iterations(config, probabilities, pixels, spacing)]
    assert np.diff(found).max() <= 1e-4
    assert found[-1] < found[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("diagonals", [False, True])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (5.0, 0.2), (7.5, 0.5, 0.5)])
def test_the_weight_means_the_same_everywhere(spacing, diagonals, method):
    """A pixel whose neighbours all have the other class pays the weight."""
    shape = (5,) * len(spacing)
    middle = (2,) * len(spacing)
    other = np.zeros(shape, np.float32)
    other[middle] = 0.8
    probabilities = np.stack([1 - other, other])
    config = MRFConfig(3.0, 1, diagonals, None, method)
    found = MRF(config, spacing).block_smoother(2, "cpu")(probabilities, None, [0, 0])
    odds = found[1][middle] / found[0][middle]
    assert odds == pytest.approx(4 * np.exp(-3.0), rel=1e-3)


@pytest.mark.parametrize(("diagonals", "counts"), [(False, (4, 6)), (True, (8, 26))])
def test_neighbours(diagonals, counts):
    for count, spacing in zip(counts, ((1.0, 2.0), (1.0, 2.0, 3.0)), strict=True):
        found = neighbours(spacing, diagonals=diagonals)
        assert 2 * len(found) == count
        assert 2 * sum(share for _, share in found) == pytest.approx(1)


def halves(shape=(60, 64), seed=0):
    """A bright and a dark half with noise, and uncertain probabilities of them."""
    rng = np.random.default_rng(seed)
    truth = np.indices(shape)[-1] >= shape[-1] // 2
    image = (100 + 60 * truth + rng.normal(0, 6, shape)).astype(np.uint8)
    bright = np.clip(0.5 + 0.15 * (2.0 * truth - 1) + rng.normal(0, 0.25, shape), 0.02, 0.98)
    return truth, image, np.stack([1 - bright, bright]).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(60, 64), (12, 20, 24)])
def test_specks_are_removed_and_the_edge_is_kept(shape, method):
    truth, image, probabilities = halves(shape)
    before = (probabilities.argmax(0) == truth).mean()
    without_image = smooth(
        probabilities, None, MRFConfig(method=method), axes="TZYX"[-len(shape) :]
    )
    config = MRFConfig(weight=6.0, intensity_sigma=0.3, method=method)
    with_image = smooth(probabilities, image, config)
    assert before < 0.8
    assert (without_image.argmax(0) == truth).mean() > 0.9
    assert (with_image.argmax(0) == truth).mean() > 0.98
    np.testing.assert_allclose(with_image.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("shape", "largest"), [((90, 101), 2500), ((10, 31, 42), 4000)])
def test_blocks_agree_with_the_full_image(monkeypatch, shape, largest, method):
    _, image, probabilities = halves(shape)
    config = MRFConfig(weight=4.0, intensity_sigma=0.5, iterations=20, method=method)
    whole = smooth(probabilities, image, config)
    monkeypatch.setattr("napari_segkit.refinement.smoothing_method.MAX_BLOCK", largest)
    parts = smooth(probabilities, image, config)
    assert (whole.argmax(0) == parts.argmax(0)).mean() >= 0.999


def test_probabilities_of_0_and_1_stay_finite():
    certain = np.zeros((2, 6, 6), np.float32)
    certain[0, :, :3] = certain[1, :, 3:] = 1
    for method in METHODS:
        found = smooth(certain, None, MRFConfig(weight=1000.0, method=method))
        assert np.isfinite(found).all()


def test_outliers_do_not_make_neighbours_nan():
    _, image, probabilities = halves((20, 24))
    image = image / np.float64(255)
    image[4:6, 4:6] = -3.4e38
    found = smooth(probabilities, image, MRFConfig(intensity_sigma=0.3))
    assert np.isfinite(found).all()


def test_without_weight_nothing_changes():
    probabilities, _ = scene((5, 6))
    found = smooth(probabilities, None, MRFConfig(weight=0.0))
    np.testing.assert_allclose(found, probabilities, atol=1e-5)


def test_it_ends_when_nothing_changes(monkeypatch):
    updates = []
    update = mrf.PottsField._given_neighbours
    monkeypatch.setattr(
        mrf.PottsField, "_given_neighbours", lambda *a: updates.append(a) or update(*a)
    )
    _, _, probabilities = halves((20, 20))
    smooth(probabilities, None, MRFConfig(iterations=1000, method="icm"))
    assert len(updates) < 4 * 20


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_gives_the_same(method):
    _, image, probabilities = halves()
    config = MRFConfig(intensity_sigma=0.3, method=method)
    one, other = (smooth(probabilities, image, config, device=d) for d in ("cpu", "auto"))
    np.testing.assert_allclose(one, other, atol=1e-3)
