"""The CRF compared with its definition: every pair of pixels, in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from skimage import data

from napari_segkit import CRFConfig, smooth
from napari_segkit.refinement import smooth as smoothing
from napari_segkit.refinement.crf.hashing import KeyNumbers
from napari_segkit.refinement.crf.mean_field import mean_field
from napari_segkit.refinement.crf.permutohedral_lattice import (
    BilateralKernel,
    IndexedWeights,
    Lattice,
    SparseMatrixWeights,
    features,
)
from napari_segkit.refinement.crf.simplices import VertexKeys, basis, simplex_vertices
from napari_segkit.refinement.crf.spatial_gaussian import SpatialKernel
from napari_segkit.refinement.probability_maps import as_probability_maps

# As published: the defaults are gentler.
STRONG = CRFConfig(
    smoothness_weight=3,
    smoothness_sigma=3,
    appearance_weight=10,
    appearance_sigma=20,
    intensity_sigma=0.05,
)


def exact_mean_field(probabilities, kernels, iterations=5, costs=None):
    """Mean field with full kernel matrices; kernels are pairs of a weight and features."""
    classes = len(probabilities)
    unary = -np.log(np.clip(probabilities.reshape(classes, -1).astype(float), 1e-6, None))
    matrices = []
    for weight, points in kernels:
        square = (points**2).sum(0)
        away = square[:, None] + square - 2 * points.T @ points
        kernel = np.exp(-0.5 * away.clip(0))
        scale = 1 / np.sqrt(kernel.sum(1))
        matrices.append(weight * scale[:, None] * kernel * scale)
    costs = 1 - np.eye(classes) if costs is None else costs
    marginals = softmax(-unary)
    for _ in range(iterations):
        marginals = softmax(-unary - sum(costs @ (marginals @ m) for m in matrices))
    return marginals.reshape(probabilities.shape)


def softmax(values):
    values = np.exp(values - values.max(0))
    return values / values.sum(0)


def positions(shape):
    return np.stack(np.indices(shape)).reshape(len(shape), -1).astype(float)


def noisy_probabilities(image, classes, ndim):
    """Probabilities like those of a weak model: from intensities, with noise."""
    grey = image.mean(axis=-1) if image.ndim > ndim else image.astype(float)
    middles = np.quantile(grey, np.linspace(0, 1, 2 * classes + 1)[1::2])
    spread = grey.std() / classes + 1e-6
    logits = np.stack([-0.5 * ((grey - m) / spread) ** 2 for m in middles])
    logits += np.random.default_rng(0).normal(0, 1, logits.shape)
    return softmax(logits).astype(np.float32)


def blobs(shape):
    """A smooth volume of intensities from 0 to 255."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(1).normal(size=shape), 2)
    return np.uint8(255 * (noise - noise.min()) / np.ptp(noise))


CROPS = {
    "grey": (data.coins()[60:100, 40:80], 2),
    "rgb": (data.astronaut()[60:100, 180:220], 2),
    "volume": (blobs((12, 12, 12)), 3),
}


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", list(CROPS))
def test_marginals_are_those_of_the_exact_kernels(name, classes):
    image, ndim = CROPS[name]
    given_ = noisy_probabilities(image, classes, ndim)
    shape = given_.shape[1:]
    seen = np.moveaxis(image, -1, 0) if image.ndim > ndim else image[None]
    far = np.concatenate([positions(shape) / 20, seen.reshape(len(seen), -1) / 13.0])
    expected = exact_mean_field(given_, [(3, positions(shape) / 3), (10, far)])

    pixels = torch.from_numpy(seen.astype(np.float32) / 13)
    kernels = [
        (3, SpatialKernel(shape, [3] * ndim, torch.device("cpu"))),
        (10, BilateralKernel(pixels, [20] * ndim)),
    ]
    found = mean_field(torch.from_numpy(given_), kernels, 5).numpy()

    assert np.abs(found - expected).mean() < 0.015
    assert (found.argmax(0) == expected.argmax(0)).mean() > 0.97
    # and it has something to do: far from where it began
    assert np.abs(given_ - expected).mean() > 0.05


def test_smooth_scales_intensities_by_the_images_range_and_distances_by_its_spacing():
    image = blobs((8, 14, 16))
    given_ = noisy_probabilities(image, 2, 3)
    low, high = np.percentile(image, [1, 99])
    spacing = np.array([2.0, 0.5, 0.5])
    world = positions(image.shape) * spacing[:, None]
    scaled = (image.reshape(1, -1) - low) / (high - low) / 0.1
    expected = exact_mean_field(
        given_, [(3, world / 1.5), (5, np.concatenate([world / 4, scaled]))]
    )

    config = replace(STRONG,
        smoothness_sigma=1.5, appearance_sigma=4, appearance_weight=5, intensity_sigma=0.1,
        units="world",
    )  # fmt: skip
    found = smooth(given_, image, config, spacing=spacing)
    pixels = smooth(
        given_,
        image,
        replace(
            STRONG, smoothness_sigma=3, appearance_sigma=8, appearance_weight=5, intensity_sigma=0.1
        ),
        spacing=spacing,
    )
    assert np.abs(found - expected).mean() < 0.01
    np.testing.assert_allclose(pixels, found, atol=1e-6)


def test_one_default_serves_every_type_and_range():
    image = data.coins()[:64, :64]
    given_ = noisy_probabilities(image, 2, 2)
    found = smooth(given_, image, STRONG)
    for other in (image.astype(np.uint16) * 257, image / 255 - 3):
        agreed = (smooth(given_, other, STRONG).argmax(0) == found.argmax(0)).mean()
        assert agreed > 0.999


def test_it_follows_the_images_edges():
    image = np.zeros((40, 40), np.uint8)
    image[:, 23:] = 200
    truth = np.zeros((40, 40), int)
    truth[:, 23:] = 1
    logits = np.random.default_rng(0).normal(0, 1, (2, 40, 40))
    logits[1] += np.where(np.arange(40) > 20, 1, -1)  # the edge three pixels off, and noise
    logits[0] -= np.where(np.arange(40) > 20, 1, -1)
    before = softmax(logits)
    found = smooth(before, image, STRONG)
    assert (before.argmax(0) != truth).mean() > 0.1
    assert (found.argmax(0) == truth).all()


def test_a_potts_matrix_is_the_default_and_others_are_used():
    image = data.coins()[60:92, 40:72]
    given_ = noisy_probabilities(image, 3, 2)
    found = smooth(given_, image, STRONG)
    potts = smooth(given_, image, STRONG, compatibility=1 - np.eye(3))
    np.testing.assert_allclose(potts, found, atol=1e-4)

    costs = np.array([[0, 1, 3], [1, 0, 1], [3, 1, 0]], float)
    shape = given_.shape[1:]
    expected = exact_mean_field(given_, [(3, positions(shape) / 3)], costs=costs)
    config = replace(STRONG, appearance_weight=0)
    np.testing.assert_allclose(
        smooth(given_, None, config, compatibility=costs), expected, atol=1e-4
    )


def test_smoothness_alone_needs_no_image_and_is_exact():
    given_ = noisy_probabilities(data.coins()[60:92, 40:72], 3, 2)
    expected = exact_mean_field(given_, [(3, positions((32, 32)) / 3)])
    found = smooth(given_, config=replace(STRONG, appearance_weight=0))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_without_weights_nothing_changes():
    given_ = noisy_probabilities(data.coins()[:20, :20], 3, 2)
    found = smooth(given_, config=replace(STRONG, appearance_weight=0, smoothness_weight=0))
    np.testing.assert_allclose(found, given_, atol=1e-5)


@pytest.mark.parametrize("missing", [-1e9, 1e14, -3.4e38])
def test_outliers_do_not_cost_other_pixels_their_digits(missing):
    """Such as the value that a file has where there is no data."""
    image = blobs((8, 14, 16)) / 255
    given_ = noisy_probabilities(image, 2, 3)
    far, near = image.copy(), image.copy()
    far[3, 3, 3:5], near[3, 3, 3:5] = missing, np.sign(missing) * 1e3
    expected = smooth(given_, near, STRONG)
    assert np.abs(expected - given_).mean() > 0.05
    found = smooth(given_, far, STRONG)
    assert np.abs(found - expected).mean() < 0.01


def test_slices_along_t_are_smoothed_separately():
    image = blobs((4, 24, 30))
    given_ = noisy_probabilities(image, 2, 3)
    found = smooth(given_, image, STRONG, axes="TYX")
    together = smooth(given_, image, STRONG, axes="ZYX")
    assert np.abs(found - together).mean() > 1e-3
    other = given_.copy()
    other[:, 1] = 0.5
    np.testing.assert_array_equal(smooth(other, image, STRONG, axes="TYX")[:, 0], found[:, 0])


def test_axes_in_any_order_give_the_same():
    image = blobs((6, 20, 26))
    given_ = noisy_probabilities(image, 2, 3)
    found = smooth(given_, image, STRONG, axes="ZYX", spacing=(2, 1, 1))
    turned = smooth(
        given_.transpose(0, 3, 1, 2),
        image.transpose(2, 0, 1),
        STRONG,
        axes="XZY",
        spacing=(2, 1, 1),
    )
    np.testing.assert_allclose(turned.transpose(0, 2, 3, 1), found, atol=1e-5)


def test_many_channels():
    """Only one of eight channels separates the classes."""
    rng = np.random.default_rng(0)
    truth = np.indices((32, 32)).sum(0) % 32 > 15
    image = rng.normal(0, 0.02, (8, 32, 32))
    image[5] += truth
    image += np.linspace(0, 1, 32)  # and all of them share a ramp
    logits = np.where(truth, 1.0, -1.0) + rng.normal(0, 2, (32, 32))
    found = smooth(softmax(np.stack([-logits, logits])), image, STRONG, axes="CYX")
    assert (found.argmax(0) == truth).mean() > 0.98
    assert ((logits > 0) == truth).mean() < 0.8


def test_outliers_of_many_channels():
    image = np.random.default_rng(0).random((6, 20, 20))
    image[0, 3, 3] = -1e300
    given_ = noisy_probabilities(image[1], 2, 2)
    assert np.isfinite(smooth(given_, image, STRONG, axes="CYX")).all()


def test_blocks_agree_with_the_full_image(monkeypatch):
    image = data.camera()[100:200, 100:240]
    given_ = noisy_probabilities(image, 2, 2)
    config = replace(STRONG, appearance_sigma=8)
    whole = smooth(given_, image, config)
    monkeypatch.setattr("napari_segkit.refinement.smoothing_method.MAX_BLOCK", 50 * 50)
    assert len(smoothing.smoothing_method(config, (1, 1)).blocks(image.shape)) >= 6
    blocks = smooth(given_, image, config)
    assert (blocks.argmax(0) == whole.argmax(0)).mean() > 0.999


def test_blocks_of_many_channels_agree_with_the_full_image(monkeypatch):
    """Principal components are those of the full image, also in crops."""
    rng = np.random.default_rng(0)
    image = np.stack([blobs((80, 90)) * w for w in rng.normal(size=7)])
    image[2:5, :40] += blobs((40, 90)) * 3.0
    given_ = noisy_probabilities(blobs((80, 90)), 3, 2)
    config = replace(STRONG, appearance_sigma=6, appearance_weight=5, intensity_sigma=0.1)
    whole = smooth(given_, image, config, axes="CYX")
    monkeypatch.setattr("napari_segkit.refinement.smoothing_method.MAX_BLOCK", 40 * 40)
    blocks = smooth(given_, image, config, axes="CYX")
    assert (blocks.argmax(0) == whole.argmax(0)).mean() > 0.999

    maps = as_probability_maps(given_, image, axes="CYX", spacing=None, uses_image=True)
    part = maps.crop({}, (slice(10, 30), slice(0, 50)))
    np.testing.assert_array_equal(part.principal_components({}), maps.principal_components({}))


@pytest.mark.parametrize("sigma", [1e-6, 1e-3])
def test_the_smallest_sigmas_do_nothing(sigma):
    given_ = noisy_probabilities(data.coins()[:40, :60], 2, 2)
    config = replace(STRONG, smoothness_sigma=sigma, appearance_sigma=sigma)
    found = smooth(given_, data.coins()[:40, :60], config)
    assert np.isfinite(found).all()
    assert (found.argmax(0) == given_.argmax(0)).all()


def test_probabilities_are_read_block_by_block():
    """An array that only slices, such as zarr, is never read as a whole."""

    class Lazy:
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype
            self.ndim, self.largest = array.ndim, 0

        def __getitem__(self, index):
            part = self.array[index]
            self.largest = max(self.largest, part.size)
            return part

    image = np.zeros((5, 30, 40), np.uint8) + np.arange(40, dtype=np.uint8)
    given_ = noisy_probabilities(image, 2, 3)
    lazy = Lazy(given_)
    found = smooth(lazy, image, STRONG, axes="TYX")
    np.testing.assert_array_equal(found, smooth(given_, image, STRONG, axes="TYX"))
    assert lazy.largest == 2 * 30 * 40


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 50), st.sampled_from([9, 300, 2**62]), st.integers(0))
def test_keys_are_numbered_once_each(count, different, largest, seed):
    rng = np.random.default_rng(seed)
    keys = torch.from_numpy(rng.choice(rng.integers(1, largest, different), count))
    others = torch.from_numpy(rng.integers(1, largest, 50))
    tables = [KeyNumbers(keys)]
    if largest < 2**20:
        tables += [KeyNumbers(keys, largest), KeyNumbers(keys.int(), largest)]
    for numbers in tables:
        assert torch.equal(numbers.keys.long().sort().values, keys.unique())
        assert torch.equal(numbers.keys[numbers.find(keys.to(numbers.keys.dtype))].long(), keys)
        missing = numbers.find(others.to(numbers.keys.dtype)) == len(numbers.keys)
        assert torch.equal(missing, ~torch.isin(others, keys))


def test_keys_that_collide_are_hashed_again():
    keys = torch.arange(1, 3000) * 2**20  # all with the same low digits
    numbers = KeyNumbers(keys)
    assert torch.equal(numbers.keys[numbers.find(keys)], keys)
    assert (numbers.find(keys + 1) == len(keys)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 1), st.integers(0))
def test_vertices_and_their_neighbours_have_keys_of_their_own(dimensions, margin, seed):
    rng = np.random.default_rng(seed)
    spread = rng.choice([0.1, 3, 9], (dimensions, 1))
    points = torch.from_numpy(rng.normal(0, spread, (dimensions, 40)).astype(np.float32))
    matrix = basis(dimensions, 1)
    vertex_keys = VertexKeys(matrix, points, margin)
    keys, weights = (found.numpy() for found in simplex_vertices(points, matrix, vertex_keys))

    # the simplex of a point: its coordinates grow by 1 one by one, in the order of their fractions
    coordinates = torch.addmm(-vertex_keys.first, matrix, points).T.numpy()
    order = np.argsort(-(coordinates % 1), axis=1)
    grown = np.eye(dimensions, dtype=int)[order].cumsum(axis=1)
    whole = np.floor(coordinates).astype(int)[:, None]
    corners = np.concatenate([whole, whole + grown], axis=1)
    factors = vertex_keys.factors.numpy()
    same = corners @ factors + vertex_keys.origin == keys
    assert (same | (weights < 1e-5)).all()  # which of two equal fractions comes first is open
    found = (weights[..., None] * corners).sum(axis=1)
    np.testing.assert_allclose(found, coordinates, atol=1e-4)

    steps = np.concatenate([np.eye(dimensions, dtype=int), -np.ones((1, dimensions), int)])
    steps = np.concatenate([steps * 0, steps, -steps])[:, None]
    around = np.unique(corners.reshape(-1, dimensions), axis=0)
    for _ in range(margin):
        around = np.unique((around + steps).reshape(-1, dimensions), axis=0)
    neighbours = np.unique((around + steps).reshape(-1, dimensions), axis=0)
    vertices, others = (points @ factors + vertex_keys.origin for points in (around, neighbours))
    assert len(np.unique(vertices)) == len(vertices)
    assert np.isin(others, vertices).sum() == len(vertices)  # only the vertices themselves
    assert others.min() >= 1
    assert others.max() <= vertex_keys.length


@pytest.mark.parametrize("sigma", [0.4, 3.0, 60.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_spatial_kernel_is_a_gaussian(sigma, axis):
    shape = (3, 150, 70)
    values = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    sigmas = [1e-6 if i != axis else sigma for i in range(3)]
    found = SpatialKernel(shape, sigmas, torch.device("cpu"))(torch.from_numpy(values))
    taps = np.exp(-0.5 * (np.arange(-150, 151) / sigma) ** 2)
    blur = [
        correlate1d(v.astype(float), taps, axis + 1, mode="constant")
        for v in (np.ones((1, *shape)), values)
    ]
    scale = 1 / np.sqrt(blur[0])
    expected = scale * correlate1d(values * scale, taps, axis + 1, mode="constant")
    np.testing.assert_allclose(found, expected, rtol=5e-3)


@pytest.mark.parametrize("dimensions", [4, 5])
def test_far_apart_points_need_more_digits_than_a_key_has(dimensions):
    """Vertices then get random keys; the result is the same."""
    rng = np.random.default_rng(0)
    near = rng.normal(0, 1, (dimensions, 300)).astype(np.float32)
    values = torch.from_numpy(rng.random((300, 2)).astype(np.float32))
    expected = Lattice(torch.from_numpy(near)).filter(values)
    outlier = np.full((dimensions, 1), 1e5, np.float32)
    far = np.concatenate([near, outlier, -outlier], axis=1)
    more = torch.cat([values, torch.zeros(2, 2)])
    found = Lattice(torch.from_numpy(far)).filter(more)[:300]
    # 1e5 units away, single precision moves the points a little on the lattice
    assert torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1] > 0.98


def test_keys_are_made_without_float64_on_the_device():
    """Apple's graphics cards have none."""

    class OnDevice(torch.Tensor):
        def double(self):
            raise TypeError("no float64")

        def cpu(self):
            return self.as_subclass(torch.Tensor)

    points, matrix = torch.rand(3, 50), basis(3, 1)
    found = VertexKeys(matrix.as_subclass(OnDevice), points.as_subclass(OnDevice), 1)
    assert torch.equal(found.factors, VertexKeys(matrix, points, 1).factors)


def test_a_long_axis_has_few_blur_matrices():
    kernel = SpatialKernel((2, 20_000), [50.0, 50.0], torch.device("cpu"))
    matrices = {band.data_ptr(): band.numel() for bands in kernel._bands for *_, band in bands}
    assert sum(matrices.values()) < 10 * 200 * 600


def test_sparse_matrix_and_indexed_weights_agree():
    rng = np.random.default_rng(0)
    columns = torch.from_numpy(rng.integers(0, 40, (200, 4)).astype(np.int32))
    weights = torch.from_numpy(rng.random((200, 4)).astype(np.float32))
    values, vertices = torch.rand(200, 3), torch.rand(40, 3)
    one, other = IndexedWeights(columns, weights, 40), SparseMatrixWeights(columns, weights, 40)
    np.testing.assert_allclose(one.splat(values), other.splat(values), rtol=1e-5)
    np.testing.assert_allclose(one.slice(vertices), other.slice(vertices), rtol=1e-5)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_labels():
    image = data.astronaut()
    given_ = noisy_probabilities(image, 4, 2)
    cpu, gpu = (smooth(given_, image, STRONG, device=d) for d in ("cpu", "cuda"))
    assert (cpu.argmax(0) == gpu.argmax(0)).mean() > 0.9999


def test_the_lattice_has_fewer_vertices_where_the_sigmas_are_larger():
    pixels = torch.from_numpy(data.coins()[:64, :64][None] / np.float32(13))
    near, far = (Lattice(features(pixels, [s, s], [0, 0])).weights for s in (5, 80))
    values = torch.ones(64 * 64, 1)
    assert len(far.splat(values)) < len(near.splat(values)) / 4
