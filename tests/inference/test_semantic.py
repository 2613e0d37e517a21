import json
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import torch
from skimage.data import coins, immunohistochemistry

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference.plan import make_grid
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.semantic import predict_tiles
from napari_segkit.steps import drain


@pytest.fixture
def model(make):
    return make(1)


def run(model, image, config=None, **options):
    return drain(predict_tiles(PredictRequest(model, image, config or TileConfig(), **options)))


@pytest.mark.parametrize("shape", [(303, 384), (257, 96), (96, 96), (40, 310), (1, 1), (5, 300)])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_tiled_equals_untiled_everywhere(model, shape, batch_size, make):
    pixels = np.tile(coins(), (2, 2))[: shape[0], : shape[1]]
    pixels = pixels if pixels.size > 1 else np.array([[7]])
    image = AxesImage(pixels, "YX")
    numbers = make(1).measure(AxesImage(coins(), "YX"))
    one_tile = TileConfig(tile_size=512, overlap=32)
    tiled = run(
        model, image, TileConfig(batch_size=batch_size), probabilities=True, statistics=numbers
    )
    whole = run(model, image, one_tile, probabilities=True, statistics=numbers)
    assert len(make_grid(model, image, one_tile)) == 1
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_allclose(tiled.probabilities.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("shape", [(303, 384), (96, 97), (40, 310)])
def test_tiles_that_are_cut_equal_untiled_too(shape, make):
    cut, image = (
        make(1, patch=(64, 64)),
        AxesImage(np.tile(coins(), (2, 2))[: shape[0], : shape[1]], "YX"),
    )
    one_tile = TileConfig(tile_size=512, overlap=32)
    tiled, whole = (
        run(cut, image, c, probabilities=True).probabilities for c in (TileConfig(), one_tile)
    )
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    inside = (..., slice(None, -8), slice(None, -8))  # the mirrored pixels past the end are fewer
    as_before = run(make(1), image, probabilities=True).probabilities
    np.testing.assert_allclose(tiled[inside], as_before[inside], atol=1e-5)


def test_colour_tiles_equal_untiled_too(make):
    model = make(3)
    image = AxesImage(immunohistochemistry()[:300, :250], "YXC")
    tiled, whole = (
        run(model, image, c, probabilities=True).probabilities
        for c in (TileConfig(), TileConfig(tile_size=512, overlap=32))
    )
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_labels_are_the_likeliest_class_values(model):
    found = run(model, AxesImage(coins(), "YX"), probabilities=True)
    assert found.labels.dtype == np.uint16
    np.testing.assert_array_equal(
        found.labels, np.array([1, 4, 300])[found.probabilities.argmax(axis=0)]
    )


def test_a_stack_is_its_slices_with_the_stacks_numbers(model):
    stack = np.stack([coins()[:120, :130], coins()[150:270, 200:330] // 3, coins()[-120:, -130:]])
    image = AxesImage(stack, "ZYX")
    numbers = model.measure(image)
    together = run(model, image, probabilities=True).probabilities
    for z in range(3):
        alone = run(model, AxesImage(stack[z], "YX"), probabilities=True, statistics=numbers)
        np.testing.assert_allclose(together[:, z], alone.probabilities, atol=1e-5)


@pytest.mark.parametrize("axes", ["TZYX", "YXZT", "XYTZ"])
def test_any_order_of_axes_gives_the_same_labels_in_place(model, axes):
    series = np.stack(
        [
            [coins()[i : i + 70, :80] for i in (0, 50, 90)],
            [coins()[i : i + 70, -80:] for i in (7, 50, 90)],
        ]
    )
    moved = series.transpose(["TZYX".index(a) for a in axes])
    expected = run(model, AxesImage(series, "TZYX")).labels
    found = run(model, AxesImage(moved, axes)).labels
    np.testing.assert_array_equal(found, expected.transpose(["TZYX".index(a) for a in axes]))


@pytest.mark.parametrize("factor", [0.5, 2])
def test_halved_or_doubled_intensities_change_nothing(model, factor):
    pixels = coins().astype(np.uint16) * 2
    plain, scaled = (
        run(model, AxesImage((pixels * f).astype(np.uint16), "YX")).labels for f in (1, factor)
    )
    assert (plain == scaled).mean() >= 0.995


def test_training_numbers_and_no_normalisation_are_kept_as_declared(make):
    fixed = make(1).measure(AxesImage(coins(), "YX"))
    by_training = make(1, config=TrainConfig(normalise="training"), statistics=fixed)
    dark = AxesImage(coins() // 2, "YX")
    assert by_training.measure(dark) == fixed
    assert make(1, config=TrainConfig(normalise="none")).measure(dark).high == (1.0,)


def test_a_lazy_image_is_never_loaded_whole(model):
    lazy = da.from_array(np.tile(coins(), (16, 16)), chunks=(128, 128))
    touched = set()

    def note(block, block_id=None):
        touched.add(block_id)
        return block

    watched = lazy.map_blocks(note, dtype=lazy.dtype, meta=np.zeros((0, 0), lazy.dtype))
    steps = predict_tiles(PredictRequest(model, AxesImage(watched, "YX"), TileConfig()))
    next(steps)
    steps.close()
    assert 0 < len(touched) < lazy.npartitions / 2


def test_provenance_says_what_the_pixels_depend_on(model):
    made = run(model, AxesImage(coins(), "YX", name="coins"), TileConfig(batch_size=3)).provenance
    assert json.loads(json.dumps(made)) == made
    assert made["batch_size"] == 3
    assert made["threads"] == torch.get_num_threads()
    assert made["tile_size"] == [96, 96]
    assert made["normalise"]["low"] == [23.0]
    assert not made["tiles_changed"]
    assert run(model, AxesImage(coins(), "YX"), TileConfig(tile_size=128)).provenance[
        "tiles_changed"
    ]


def test_a_model_of_a_thin_stack_has_no_seams_in_a_tall_one():
    volume = np.random.default_rng(0).random((12, 32, 32))
    config = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, unlabelled=None)
    thin = Segmenter(ModelSpec("mednext")).fit(volume, (volume > 0.5).astype(int), config)
    tall, same = (AxesImage(np.zeros((n, 32, 32)), "ZYX") for n in (160, 12))
    grid = make_grid(thin.trained, tall, TileConfig())
    assert (grid.size[0], grid.overlap[0]) == (32, 16)
    (tile,) = grid = make_grid(thin.trained, same, TileConfig())
    assert grid.extent(tile) == (16, 32, 32)
    of_before = replace(thin.trained, tile_size=(16, 32, 32), overlap=(0, 16, 16), patch=())
    grid = make_grid(of_before, tall, TileConfig())
    assert (grid.size[0], grid.overlap[0]) == (32, 16)
    assert make_grid(of_before, same, TileConfig()).size[0] == 16
    assert make_grid(of_before, same, TileConfig(32)).size == (16, 32, 32)


def test_progress_counts_all_tiles_of_all_slices(model):
    stack = AxesImage(np.stack([coins()] * 2), "ZYX")
    steps = list(predict_tiles(PredictRequest(model, stack)))
    tiles = len(make_grid(model, stack, TileConfig()))
    assert steps[-1].done == steps[-1].total == 2 * tiles


@pytest.mark.parametrize(
    ("image", "config", "said"),
    [
        (AxesImage(np.zeros((9, 9, 3)), "YXC"), TileConfig(), r"has 3 channel"),
        (
            AxesImage(coins(), "YX"),
            TileConfig(overlap=80),
            "overlap of 80 pixels is more than half",
        ),
    ],
)
def test_an_image_that_does_not_suit_is_refused_before_work_starts(model, image, config, said):
    with pytest.raises(ValueError, match=said):
        next(predict_tiles(PredictRequest(model, image, config)))
