import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals

from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.models import Inputs, build
from napari_segkit.models.meta_device import meta_device
from napari_segkit.models.pixels import classifier
from napari_segkit.models.pixels.feature_cache import CACHE, FeatureCache, key_of
from napari_segkit.models.pixels.filters import feature_radii, filter_bank, gaussian, scales, window

SHAPES = {(1.0, 1.0): (23, 31), (2.0, 0.5): (20, 33), (7.5, 0.5, 0.5): (9, 20, 22)}
ONLY = {"intensity": False, "edges": False, "texture": False}


def picture(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def network(spec=None, channels=1, classes=2, spacing=(1.0, 1.0), seed=0):
    torch.manual_seed(seed)
    made = classifier.build(spec or ModelSpec("pixels"), Inputs(channels, classes, spacing))
    for name in ("weight", "bias"):  # as if it had learned
        getattr(made, name).copy_(torch.randn(getattr(made, name).shape))
    return made


def derivatives(blurred, relative):
    return [
        np.gradient(blurred, step, axis=axis) if blurred.shape[axis] > 1 else np.zeros_like(blurred)
        for axis, step in enumerate(relative)
    ]


def test_a_window_with_too_many_values_is_refused():
    spec = ModelSpec("pixels", encoder="filters", features=FeatureConfig(window=31))
    build(spec, Inputs(1, 2, (1.0, 1.0)))
    with pytest.raises(ValueError, match=r"window is 31, which is 29791 values .* at most 11"):
        build(spec, Inputs(1, 2, (1.0, 1.0, 1.0)))
    largest = ModelSpec("pixels", encoder="filters", features=FeatureConfig(window=11))
    with meta_device():
        build(largest, Inputs(1, 2, (1.0, 1.0, 1.0)))


@pytest.mark.parametrize(("spacing", "shape"), SHAPES.items())
def test_the_filters_are_those_of_scipy_and_skimage(spacing, shape):
    image = picture(*shape)
    config = FeatureConfig(smallest_scale=2.0, largest_scale=4.0)
    found = filter_bank(torch.from_numpy(image)[None], config, spacing).numpy()
    relative = [step / min(spacing) for step in spacing]
    expected = []
    for scale in (2.0, 4.0):
        sigmas = [scale / r if scale / r >= 0.25 else 0 for r in relative]
        blurred = ndimage.gaussian_filter(image.astype(float), sigmas, mode="mirror")
        slopes = derivatives(blurred, relative)
        second = [derivatives(derivative, relative) for derivative in slopes]
        upper = [second[a][b] for a in range(len(shape)) for b in range(a, len(shape))]
        edges = np.sqrt(sum(s**2 for s in slopes))
        expected += [blurred, edges, *hessian_matrix_eigvals(upper)]
    assert found.shape == (len(feature_radii(config, 1, len(shape))), *shape)
    np.testing.assert_allclose(found, np.stack(expected), atol=2e-5)


def test_each_channel_has_its_own_features():
    image = torch.from_numpy(picture(3, 12, 14))
    together = filter_bank(image, FeatureConfig(), (1.0, 1.0))
    assert together.shape[0] == len(feature_radii(FeatureConfig(), 3, 2))
    alone = filter_bank(image[1:2], FeatureConfig(), (1.0, 1.0))
    assert all(any(torch.allclose(a, t, atol=1e-6) for t in together) for a in alone)


def test_scales_double_and_end_with_the_largest():
    config = FeatureConfig(smallest_scale=1.0, largest_scale=10.0)
    assert scales(config) == [1, 2, 4, 8, 10]
    assert scales(FeatureConfig())[0] == 0.5
    with pytest.raises(ValueError, match="must not be larger"):
        scales(FeatureConfig(smallest_scale=4.0, largest_scale=2.0))


def test_coarse_and_single_pixel_axes_are_not_blurred():
    image = torch.from_numpy(picture(5, 1))
    assert torch.equal(gaussian(image, [0.1, 3.0]), image)


@pytest.mark.parametrize("shape", [(7, 9), (4, 6, 5)])
def test_the_window_holds_the_neighbours(shape):
    image = picture(2, *shape)
    found = window(torch.from_numpy(image), 3).numpy()
    padded = np.pad(image, [(0, 0), *[(1, 1)] * len(shape)], mode="reflect")
    offsets = np.ndindex(*(3,) * len(shape))
    parts = [
        padded[(slice(None), *(slice(o, o + n) for o, n in zip(offset, shape, strict=True)))]
        for offset in offsets
    ]
    np.testing.assert_array_equal(found, np.stack(parts, 1).reshape(found.shape))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (13, 2), (31, 45)])
def test_any_size_and_number_of_channels(channels, shape):
    made = network(channels=channels, classes=3)
    logits = made(torch.from_numpy(picture(2, channels, *shape)))
    assert logits.shape == (2, 3, *shape)
    assert torch.isfinite(logits).all()


def test_a_thin_volume_with_thick_slices():
    logits = network(spacing=(7.5, 0.5, 0.5))(torch.from_numpy(picture(1, 1, 9, 48, 56)))
    assert logits.shape == (1, 2, 9, 48, 56)
    assert torch.isfinite(logits).all()


def test_with_a_stride_pixels_take_the_class_of_the_centre_of_their_cell():
    image = torch.from_numpy(picture(1, 1, 14, 15))
    spec = ModelSpec("pixels", features=FeatureConfig(stride=4))
    coarse, fine = network(spec)(image), network()(image)
    rows, columns = np.minimum(np.arange(14) // 4 * 4 + 2, 13), np.arange(15) // 4 * 4 + 2
    columns = np.minimum(columns, 14)
    torch.testing.assert_close(coarse, fine[..., rows, :][..., columns])
    assert classifier.stride(spec, (1.0, 1.0)) == (4, 4)
    assert classifier.stride(spec, (8.0, 1.0, 1.0)) == (1, 4, 4)


def test_in_volumes_each_projection_takes_one_feature_mostly_fine_ones():
    used = network(spacing=(1.0, 1.0, 1.0)).directions != 0
    assert (used.sum(dim=1) == 1).all()
    by_scale = used.sum(dim=0).reshape(len(scales(FeatureConfig())), -1).sum(dim=1).tolist()
    assert by_scale == sorted(by_scale, reverse=True)
    assert by_scale[0] > 256 / 2


def test_in_planes_some_projections_take_one_feature_and_others_all():
    used = (network().directions != 0).sum(dim=1)
    assert used.tolist() == [1] * 144 + [24] * 48
    few = network(ModelSpec("pixels", features=FeatureConfig(random_features=16))).directions
    assert few.shape == (16, 24)


def test_an_encoder_alone_and_next_to_filters():
    image = torch.from_numpy(picture(1, 1, 32, 32))
    alone = network(ModelSpec("pixels", encoder="resnet18", features=FeatureConfig(**ONLY)))
    assert alone.directions.shape[1] == 64 + 64 + 128 + 256
    assert alone.directions[:, -1].any()
    both = network(ModelSpec("pixels", encoder="resnet18"))
    assert not both.directions[:, 24:].any()
    assert both.plain[24:].all()
    assert alone(image).shape == both(image).shape == (1, 2, 32, 32)


def test_thousands_of_channels_are_refused_before_any_work():
    with pytest.raises(ValueError, match="1500 channels, which are 36000 features"):
        classifier.build(ModelSpec("pixels"), Inputs(1500, 2, (1.0, 1.0)))


def test_a_window_without_filters_uses_raw_pixels_only():
    spec = ModelSpec("pixels", encoder="resnet18", features=FeatureConfig(**ONLY, window=5))
    made = network(spec)
    assert made.encoder is None
    assert len(made.mean) == 25


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"window": 4}, "odd number"),
        (ONLY, "has no features"),
        ({"smallest_scale": 20.0}, "larger"),
    ],
)
def test_invalid_features_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        network(ModelSpec("pixels", features=FeatureConfig(**features)))


def test_the_file_gives_the_same_logits_and_shapes_follow_from_the_spec():
    image = torch.from_numpy(picture(1, 2, 20, 24))
    first, second = network(channels=2, seed=1), network(channels=2, seed=2)
    with torch.device("meta"):
        expected = network(channels=2).state_dict()
    assert {k: v.shape for k, v in first.state_dict().items()} == {
        k: v.shape for k, v in expected.items()
    }
    assert not torch.equal(first(image), second(image))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(image), second(image))


@pytest.mark.parametrize(("shape", "spacing"), [((33, 50), (1.0, 1.0)), ((2, 33, 40), (2.0, 1, 1))])
def test_an_encoder_adds_its_frozen_features(shape, spacing):
    spec = ModelSpec("pixels", encoder="resnet18")
    made = network(spec, channels=2, spacing=spacing)
    assert any(name.startswith("encoder.") for name in made.state_dict())
    assert len(made.mean) == len(feature_radii(spec.features, 2, len(shape))) + 64 + 64 + 128 + 256
    assert made(torch.from_numpy(picture(1, 2, *shape))).shape == (1, 2, *shape)
    assert classifier.stride(spec, spacing)[-2:] == (32, 32)


def test_an_encoder_without_maps_is_refused():
    with pytest.raises(ValueError, match="cannot use the encoder"):
        network(ModelSpec("pixels", encoder="tu-no_such_model"))


def test_features_of_a_training_are_computed_once_and_those_of_predictions_not_kept(monkeypatch):
    CACHE.clear()
    made, calls = network(), []
    compute = made._compute
    monkeypatch.setattr(made, "_compute", lambda image: calls.append(1) or compute(image))
    image = torch.from_numpy(picture(1, 1, 16, 16))
    first = made(image)
    assert CACHE.size == 0
    made.features(image[0])
    assert torch.equal(made(image), first)
    assert len(calls) == 2
    image[0, 0, 3, 3] += 0.5
    assert not torch.equal(made(image), first)
    assert len(calls) == 3
    CACHE.clear()


def test_other_weights_of_an_encoder_give_other_features():
    CACHE.clear()
    made = network(ModelSpec("pixels", encoder="resnet18"))
    image = torch.from_numpy(picture(1, 32, 32))
    before = made.features(image)
    with torch.no_grad():
        next(made.encoder.parameters()).mul_(-1)
    assert not torch.equal(made.features(image), before)
    CACHE.clear()


def test_the_cache_stays_within_its_limit_and_drops_the_oldest():
    cache = FeatureCache(limit=3 * 400)
    made = []

    def compute(number):
        made.append(number)
        return np.zeros(100, np.float32)

    for number in (0, 1, 2, 0, 3, 0, 1):
        cache.get(key_of(number), lambda n=number: compute(n))
        assert cache.size <= cache.limit
    assert made == [0, 1, 2, 3, 1]
    assert cache.get(b"large", lambda: np.zeros(1000, np.float32)).size == 1000
    assert cache.size == 1200


def test_keys_differ_by_values_shapes_and_settings():
    array = np.zeros((2, 3), np.float32)
    keys = [key_of(array), key_of(array.T), key_of(array + 1), key_of(array, 1), key_of(array, 2)]
    assert len(set(keys)) == 5
    assert key_of(array) == key_of(array.copy())
