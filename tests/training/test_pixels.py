from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_segkit.config import FeatureConfig, ModelSpec, TileConfig, TrainConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.semantic import predict_tiles
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import drain
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.events import TrainStep
from napari_segkit.training.pixels import ITERATIONS as BY_DIMENSIONS
from napari_segkit.training.pixels import PixelTrainer
from napari_segkit.training.prepare_data import prepare_data
from napari_segkit.training.training_setup import TrainingSetup

CPU = torch.device("cpu")
ITERATIONS = BY_DIMENSIONS[2]
SPEC = ModelSpec("pixels", encoder="filters")
CLASSES = (LabelClass(1, "fine", "#ff0000"), LabelClass(2, "coarse", "#00ff00"))


def task(shape=(160, 200), seed=0):
    """Fine noise inside a ball, coarse noise outside, a few strokes in each."""
    random = np.random.default_rng(seed)
    noise = [random.normal(size=shape), ndimage.gaussian_filter(random.normal(size=shape), 3)]
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    inside = sum(g**2 for g in grid) < 0.5
    image = np.where(inside, noise[0] / noise[0].std(), noise[1] / noise[1].std())
    truth = np.where(inside, 1, 2)
    painted = np.zeros_like(truth)
    middle = tuple(n // 2 for n in shape[:-2])
    rows = slice(shape[-2] // 2 - 3, shape[-2] // 2 + 3)
    painted[(*middle, rows, slice(shape[-1] // 3, 2 * shape[-1] // 3))] = 1
    painted[(*middle, slice(3, 6), slice(None))] = 2
    painted[(*middle, slice(-9, -6), slice(None))] = 2
    painted[(*middle, slice(None), slice(4, 7))] = 2
    return image.astype(np.float32), truth, painted


def trainer(spec, image, painted, config, classes=CLASSES):
    data = prepare_data(spec, config, LabelledImages([(image, painted)], classes))
    return PixelTrainer(TrainingSetup(spec, data, config, CPU))


def train(image, painted, config=None, spec=SPEC, axes="YX", spacing=(1.0, 1.0, 1.0)):
    named = AxesImage(image, axes, spacing)
    training = trainer(spec, named, painted, config or TrainConfig())
    steps = list(training.steps())
    return training, steps


def labels(training, image):
    named = replace(training.data.images[0], data=image)
    return drain(predict_tiles(PredictRequest(training.snapshot(), named))).labels


def iou(found, truth):
    return np.mean([((found == c) & (truth == c)).sum() / ((found == c) | (truth == c)).sum()
                    for c in (1, 2)])  # fmt: skip


def test_scribbles_on_two_textures():
    image, truth, painted = task()
    training, steps = train(image, painted)
    assert iou(labels(training, image), truth) > 0.9
    assert [s.done for s in steps] == list(range(1, len(steps) + 1))
    assert {s.total for s in steps} == {len(steps)}
    assert training.state.history[-1] < training.state.history[0]


def test_a_volume_with_thick_slices():
    image, truth, painted = task((9, 48, 56))
    spec = replace(SPEC, dims="3D")
    training, _ = train(image, painted, spec=spec, axes="ZYX", spacing=(7.5, 0.5, 0.5))
    assert len(training.tile_size) == 3
    assert iou(labels(training, image), truth) > 0.7


def test_classes_in_a_small_part_of_a_large_background_are_told_apart():
    random = np.random.default_rng(0)
    truth = np.ones((8, 80, 80), int)
    truth[:, 30:50, 30:40], truth[:, 30:50, 40:50] = 2, 3
    image = np.choose(truth - 1, (0.0, 10.0, 12.0)) + random.normal(size=truth.shape) * 0.2
    painted = np.where(np.arange(80) % 10 == 5, truth, 0)
    classes = (*CLASSES, LabelClass(3, "bright", "#0000ff"))
    spec, named = replace(SPEC, dims="3D"), AxesImage(image.astype(np.float32), "ZYX")
    training = trainer(spec, named, painted, TrainConfig(), classes)
    drain(training.steps())
    found = labels(training, named.data)
    assert all(((found == c) & (truth == c)).sum() > 0.9 * (truth == c).sum() for c in (1, 2, 3))


def test_the_textbook_sliding_window():
    image, truth, painted = task()
    config = FeatureConfig(intensity=False, edges=False, texture=False, window=9, stride=2)
    training, _ = train(image, painted, spec=replace(SPEC, features=config))
    assert iou(labels(training, image), truth) > 0.6


def test_the_seed_decides():
    image, _, painted = task()
    states = [
        train(image, painted, TrainConfig(seed=seed))[0].network.state_dict() for seed in (1, 1, 2)
    ]
    assert all(torch.equal(states[0][k], v) for k, v in states[1].items())
    assert not torch.equal(states[0]["directions"], states[2]["directions"])


def test_several_tiles_give_nearly_the_same_labels_as_one():
    image, _, painted = task((150, 160))
    small = TrainConfig(tile=TileConfig(tile_size=96, overlap=48))
    spec = replace(SPEC, features=FeatureConfig(smallest_scale=1.0, largest_scale=4.0))
    one, _ = train(image, painted, spec=spec)
    several, steps = train(image, painted, small, spec=spec)
    assert len(steps) > 1 + ITERATIONS
    assert (labels(one, image) == labels(several, image)).mean() > 0.98


def test_an_image_fits_in_one_tile_where_memory_allows():
    image, _, painted = task((200, 230))
    _, steps = train(image, painted)
    assert len(steps) == 1 + ITERATIONS


def test_only_tiles_that_hold_labels_are_computed():
    image, _, painted = task((200, 200))
    painted[60:] = 0
    painted[40:43, :40] = 1
    config = TrainConfig(tile=TileConfig(tile_size=64, overlap=16))
    training, steps = train(image, painted, config)
    grid = -(-(200 + 4 - 64) // 48) + 1
    assert len(steps) - ITERATIONS < grid**2 / 2
    assert set(np.unique(labels(training, image))) <= {1, 2}


def test_closed_while_features_are_computed_it_leaves_nothing():
    image, _, painted = task()
    training = trainer(SPEC, AxesImage(image, "YX"), painted, TrainConfig())
    steps = training.steps()
    assert not isinstance(next(steps), TrainStep)
    steps.close()
    assert not training.state.history


def test_closed_while_it_learns_it_is_usable():
    image, truth, painted = task()
    training = trainer(SPEC, AxesImage(image, "YX"), painted, TrainConfig())
    for step in training.steps():
        if isinstance(step, TrainStep):
            break
    assert training.state.history
    assert iou(labels(training, image), truth) > 0.7


def test_the_time_limit_ends_the_features():
    image, _, painted = task((200, 200))
    config = TrainConfig(minutes=0.01, tile=TileConfig(tile_size=32, overlap=16))
    training = trainer(SPEC, AxesImage(image, "YX"), painted, config)
    steps = training.steps()
    next(steps)
    assert to_dict(config)["minutes"] == 0.01
    assert sum(isinstance(s, TrainStep) for s in steps) == ITERATIONS


@pytest.mark.parametrize("channels", [2, 5])
def test_channels(channels):
    image, truth, painted = task()
    stack = np.stack([image] + [np.zeros_like(image)] * (channels - 1))
    training, _ = train(stack, painted, axes="CYX")
    assert iou(labels(training, stack), truth) > 0.9


def test_dense_labels_are_learned_from_a_part_of_their_pixels(monkeypatch):
    monkeypatch.setattr("napari_segkit.training.labelled_tiles.SAMPLED_PIXELS", 500)
    monkeypatch.setattr("napari_segkit.training.labelled_tiles.MIN_PER_CLASS", 100)
    image, truth, _ = task()
    training, _ = train(image, truth)
    learned = sum(len(tile.targets) for tile in training._tiles)
    assert 400 < learned < 700
    assert iou(labels(training, image), truth) > 0.9


def test_air_of_another_volume_stays_air():
    """Its one exact value is another one there, as each volume is normalised by itself."""
    random = np.random.default_rng(0)
    _, y, x = np.indices((12, 32, 32)) - 16
    inside = y**2 + x**2 < 120
    volume = np.where(inside, random.normal(100, 10, inside.shape), 0)
    labels = inside.astype(np.uint8) + (inside & (x > 0))
    config = TrainConfig(unlabelled=None, normalise="none")
    segmenter = Segmenter(ModelSpec("pixels", dims="3D")).fit(volume, labels, config)
    for shift in (-12, 18):
        found = segmenter.predict(volume + shift)
        assert (found[~inside] == 0).mean() > 0.98


@pytest.mark.parametrize("edge", [2, 8])
def test_a_small_class_that_stands_out_is_found_again(edge):
    random = np.random.default_rng(0)
    truth = np.ones((256, 256), np.uint8)
    truth[20:60, 20:60], truth[150 : 150 + edge, 150 : 150 + edge] = 2, 3
    image = np.array([0, 0, 0.7, 3.0])[truth] + random.normal(0, 0.05, truth.shape)
    with pytest.warns(UserWarning, match="labelled pixels") if edge < 7 else nullcontext():
        found = Segmenter(SPEC).fit(image, truth).predict(image)
    assert (found[truth == 3] == 3).all()
    assert (found == 3).sum() <= (edge + 2) ** 2  # no further than its rim
    assert (found == truth).mean() > 0.99
