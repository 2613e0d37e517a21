"""A prediction goes to a zarr folder cell by cell, and on where it was stopped."""

import errno

import numpy as np
import pytest
import zarr
from skimage.data import coins

from napari_segkit import PredictConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference import columns
from napari_segkit.inference.plan import TilePlan
from napari_segkit.io.journal import Journal
from napari_segkit.io.zarr.result_paths import part_folder
from napari_segkit.steps import Finish, drain

STACK = np.stack([coins()[:200, :230], coins()[100:300, 100:330]])
TILES = 2 * 3 * 4


def stop_after(steps, count):
    for _ in range(count):
        next(steps)
    steps.close()


def test_a_folder_holds_what_memory_would(segmenter, tmp_path):
    config, region = PredictConfig(uncertainty="entropy"), np.s_[:, 20:150, 30:]
    expected = drain(
        segmenter.predict_tiles(STACK, config=config, probabilities=True, region=region)
    )
    steps = segmenter.predict_tiles(
        STACK, config=config, probabilities=True, region=region, out=tmp_path / "a.zarr"
    )
    result = drain(steps)
    assert isinstance(result.labels, zarr.Array)
    assert result.provenance == expected.provenance
    for name in ("labels", "probabilities", "uncertainty"):
        np.testing.assert_array_equal(getattr(result, name)[:], getattr(expected, name))
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]


def test_columns_give_the_same_and_what_is_done_at_the_end_is_told(
    segmenter, predicted, tmp_path, monkeypatch
):
    expected = segmenter.predict(STACK)
    predicted.clear()
    monkeypatch.setattr(columns, "MAX_OPEN", 2**14)
    steps = segmenter.predict_tiles(STACK, out=tmp_path / "a.zarr")
    for _ in range(8):
        next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    part = end.value.value
    assert part.is_partial
    assert 0 < part.predicted.pixels < STACK.size
    for box in [part.box for part in part.predicted.parts]:
        np.testing.assert_array_equal(part.labels[box], expected[box])
    with pytest.warns(UserWarning, match="goes on with it"):
        labels = segmenter.predict(STACK, out=tmp_path / "a.zarr")
    np.testing.assert_array_equal(labels[:], expected)
    assert len(predicted) > TILES + 6  # at the edges of columns for both sides


def test_verbs_return_the_arrays_of_the_folder(segmenter, tmp_path):
    labels = segmenter.predict(STACK, out=tmp_path / "a.zarr")
    np.testing.assert_array_equal(labels[:], segmenter.predict(STACK))
    assert labels.dtype == np.uint16
    maps = segmenter.predict_proba(STACK, out=str(tmp_path / "a.zarr"), overwrite=True)
    np.testing.assert_array_equal(maps[:], segmenter.predict_proba(STACK))


@pytest.mark.parametrize("stop", [1, 9, TILES - 1])
def test_a_stopped_prediction_goes_on_where_it_was(segmenter, predicted, tmp_path, stop):
    out = tmp_path / "a.zarr"
    stop_after(segmenter.predict_tiles(STACK, out=out), stop)
    assert not out.exists()
    journal = part_folder(out) / "journal.txt"
    with journal.open("ab") as file:
        file.write(b"1 0:64 0:")  # what a killed process had begun to write
    finished = journal.read_bytes().count(b"\n")
    predicted.clear()
    with pytest.warns(UserWarning, match="goes on with it"):
        labels = segmenter.predict(STACK, out=out)
    assert len(predicted) < TILES - finished + 6  # a row of cells was under way
    np.testing.assert_array_equal(labels[:], segmenter.predict(STACK))


def test_what_an_earlier_version_began_goes_on(segmenter, tmp_path, monkeypatch):
    out, record = tmp_path / "a.zarr", TilePlan.record
    with monkeypatch.context() as earlier:
        earlier.setattr(
            TilePlan,
            "record",
            lambda plan: {k: v for k, v in record(plan).items() if k != "three_axes"},
        )
        stop_after(segmenter.predict_tiles(STACK, out=out), 5)
    with pytest.warns(UserWarning, match="goes on with it"):
        labels = segmenter.predict(STACK, out=out)
    np.testing.assert_array_equal(labels[:], segmenter.predict(STACK))


@pytest.mark.parametrize("change", ["image", "model", "settings", "region"])
def test_another_prediction_does_not_go_on(make, segmenter, tmp_path, require_said, change):
    out, image, options = tmp_path / "a.zarr", STACK, {}
    stop_after(segmenter.predict_tiles(STACK, out=out), 5)
    if change == "image":
        image = STACK[:, ::-1]
    elif change == "model":
        segmenter.trained = make(1, provenance={"id": "another"})
    elif change == "settings":
        options = {"config": PredictConfig(flips=True)}
    else:
        options = {"region": np.s_[:, :100, :]}
    with pytest.raises(ValueError, match="was begun by another prediction") as error:
        segmenter.predict(image, out=out, **options)
    require_said(error.value, "choose another name, or overwrite")
    labels = segmenter.predict(image, out=out, overwrite=True, **options)
    np.testing.assert_array_equal(labels[:], segmenter.predict(image, **options))


def test_what_is_there_stays(segmenter, tmp_path, require_said):
    out, other = tmp_path / "a.zarr", tmp_path / "image.zarr"
    segmenter.predict(STACK, out=out)
    with pytest.raises(ValueError, match="exists already"):
        next(segmenter.predict_tiles(STACK, out=out))
    zarr.create_group(other)
    with pytest.raises(ValueError, match="no result of SegKit"):
        next(segmenter.predict_tiles(STACK, out=other, overwrite=True))
    running = segmenter.predict_tiles(STACK, out=tmp_path / "b.zarr")
    next(running)
    with pytest.raises(ValueError, match="Another process is writing"):
        next(segmenter.predict_tiles(STACK, out=tmp_path / "b.zarr", overwrite=True))
    running.close()


class Unreadable:
    """A chunked array whose last rows cannot be read."""

    chunks = (1, 100, 230)
    shape, dtype, ndim = STACK.shape, STACK.dtype, 3
    is_broken = False

    def __getitem__(self, index):
        if self.is_broken and index[0] == 1 and index[1].stop > 100:
            raise ValueError("bad chunk")
        return STACK[index]


def test_a_chunk_that_cannot_be_read_keeps_what_is_finished(
    segmenter, predicted, tmp_path, require_said
):
    image, out = Unreadable(), tmp_path / "a.zarr"
    steps = segmenter.predict_tiles(image, out=out, axes="ZYX")
    next(steps)
    image.is_broken = True
    with pytest.raises(OSError, match="bad chunk") as error:
        drain(steps)
    require_said(error.value, "Z 1", "What is finished is kept")


def test_a_full_disk_keeps_what_is_finished(
    segmenter, predicted, tmp_path, monkeypatch, require_said
):
    def full(path, value, exclusive=False):
        raise OSError(errno.ENOSPC, "No space left on device")

    out, steps = tmp_path / "a.zarr", segmenter.predict_tiles(STACK, out=tmp_path / "a.zarr")
    for _ in range(9):
        next(steps)
    with monkeypatch.context() as patch:
        patch.setattr("zarr.storage._local._put", full)
        with pytest.raises(OSError, match="the disk is full") as error:
            drain(steps)
    require_said(error.value, str(out), "What is finished is kept")
    predicted.clear()
    with pytest.warns(UserWarning, match="goes on with it"):
        labels = segmenter.predict(STACK, out=out)
    assert len(predicted) < TILES
    np.testing.assert_array_equal(labels[:], segmenter.predict(STACK))


def test_the_folder_has_the_orientation_of_the_image(make, segmenter, tmp_path):
    segmenter.trained = make(1, orientation="SAR")
    image = AxesImage(STACK[:, :40, :60], "ZYX", orientation="PIL")
    expected = drain(segmenter.predict_tiles(image, probabilities=True))
    steps = segmenter.predict_tiles(image, probabilities=True, out=tmp_path / "a.zarr")
    result = drain(steps)
    np.testing.assert_array_equal(result.labels[:], expected.labels)
    np.testing.assert_array_equal(result.probabilities[:], expected.probabilities)
    assert result.labels.chunks == (2, 1, 60)


def test_a_series_has_its_maps_time_by_time(segmenter, tmp_path):
    image = AxesImage(STACK, "TYX")
    maps = segmenter.predict_proba(image, out=tmp_path / "a.zarr")
    np.testing.assert_array_equal(maps[:], segmenter.predict_proba(image).swapaxes(0, 1))


def test_a_journal_is_of_one_process_and_knows_only_whole_lines(tmp_path):
    one = Journal(tmp_path / "journal.txt")
    one.add("0:3")
    one.close()
    with (tmp_path / "journal.txt").open("a") as file:
        file.write("3:6")
    again = Journal(tmp_path / "journal.txt")
    assert "0:3" in again
    assert len(again) == 1
    again.add("6:9")
    again.close()
    assert (tmp_path / "journal.txt").read_text() == "0:3\n6:9\n"
