"""What is looked at is predicted, the middle first, as a prediction of the whole image has it."""

import dask.array as da
import numpy as np
import pytest
from skimage.data import coins

from napari_segkit import PredictConfig, Segmenter, TileConfig
from napari_segkit.config import CleanConfig, RefineConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference import view_cells
from napari_segkit.inference.view_prediction import Look, ViewWaiting
from napari_segkit.jobs.follow_view import follow_view
from napari_segkit.jobs.kept_prediction import PredictionOptions

IMAGE = np.tile(coins(), (3, 3))[:500, :600]
STACK = np.stack([IMAGE[:200, :150], IMAGE[200:400, 100:250], IMAGE[100:300, 400:550]])


@pytest.fixture
def predicted(monkeypatch):
    """The tiles that are predicted: the image's height, frame and start."""
    seen, before = [], view_cells.tile_probabilities

    def tile_probabilities(plan, frame, tiles):
        seen.extend((plan.frame_shape[0], *frame.values(), *tile.start) for tile in tiles)
        return before(plan, frame, tiles)

    monkeypatch.setattr(view_cells, "tile_probabilities", tile_probabilities)
    return seen


def follow(segmenter, image, axes="YX", **options):
    return follow_view(segmenter, image, axes, PredictionOptions(**options))


def look(prediction, *box, level=0):
    """Look at a box until all of it is predicted; the last step."""
    prediction.look = Look(tuple([slice(*side) for side in box]), level)
    steps = prediction.steps()
    return next(step for step in steps if isinstance(step, ViewWaiting))


def shown(prediction, level=0):
    return np.asarray(prediction.cache.views()[level])


def test_what_is_looked_at_is_as_in_the_whole_prediction(segmenter, predicted):
    prediction = follow(segmenter, IMAGE)
    last = look(prediction, (200, 300), (210, 350))
    whole = segmenter.predict(IMAGE)
    np.testing.assert_array_equal(shown(prediction)[200:300, 210:350], whole[200:300, 210:350])
    assert len(predicted) == len(set(predicted))  # each once
    assert max(start for _, start, _ in predicted) < 500
    assert not shown(prediction)[450:].any()
    assert last.done == last.total
    assert not last.is_preview


def test_the_middle_comes_first_and_neighbours_share_tiles(segmenter, predicted):
    prediction = follow(segmenter, IMAGE)
    look(prediction, (0, 448), (0, 448))
    assert np.abs(np.subtract(predicted[0][1:], 224 - 48)).max() <= 64
    before = len(predicted)
    look(prediction, (0, 448), (64, 512))  # one further column
    assert len(predicted) - before <= 8
    before = len(predicted)
    look(prediction, (0, 448), (0, 512))  # nothing new
    assert len(predicted) == before


def test_what_is_out_of_view_is_dropped(segmenter, predicted):
    prediction = follow(segmenter, IMAGE)
    prediction.look = Look((slice(0, 350), slice(0, 350)), 0)
    steps = prediction.steps()
    for _ in range(6):
        next(steps)
    before = len(predicted)
    prediction.look = Look((slice(450, 500), slice(520, 600)), 0)
    next(step for step in steps if isinstance(step, ViewWaiting))
    assert all(min(start) > 300 for _, *start in predicted[before + 1 :])


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
def test_only_the_slice_in_view_is_predicted(segmenter, predicted, axes):
    prediction = follow(segmenter, STACK, axes)
    look(prediction, (1, 2), (0, 200), (0, 150))
    assert {frame for _, frame, *_ in predicted} == {1}
    whole = segmenter.predict(STACK, axes=axes)
    np.testing.assert_array_equal(shown(prediction)[1], whole[1])
    assert not shown(prediction)[[0, 2]].any()


def test_channels_are_read(make):
    segmenter = Segmenter(device="cpu")
    segmenter.trained = make(3, axes="YXC")
    image = np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]], axis=-1)[:150, :150]
    prediction = follow(segmenter, da.from_array(image, chunks=(100, 100, 3)), "YXC")
    look(prediction, (0, 150), (0, 150))
    np.testing.assert_array_equal(shown(prediction), segmenter.predict(image))


def test_a_coarse_level_is_shown_as_a_preview_until_it_is_predicted(segmenter, predicted):
    image = IMAGE
    levels = [image, image[::2, ::2], image[::4, ::4]]
    prediction = follow(segmenter, levels)
    prediction.look = Look((slice(0, 500), slice(0, 600)), 2)
    steps = prediction.steps()
    first = next(s for s in steps if s.total and predicted and predicted[-1][0] == 500)
    assert first.is_preview
    assert "preview" in first.text
    assert {height for height, *_ in predicted[:-1]} == {125}  # all of the preview came before
    expected = segmenter.predict(levels[2])
    assert (shown(prediction, 2) == expected).mean() > 0.9  # some is predicted by now
    next(step for step in steps if isinstance(step, ViewWaiting))
    np.testing.assert_array_equal(shown(prediction, 0), segmenter.predict(IMAGE))
    np.testing.assert_array_equal(shown(prediction, 2), shown(prediction, 0)[2::4, 2::4])


def test_chunks_of_the_only_level_are_not_all_read_for_a_preview(segmenter, predicted):
    image = da.from_array(IMAGE, chunks=100)
    prediction = follow(segmenter, image)
    prediction.look = Look((slice(0, 500), slice(0, 600)), 1)
    steps = prediction.steps()
    next(step for step in steps if predicted)
    assert predicted[0][0] == 500


def test_pixels_that_are_not_finite_get_no_class(segmenter):
    image = IMAGE[:120, :120].astype(float)
    image[50:90, 20:60] = np.nan
    prediction = follow(segmenter, image)
    with pytest.warns(UserWarning, match="NaN"):
        look(prediction, (0, 120), (0, 120))
    with pytest.warns(UserWarning, match="NaN"):
        whole = segmenter.predict(image)
    np.testing.assert_array_equal(shown(prediction), whole)


def test_what_depends_on_more_than_tiles_is_refused(segmenter, make):
    with pytest.raises(ValueError, match="refined"):
        follow(segmenter, IMAGE, refine=RefineConfig(clean=(CleanConfig(4, min_size=30),)))
    with pytest.raises(ValueError, match="uncertainty"):
        follow(segmenter, IMAGE, config=PredictConfig(uncertainty="entropy"))
    with pytest.raises(ValueError, match="trained or loaded"):
        follow(Segmenter(device="cpu"), IMAGE)
    with pytest.raises(ValueError, match="channel"):
        follow(segmenter, np.zeros((40, 40, 5)), "YXC")
    turned = AxesImage(STACK, "ZYX", orientation="SAR")
    segmenter.trained = make(1, axes="ZYX", orientation="SPL")
    with pytest.raises(ValueError, match="turned"):
        follow(segmenter, turned, None)


def test_a_cell_that_could_not_be_kept_is_predicted_again(segmenter, monkeypatch):
    image = IMAGE[:100, :100]
    prediction = follow(segmenter, image)

    def fails(box, labels):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(prediction.cache, "write", fails)
        with pytest.raises(OSError, match="space"):
            look(prediction, (0, 100), (0, 100))
    assert prediction.shows_preview(prediction.look)
    look(prediction, (0, 100), (0, 100))
    assert not prediction.shows_preview(prediction.look)
    np.testing.assert_array_equal(shown(prediction), segmenter.predict(image))


@pytest.mark.parametrize("shape", [(1, 300), (5, 3)])
def test_images_of_few_pixels(segmenter, shape):
    image = IMAGE[: shape[0], : shape[1]]
    prediction = follow(segmenter, image)
    look(prediction, (0, shape[0]), (0, shape[1]), level=1)
    np.testing.assert_array_equal(shown(prediction), segmenter.predict(image))


def test_settings_of_the_tiles_hold(segmenter):
    tile, config = TileConfig(tile_size=64), PredictConfig(flips=True)
    image = IMAGE[:100, :100]
    prediction = follow(segmenter, image, tile=tile, config=config)
    look(prediction, (0, 100), (0, 100))
    whole = segmenter.predict(image, tile, config=config)
    np.testing.assert_array_equal(shown(prediction), whole)
