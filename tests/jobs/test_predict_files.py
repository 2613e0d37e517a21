"""Many files: mirrored folders, errors that stop nothing, measurements, several processes."""

import os
import signal
import warnings
import weakref
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest
import tifffile
from scipy import ndimage

from napari_segkit import (
    BatchConfig,
    ClusterConfig,
    ModelSpec,
    Segmenter,
    TrainConfig,
    cli,
    predict_files,
)
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.intensity_range import IntensityRange
from napari_segkit.io.files import read_image
from napari_segkit.io.label_classes import read_classes, read_record
from napari_segkit.jobs import tiff_sink
from napari_segkit.jobs.batch.one_file import FileSettings, PredictedFile
from napari_segkit.jobs.batch.predict_files import Batch
from napari_segkit.jobs.batch.processes import _Team
from napari_segkit.jobs.batch.serve import Done
from napari_segkit.jobs.file_writer import FileWriter
from napari_segkit.jobs.output_options import OutputOptions
from napari_segkit.jobs.predict import ImageResult
from napari_segkit.steps import Failure, Finish, drain

PIXEL_SIZE = 0.5  # um


def scene(squares, brighter=0):
    """Squares of 10 x 10 pixels on a dark ground."""
    image = np.random.default_rng(squares).integers(10, 40, (64, 64)).astype(np.uint8)
    for number in range(squares):
        y, x = 6 + 20 * (number // 3), 6 + 20 * (number % 3)
        image[y : y + 10, x : x + 10] += 180
    return image + np.uint8(brighter)


def write(file, image):
    tifffile.imwrite(file, image, resolution=(1e4 / PIXEL_SIZE,) * 2, resolutionunit="CENTIMETER")


@pytest.fixture(scope="module")
def segmenter():
    config = TrainConfig(epochs=1, unlabelled=None, labels_are="classes")
    image = scene(4)
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    return segmenter.fit(image, image > 100, config, spacing=(PIXEL_SIZE, PIXEL_SIZE))


@pytest.fixture
def images(tmp_path):
    """Images of the same names in sub-folders, a broken one among them."""
    for name, image in {"a/x": scene(2), "a/deep/x": scene(3), "c/x": scene(4, 30)}.items():
        file = tmp_path / "images" / f"{name}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, image)
    (tmp_path / "images/b").mkdir()
    (tmp_path / "images/b/x.tif").write_bytes(b"II*\0 this is no image")
    return tmp_path / "images"


def written(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def stop_after(steps, count):
    for _ in range(count):
        next(steps)
    steps.close()


def test_a_broken_file_is_told_and_sub_folders_are_mirrored(segmenter, images, tmp_path):
    out = tmp_path / "out"
    steps, events = predict_files(segmenter, images, out), []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            found = end.value
            break
    assert written(out) == ["a/deep/x.tif", "a/x.tif", "c/x.tif"]
    assert list(found.files) == ["a/x.tif", "a/deep/x.tif", "c/x.tif"]
    assert "cannot be read" in str(found.errors["b/x.tif"])
    assert [e.part for e in events if isinstance(e, Failure)] == ["b/x.tif"]
    assert [e.done for e in events] == sorted(e.done for e in events)
    assert events[-1].done == events[-1].total
    assert any(getattr(e, "text", "") == "Image 2 of 4 (a/deep/x.tif), tile 1 of 1" for e in events)
    labels = read_image(out / "c/x.tif")
    assert (labels.spacing[1:], labels.unit) == ((PIXEL_SIZE,) * 2, "um")
    np.testing.assert_array_equal(labels.data, segmenter.predict(scene(4, 30)))


def test_measurements_are_in_world_units_with_the_doubtful_files_first(segmenter, images, tmp_path):
    file = tmp_path / "new/table.csv"
    found = drain(predict_files(segmenter, images, tmp_path / "out", measurements=file))
    table = pd.read_csv(file)
    assert list(table["image"]) == list(found.table["image"])
    assert table["image"][0] == "b/x.tif"  # failed
    brighter, uncertain = "c/x.tif", table["image"][table["uncertainty_mean"].argmax()]
    assert {brighter, uncertain} == set(table["image"][1 : 1 + len({brighter, uncertain})])
    assert "cannot be read" in table["error"][0]
    rows = table.set_index("image")
    assert rows.loc["a/x.tif", "intensity_distance"] < 0.05
    assert rows.loc["c/x.tif", "intensity_distance"] == pytest.approx(30 / 190, abs=0.05)
    labels = tifffile.imread(tmp_path / "out/a/deep/x.tif")
    row = rows.loc["a/deep/x.tif"]
    assert row["area-class 1"] == pytest.approx((labels == 1).sum() * PIXEL_SIZE**2)
    assert row["components-class 1"] == ndimage.label(labels == 1, np.ones((3, 3)))[1]
    assert row["unit"] == "um"
    assert 0 < row["uncertainty_mean"] < 1


def test_what_does_not_fit_memory_goes_into_a_tiled_tiff_and_on_after_a_stop(
    segmenter, tmp_path, monkeypatch
):
    def steps(name):
        out, table = tmp_path / name, tmp_path / f"{name}.csv"
        return predict_files(segmenter, image, f"{out}/", probabilities=True, measurements=table)

    image = tmp_path / "x.tif"
    write(image, np.tile(scene(4), (9, 1)))
    drain(steps("memory"))
    monkeypatch.setattr(tiff_sink, "fits_memory", lambda *_, **__: False)
    count = len(list(steps("whole")))
    stop_after(steps("stopped"), 1)
    with pytest.warns(UserWarning, match="goes on with it"):
        stop_after(steps("stopped"), count - 2)  # in the middle of the files
    assert [file.name for file in (tmp_path / "stopped").iterdir()] == [".x.tif.segkit-part"]
    with pytest.warns(UserWarning, match="goes on with it"):
        drain(steps("stopped"))
    for made in (tmp_path / "whole", tmp_path / "stopped"):
        assert written(made) == ["probabilities/x.tif", "x.tif"]
        for name in written(made):
            expected, found = [read_image(f / name) for f in (tmp_path / "memory", made)]
            np.testing.assert_array_equal(found.data, expected.data)
            assert (found.axes, found.spacing) == (expected.axes, expected.spacing)
        assert read_classes(made / "x.tif") == segmenter.classes
        assert read_record(made / "x.tif")["file"] == "x.tif"
        with tifffile.TiffFile(made / "x.tif") as file:
            assert len(file.series[0].levels) == 2
        tables = [pd.read_csv(tmp_path / f"{f}.csv") for f in ("memory", made.name)]
        pd.testing.assert_frame_equal(*[table.drop(columns="labels") for table in tables])


def test_a_second_run_goes_on_and_keeps_the_measurements(segmenter, images, tmp_path):
    file, out = tmp_path / "table.csv", tmp_path / "out"
    first = drain(predict_files(segmenter, images, out, measurements=file))
    (out / "a/x.tif").unlink()
    write(images / "b/x.tif", scene(1))
    with pytest.raises(ValueError, match="exists already"):
        drain(predict_files(segmenter, images, out, measurements=file))
    again = predict_files(segmenter, images, out, measurements=file, skip_existing=True)
    with pytest.warns(UserWarning, match="2 of 4 results exist and are skipped"):
        found = drain(again)
    assert set(found.files) == {"a/x.tif", "b/x.tif"}
    assert set(found.skipped) == {"a/deep/x.tif", "c/x.tif"}
    table, before = pd.read_csv(file).set_index("image"), first.table.set_index("image")
    assert len(table) == 4
    same = ["area-class 1", "uncertainty_mean"]
    pd.testing.assert_series_equal(
        table.loc["c/x.tif", same].astype(float), before.loc["c/x.tif", same].astype(float)
    )


def test_rows_of_other_images_stay_in_the_table(segmenter, images, tmp_path):
    file, out = tmp_path / "table.csv", tmp_path / "out"
    options = {"measurements": file, "skip_existing": True}
    found = drain(predict_files(segmenter, images / "b", out, **options))
    assert list(found.errors) == ["x.tif"]
    write(images / "b/x.tif", scene(1))  # a table of failures only is one, too
    drain(predict_files(segmenter, images / "b", out, **options))
    write(images / "b/y.tif", scene(2))
    drain(predict_files(segmenter, images / "b/y.tif", f"{out}/", **options))
    assert set(pd.read_csv(file)["image"]) == {"x.tif", "y.tif"}


def test_a_zarr_folder_without_what_is_asked_for_is_not_skipped(segmenter, images, tmp_path):
    steps = partial(predict_files, segmenter, images / "c", tmp_path / "out", suffix="zarr")
    drain(steps())
    with pytest.warns(UserWarning, match="1 of 1 results exist"):
        drain(steps(skip_existing=True))
    found = drain(steps(skip_existing=True, probabilities=True))
    assert "exists already" in str(found.errors["x.tif"])


def test_an_error_that_is_kept_holds_no_image(segmenter, images, tmp_path, monkeypatch):
    held = []

    def full(self, result):
        held.append(weakref.ref(result))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileWriter, "write", full)
    found = drain(predict_files(segmenter, images / "c", tmp_path / "out"))
    assert found.errors["x.tif"].__traceback__ is not None
    assert held[0]() is None


def test_a_note_that_is_an_error_fails_its_file_only(tmp_path):
    source = SimpleNamespace(name="a.tif")
    team = _Team([(source, tmp_path / "a.tif"), (source, tmp_path / "b.tif")], ())
    worker = SimpleNamespace(job=0, part=0, is_ready=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step = team._heard(worker, Done(PredictedFile("a.tif", (), None), ["unknown size"]))
    assert isinstance(step, Failure)
    assert str(step.error) == "unknown size"


def test_measurements_take_no_name_of_a_result(tmp_path, segmenter):
    output = OutputOptions()
    work = Batch(segmenter, [(SimpleNamespace(paths=()), tmp_path / "a.csv")], FileSettings(output))
    with pytest.raises(ValueError, match="choose another name for the measurements"):
        replace(work, measurements=tmp_path / "a.csv").check()


def test_what_is_ended_leaves_whole_files_only(segmenter, images, tmp_path):
    steps, out = predict_files(segmenter, images, tmp_path / "out"), tmp_path / "out"
    while not isinstance(next(steps), ImageResult):
        pass
    next(steps)  # a tile of the next image
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    assert list(end.value.value.files) == ["a/x.tif"]
    assert written(out) == ["a/x.tif"]


def test_a_file_that_cannot_be_written_fails_alone(segmenter, images, tmp_path, monkeypatch):
    write = FileWriter.write

    def full(self, result):
        if self.image.name == "a/x.tif":
            raise OSError(28, "No space left on device")
        return write(self, result)

    monkeypatch.setattr(FileWriter, "write", full)
    found = drain(predict_files(segmenter, images, tmp_path / "out"))
    assert set(found.errors) == {"a/x.tif", "b/x.tif"}
    assert written(tmp_path / "out") == ["a/deep/x.tif", "c/x.tif"]


def test_the_command_line_measures_too(segmenter, images, tmp_path, capsys):
    model = segmenter.save(tmp_path / "m.segkit")
    words = ["predict", str(model), str(images), "-o", f"{tmp_path}/out", "--device", "cpu"]
    assert cli.main([*words, "--measurements", str(tmp_path / "t.csv")]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == str(tmp_path / "t.csv")
    assert "1 of 4 files failed." in said.err
    assert pd.read_csv(tmp_path / "t.csv")["image"][0] == "b/x.tif"
    assert cli.main([*words, "--overwrite", "--measurements", str(images / "a/x.tif")]) == 2
    assert "is an input" in capsys.readouterr().err
    assert cli.main([*words, "--measurements", str(tmp_path / "t.csv")]) == 2


def test_the_same_note_about_several_files_is_said_once(segmenter, tmp_path, capsys):
    for name in ("a", "b", "c"):
        tifffile.imwrite(tmp_path / f"{name}.tif", scene(1))  # of unknown pixel size
    model = segmenter.save(tmp_path / "m.segkit")
    words = ["predict", str(model), f"{tmp_path}/*.tif", "-o", f"{tmp_path}/out/"]
    assert cli.main([*words, "--device", "cpu"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "pixel size" in line]
    assert [note.partition(":")[0] for note in notes] == ["Note", "Note, also of 2 more files"]


def test_processes_and_a_cluster_are_refused_together(segmenter, images, tmp_path):
    cluster, batch = ClusterConfig("tcp://10.0.0.5:8786"), BatchConfig(processes=2)
    with pytest.raises(ValueError, match=r"processes=2 and scheduler='tcp:.*leave one of them out"):
        drain(predict_files(segmenter, images, tmp_path / "out", cluster=cluster, batch=batch))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_several_processes_write_the_same_files(segmenter, images, tmp_path):
    for number in (1, 2):
        steps = predict_files(
            segmenter,
            images,
            tmp_path / f"{number}",
            batch=BatchConfig(processes=number),
            measurements=tmp_path / f"{number}.csv",
        )
        found = drain(steps)
        assert set(found.errors) == {"b/x.tif"}
    for name in written(tmp_path / "1"):
        one, two = (tifffile.imread(tmp_path / n / name) for n in "12")
        np.testing.assert_array_equal(one, two)
    one, two = (pd.read_csv(tmp_path / f"{n}.csv").drop(columns="labels") for n in "12")
    pd.testing.assert_frame_equal(one, two, rtol=1e-5)


@pytest.mark.slow
def test_a_killed_process_costs_its_file_only(segmenter, images, tmp_path):
    batch = BatchConfig(processes=2)
    steps, killed, failures = predict_files(segmenter, images, tmp_path / "out", batch=batch), 0, []
    for step in steps:
        failures += [step.part] if isinstance(step, Failure) else []
        if not killed and "2 at the same time" in getattr(step, "text", ""):
            workers = [c for c in psutil.Process().children() if "spawn_main" in str(c.cmdline())]
            os.kill(workers[0].pid, signal.SIGKILL)
            killed += 1
    assert killed
    assert len(failures) == 2  # the broken file, and that of the killed process
    assert len(written(tmp_path / "out")) == 2


def test_distance_of_intensities():
    seen = IntensityRange.of([Statistics((10.0,), (110.0,)), Statistics((20.0,), (120.0,))])
    assert seen.distance(Statistics((15.0,), (112.0,))) == 0
    assert seen.distance(Statistics((0.0,), (112.0,))) == pytest.approx(0.1)
    assert seen.distance(Statistics((15.0,), (170.0,))) == pytest.approx(0.5)
    assert seen.distance(Statistics((15.0,), (60.0,))) == pytest.approx(0.5)  # fainter
    blank = IntensityRange.of([Statistics((3.0,), (3.0,))])
    assert np.isnan(blank.distance(Statistics((0.0,), (1.0,))))


def test_the_intensities_of_the_training_are_in_the_model_file(segmenter, tmp_path):
    file = segmenter.save(tmp_path / "m.segkit")
    loaded = Segmenter.load(file, device="cpu").trained
    assert loaded.intensities == segmenter.trained.intensities
    low, high = loaded.intensities.smallest.low[0], loaded.intensities.largest.high[0]
    np.testing.assert_allclose((low, high), np.percentile(scene(4), (1, 99)), atol=1)
