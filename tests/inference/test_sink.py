"""A prediction fills its sink cell by cell, and can be stopped and continued."""

import gc
import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from skimage.data import coins

from napari_segkit import CleanConfig, ModelSpec, RefineConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import foreground_classes
from napari_segkit.inference.progress import TileStep
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.shown_sink import ShownSink
from napari_segkit.inference.sink import MemorySink
from napari_segkit.steps import drain

STACK = np.stack([np.tile(coins(), (2, 1))[:400], np.tile(coins(), (2, 1))[200:600]])
CLEAN = RefineConfig(clean=(CleanConfig(4, min_size=30),))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("stop", [1, 7, 13])
def test_a_stopped_prediction_continues_where_it_was(segmenter, predicted, keep, stop):
    whole = drain(segmenter.predict_tiles(STACK, probabilities=keep))
    every = predicted.copy()
    predicted.clear()
    sink = MemorySink(keep_probabilities=keep)
    steps = segmenter.predict_tiles(STACK, sink=sink)
    for _ in range(stop):
        next(steps)
    steps.close()
    first = predicted.copy()
    predicted.clear()
    rest = list(segmenter.predict_tiles(STACK, sink=sink))
    assert rest[-1].done == rest[-1].total == len(predicted)  # tiles that are really computed
    assert set(first) | set(predicted) == set(every)
    assert len(predicted) < len(every) - len(first) + 10
    assert list(segmenter.predict_tiles(STACK, sink=sink)) == [TileStep(1, 1)]  # nothing to do
    continued = drain(segmenter.predict_tiles(STACK, sink=sink))
    np.testing.assert_array_equal(continued.labels, whole.labels)
    if keep:
        np.testing.assert_array_equal(continued.probabilities, whole.probabilities)


def test_refined_frames_are_finished_as_a_whole(segmenter):
    sink = MemorySink()
    steps = segmenter.predict_tiles(STACK, sink=sink, refine=CLEAN)
    while not sink.is_finished({"Z": 0}, next_cell(segmenter, CLEAN)):
        next(steps)
    steps.close()
    assert not sink.labels[1].any()
    rest = list(segmenter.predict_tiles(STACK, sink=sink, refine=CLEAN))
    assert len(rest) < len(list(segmenter.predict_tiles(STACK, refine=CLEAN)))
    np.testing.assert_array_equal(sink.labels, segmenter.predict(STACK, refine=CLEAN))


def next_cell(segmenter, refine):
    model = replace(segmenter.trained, refine=refine)
    (cell,) = PredictRequest(model, AxesImage(STACK, "ZYX")).plan.cells
    return cell


class ViewSink(MemorySink):
    """Wants only the cells that a view shows."""

    view = (slice(150, 190), slice(100, 120))

    def is_finished(self, frame, cell):
        shown = all(
            c.start < v.stop and v.start < c.stop
            for c, v in zip(cell.region, self.view, strict=True)
        )
        return not shown or super().is_finished(frame, cell)


def test_a_view_is_predicted_from_its_own_tiles(segmenter, predicted):
    image = STACK[0]
    expected = segmenter.predict(image)
    every = len(predicted)
    predicted.clear()
    found = drain(segmenter.predict_tiles(image, sink=ViewSink())).labels
    np.testing.assert_array_equal(found[ViewSink.view], expected[ViewSink.view])
    assert len(predicted) < every / 3


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (STACK[:, 1:], {}),
        (STACK // 2, {}),
        (STACK, {"refine": CLEAN}),
        (STACK, {"tile": TileConfig(128)}),
    ],
)
def test_a_sink_is_not_continued_with_something_else(segmenter, image, options):
    sink = MemorySink()
    next(segmenter.predict_tiles(STACK, sink=sink))
    with pytest.raises(ValueError, match="another image, by another model or with other settings"):
        next(segmenter.predict_tiles(image, sink=sink, **options))


def test_a_sink_does_not_keep_its_image(segmenter):
    sink, image = MemorySink(), STACK.copy()
    drain(segmenter.predict_tiles(image, sink=sink))
    alive = weakref.ref(image)
    del image
    gc.collect()
    assert alive() is None
    assert sink.labels.any()


def test_objects_have_no_sink(segmenter, make):
    spec, classes = ModelSpec(objects="distance"), foreground_classes((0, 1))
    segmenter.trained = make(1, spec=spec, classes=classes, object_size=9.0)
    with pytest.raises(ValueError, match="predicts objects: omit it"):
        next(segmenter.predict_tiles(STACK, sink=MemorySink()))


def test_labels_need_the_memory_of_a_row_of_tiles(segmenter):
    image = np.tile(coins(), (6, 4))
    statistics = segmenter.measure(image)
    tracemalloc.start()
    drain(segmenter.predict_tiles(image, statistics=statistics))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    row = 3 * 4 * 128 * image.shape[1]  # classes, float32, two rows of cells
    assert peak < 2 * image.size + 3 * row  # uint16 labels
    assert peak < 3 * 4 * image.size


@pytest.mark.parametrize("refine", [RefineConfig(), CLEAN])
def test_labels_of_single_tiles_are_shown_and_nowhere_else(segmenter, refine):
    view = np.s_[1, 100:300, 70:250]
    whole, sink = segmenter.predict(STACK, refine=refine), ShownSink()
    steps = segmenter.predict_tiles(STACK, sink=sink, region=view, refine=refine)
    next(steps)
    seen = sink.shown[0] != 0
    assert seen[100, 90]  # the middle, of one tile
    assert not seen.all()
    assert not sink.labels.any()
    assert sink.predicted.pixels == 0
    steps.close()
    drain(segmenter.predict_tiles(STACK, sink=sink, region=view, refine=refine))
    np.testing.assert_array_equal(sink.shown[0], whole[view])
    np.testing.assert_array_equal(sink.labels[view], whole[view])
    assert np.count_nonzero(sink.labels) == np.count_nonzero(whole[view])


def test_what_is_known_already_is_shown_at_once(segmenter):
    whole, sink = segmenter.predict(STACK), ShownSink()
    drain(segmenter.predict_tiles(STACK, sink=sink, region=np.s_[0, :200, :]))
    next(segmenter.predict_tiles(STACK, sink=sink, region=np.s_[0, :210, :]))
    np.testing.assert_array_equal(sink.shown[0, :200], whole[0, :200])
    assert not sink.labels[0, 200:].any()
