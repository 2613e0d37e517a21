from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy import fliplr, flipud, rot90
from scipy import stats
from skimage.data import coins
from torch import nn

from napari_segkit import (
    AugmentConfig,
    CleanConfig,
    ModelSpec,
    PredictConfig,
    RefineConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
)
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.regions import Part, Region
from napari_segkit.inference import predict_tiles_of
from napari_segkit.inference.copies import mean_over_symmetries, symmetries, with_dropout
from napari_segkit.inference.network import network_of
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.sink import MemorySink
from napari_segkit.inference.uncertainty import uncertainty_of
from napari_segkit.instances.level_targets import LEVELS
from napari_segkit.models import model_info
from napari_segkit.models.precision import used_precision
from napari_segkit.steps import drain

HALF = PredictConfig(precision="bfloat16")
IMAGE = coins()[:140, :180]  # of four tiles


@pytest.fixture
def segmenter(make):
    return Segmenter.of_trained(make(1), device="cpu")


def run(segmenter, config=None):
    return drain(segmenter.predict_tiles(IMAGE, probabilities=True, config=config))


def test_bfloat16_is_nearly_the_same_and_is_recorded(segmenter):
    full, half = run(segmenter), run(segmenter, HALF)
    assert full.provenance["precision"] == "float32"
    assert half.provenance["precision"] == "bfloat16"
    difference = np.abs(full.probabilities - half.probabilities)
    assert 0 < difference.max() < 0.1


@pytest.mark.parametrize("name", ["maskrcnn", "solo", "pixels"])
def test_methods_whose_results_need_all_digits_stay_in_float32(name):
    assert used_precision(model_info(name), "bfloat16", torch.device("cpu")) == "float32"


def test_every_function_takes_the_settings(segmenter):
    expected = run(segmenter, HALF)
    np.testing.assert_array_equal(segmenter.predict(IMAGE, config=HALF), expected.labels)
    maps = segmenter.predict_proba(IMAGE, config=HALF)
    np.testing.assert_array_equal(maps, expected.probabilities)


def run_on(model, image, config, **options):
    request = PredictRequest(model, AxesImage(image, "ZYX"[-image.ndim :]), config=config)
    return drain(predict_tiles_of(model)(replace(request, **options)))


def trained_with(make, **augment):
    return make(1, config=TrainConfig(augment=AugmentConfig(**augment)))


MIRRORS = {
    "both": ({"quarter_turns": False}, [lambda x: x, fliplr, flipud, lambda x: fliplr(flipud(x))]),
    "left to right": ({"quarter_turns": False, "vertical_flip": False}, [lambda x: x, fliplr]),
    "turns": (
        {"horizontal_flip": False, "vertical_flip": False},
        [lambda x, n=n: rot90(x, n) for n in range(4)],
    ),
    "all": (
        {},
        [lambda x, n=n, m=m: m(rot90(x, n)) for n in range(4) for m in (fliplr, lambda x: x)],
    ),
}
UNDO = {"turns": [lambda x, n=n: rot90(x, -n) for n in range(4)]}
UNDO["all"] = [lambda x, n=n, m=m: rot90(m(x), -n) for n in range(4) for m in (fliplr, np.array)]


@pytest.mark.parametrize("name", MIRRORS)
def test_flips_are_the_mean_over_the_mirrored_copies_of_the_training(make, name):
    augment, copies = MIRRORS[name]
    model, image = trained_with(make, **augment), coins()[:96, 50:146]  # one tile without overlap
    model = replace(model, overlap=(0, 0))
    numbers = model.measure(AxesImage(image, "YX"))
    found = run_on(
        model, image, PredictConfig(flips=True), probabilities=True, statistics=numbers
    ).probabilities
    each = []
    for copy, undo in zip(copies, UNDO.get(name, copies), strict=True):
        with torch.inference_mode():
            pixels = numbers.apply(np.ascontiguousarray(copy(image))[None])[None]
            probabilities = model.network(torch.from_numpy(pixels)).softmax(1)[0]
        each.append([undo(plane) for plane in probabilities.numpy()])
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-6)


def test_volumes_are_mirrored_along_three_axes_and_turned_in_plane():
    volume = torch.from_numpy(np.random.default_rng(0).random((1, 1, 4, 6, 6), np.float32))
    model = SimpleNamespace(
        config=TrainConfig(),
        info=model_info("unet3d"),
        ndim=3,
        patch=(32, 64, 64),
        spacing=(5.0, 1.0, 1.0),
        strides=(8, 16, 16),
    )
    copies = symmetries(model)
    seen = {symmetry.apply(volume).numpy().tobytes() for symmetry in copies}
    assert len(copies) == len(seen) == 16
    predict = nn.Conv3d(1, 2, 3, padding=1).requires_grad_(False)
    found = mean_over_symmetries(predict, volume, copies)[0]
    each = [
        rot90(np.flip(predict(torch.from_numpy(flipped.copy())).numpy()[0], axes), -n, (2, 3))
        for count in range(3)
        for axes in combinations((1, 3), count)
        for n in range(4)
        for flipped in [np.flip(rot90(volume.numpy(), n, (3, 4)), [a + 1 for a in axes])]
    ]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-6)
    model.spacing = (1.0, 1.0, 2.0)
    assert len(symmetries(model)) == 8  # no turns, but mirrored along all axes


def test_every_pixel_of_a_mirrored_image_gets_its_label_with_flips(make):
    model, image = replace(trained_with(make), overlap=(0, 0)), coins()
    config = PredictConfig(flips=True)
    maps = [run_on(model, pixels, config, probabilities=True).probabilities
            for pixels in (image[:96, :96], image[:96, :96][::-1].T)]  # fmt: skip
    np.testing.assert_allclose(maps[1], [plane[::-1].T for plane in maps[0]], atol=1e-5)


class Dropping(nn.Module):
    """A small network whose dropout is not in its last layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout2d(0.5), nn.Conv2d(8, 3, 1)
        )

    def forward(self, x):
        return self.layers(x)


@pytest.fixture
def dropping(make):
    torch.manual_seed(0)
    return make(1, network=Dropping().eval())


def test_passes_are_random_but_the_same_again_and_in_any_batch(dropping):
    image, state = IMAGE, torch.get_rng_state()
    numbers = dropping.measure(AxesImage(image, "YX"))
    options = {"probabilities": True, "statistics": numbers}
    once = run_on(dropping, image, PredictConfig(), **options)
    config = PredictConfig(passes=3)
    first = run_on(dropping, image, config, **options)
    again = run_on(dropping, image, config, tile=TileConfig(batch_size=1), **options)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    assert np.abs(first.probabilities - once.probabilities).max() > 0.01
    np.testing.assert_array_equal(torch.get_rng_state(), state)
    assert not any(module.training for module in dropping.network.modules())
    many = run_on(dropping, image[:96, :96], PredictConfig(passes=20), **options).probabilities
    more = run_on(dropping, image[:96, :96], PredictConfig(passes=40), **options).probabilities
    assert np.abs(many - more).mean() < 0.05  # they converge


def test_a_prediction_with_dropout_leaves_others_of_the_model_without(dropping):
    shared = network_of(dropping, torch.device("cpu"), "float32")
    own = with_dropout(shared)
    assert own.module.layers[2].training
    assert not shared.module.layers[2].training
    assert own.module.layers[0].weight is shared.module.layers[0].weight


@pytest.mark.parametrize(("how", "passes"), [("entropy", 1), ("margin", 1), ("entropy", 2)])
def test_uncertainty_is_that_of_the_mean_probabilities(dropping, how, passes):
    config = PredictConfig(uncertainty=how, passes=passes)
    found = run_on(dropping, IMAGE, config, probabilities=True)
    maps = found.probabilities
    if how == "entropy":
        expected = stats.entropy(maps, base=3, axis=0)
    else:
        ordered = np.sort(maps, axis=0)
        expected = 1 - (ordered[-1] - ordered[-2])
    assert found.uncertainty.dtype == np.float32
    np.testing.assert_allclose(found.uncertainty, expected, atol=1e-5)
    alone = run_on(dropping, IMAGE, config)
    assert alone.probabilities is None
    np.testing.assert_array_equal(alone.uncertainty, found.uncertainty)


@pytest.mark.filterwarnings("ignore:.*NaN or infinite pixels")
def test_uncertainty_is_0_where_pixels_are_missing_and_of_the_network_if_refined(make):
    image = IMAGE.astype(np.float32)
    image[:20, :30] = np.nan
    config = PredictConfig(uncertainty="margin")
    plain = run_on(make(1), image, config).uncertainty
    assert not plain[:20, :30].any()
    assert plain[20:, 30:].all()
    refined = make(1, refine=RefineConfig("mrf", clean=(CleanConfig(1, min_size=50),)))
    np.testing.assert_allclose(run_on(refined, image, config).uncertainty, plain, atol=1e-6)


def test_a_prediction_that_was_stopped_goes_on_with_its_uncertainty(segmenter):
    config = PredictConfig(uncertainty="entropy", flips=True)
    expected, sink = run(segmenter, config).uncertainty, MemorySink()
    steps = segmenter.predict_tiles(IMAGE, config=config, sink=sink)
    next(steps)
    steps.close()
    found = drain(segmenter.predict_tiles(IMAGE, config=config, sink=sink))
    np.testing.assert_array_equal(found.uncertainty, expected)
    with pytest.raises(ValueError, match="other settings"):
        drain(segmenter.predict_tiles(IMAGE, sink=sink))


class LabelsOnly:
    labels = probabilities = None

    def start(self, plan):
        raise AssertionError


REFUSED = {
    "no mirrored patches": (
        lambda make: trained_with(make, augment=False), {"flips": True}, "not trained on mirrored"
    ),
    "pixel classifier": (
        lambda make: make(1, spec=ModelSpec("pixels")), {"flips": True}, "not trained on mirrored"
    ),
    "masks": (
        lambda make: make(1, spec=ModelSpec("maskrcnn"), classes=OBJECT), {"flips": True},
        "flips=True, but Mask R-CNN predicts objects with masks",
    ),
    "no dropout": (lambda make: make(1), {"passes": 2}, "passes=2, but the network of this U-N"),
}  # fmt: skip
OBJECT = (LabelClass(0, "background", "#000000"), LabelClass(1, "object", "#ffffff"))


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_model_does_not_have_is_refused_before_work(make, case):
    make_one, values, said = REFUSED[case]
    segmenter = Segmenter.of_trained(make_one(make), device="cpu")
    with pytest.raises(ValueError, match=said):
        next(segmenter.predict_tiles(IMAGE, config=PredictConfig(**values)))


def test_a_sink_that_takes_no_uncertainty_is_told(segmenter):
    config = PredictConfig(uncertainty="margin")
    with pytest.raises(ValueError, match="a method write_uncertainty"):
        next(segmenter.predict_tiles(IMAGE, config=config, sink=LabelsOnly()))


@pytest.mark.parametrize("how", ["entropy", "margin"])
def test_one_class_is_certain_and_equal_ones_are_not(how):
    assert not uncertainty_of(np.ones((1, 2, 2), np.float32), how).any()
    np.testing.assert_allclose(uncertainty_of(np.full((5, 2), 0.2, np.float32), how), 1, atol=1e-6)
    assert not uncertainty_of(np.eye(3, dtype=np.float32), how).any()


def test_of_a_region_uncertainty_is_that_of_the_whole_there_and_0_elsewhere(dropping):
    segmenter = Segmenter.of_trained(dropping, device="cpu")
    config = PredictConfig(uncertainty="margin", flips=True, passes=2)
    region = (slice(70, 120), slice(20, 90))
    whole, part = (
        drain(segmenter.predict_tiles(IMAGE, config=config, region=r)) for r in (None, region)
    )
    np.testing.assert_array_equal(part.uncertainty[region], whole.uncertainty[region])
    assert np.count_nonzero(part.uncertainty) <= 50 * 70


@pytest.mark.parametrize("by", ["distance", "boundary"])
def test_objects_have_the_uncertainty_of_their_class_probabilities(make, by):
    model = make(
        1,
        network=type(make(1).network)(1, 1 + LEVELS[by]).eval(),
        spec=ModelSpec(objects=by),
        classes=OBJECT,
        object_size=20.0,
    )
    config = PredictConfig(uncertainty="entropy", flips=True)
    found = run_on(model, IMAGE, config, probabilities=True)
    expected = stats.entropy(found.probabilities, base=2, axis=0)
    np.testing.assert_allclose(found.uncertainty, expected, atol=1e-5)
    plain = run_on(model, IMAGE, PredictConfig(), probabilities=True)
    assert np.abs(plain.probabilities - found.probabilities).max() > 1e-3


def test_a_merged_model_has_the_uncertainty_of_all_its_classes(make):
    things = make(
        1,
        network=type(make(1).network)(1, 1 + LEVELS["distance"]).eval(),
        spec=ModelSpec(objects="distance"),
        classes=OBJECT,
        object_size=20.0,
        stuff=make(1),
        stuff_values=(4, 300),
    )
    config = PredictConfig(uncertainty="entropy")
    found = run_on(things, IMAGE, config, probabilities=True)
    expected = stats.entropy(found.probabilities, base=4, axis=0)
    np.testing.assert_allclose(found.uncertainty, expected, atol=1e-5)
    assert found.provenance["uncertainty"] == "entropy"
    region = Region("YX", IMAGE.shape, (Part(np.s_[0:20, 0:30]),))
    part = run_on(things, IMAGE, config, region=region)
    assert not part.is_partial
    assert part.predicted is region
