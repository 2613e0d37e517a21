"""``--skip-existing`` lets a folder go on where a run was stopped, whatever it left."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from napari_segkit import ModelSpec, TrainConfig, cli
from napari_segkit.io.files import read_labels, write_labels
from napari_segkit.io.writers import FileMetadata
from napari_segkit.segmenter import Segmenter

IMAGE = np.tile(np.repeat(np.array([20, 220], np.uint8), 6), (12, 2))
LABELS = (IMAGE > 100).astype(np.uint8)
SPECS = {"classes": ModelSpec("pixels"), "objects": ModelSpec("pixels", objects="components")}


def picture(number):
    return np.roll(IMAGE, number, axis=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, label files of them, and models."""
    root = tmp_path_factory.mktemp("data")
    for name in ("images", "labels"):
        (root / name).mkdir()
    for number in range(3):
        Pictures.fromarray(picture(number)).save(root / f"images/{number}.png")
        Pictures.fromarray(picture(number) // 200).save(root / f"labels/{number}.png")
    config = TrainConfig(epochs=1, unlabelled=None, labels_are="classes")
    for name, spec in SPECS.items():
        Segmenter(spec, device="cpu").fit(IMAGE, LABELS, config).save(root / f"{name}.segkit")
    return root


MRF = ["--refine", "mrf"]
COMMANDS = {
    "classes": ["predict", "classes.segkit", "images", "--probabilities", "--format", "npy"],
    "objects": ["predict", "objects.segkit", "images", "--probabilities", "--format", "npy"],
    "panoptic": ["predict", "objects.segkit", "images", "--format", "panoptic"],
    "masks": ["predict", "objects.segkit", "images", "--masks", "all", "--format", "png"],
    "smooth": ["smooth", "labels", "images", "--probabilities", *MRF, "--format", "npy"],
    "superpixels": ["superpixels", "images", "--format", "png", "--size", "4"],
}  # fmt: skip


def run(name, folder, output, *options):
    words = [str(folder / w) if (folder / w).exists() else w for w in COMMANDS[name]]
    return cli.main([*words, "-o", f"{output}/", *options])


def contents(output):
    return {p.relative_to(output).as_posix(): p.read_bytes() for p in sorted(output.rglob("*"))
            if p.is_file()}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_a_killed_run_left_the_next_one_gives_the_unbroken_result(
    name, folder, tmp_path, capsys, monkeypatch
):
    placed = []

    from napari_segkit.io import replace_file

    place = replace_file._place

    def record(part, target, *, overwrite):
        place(part, target, overwrite=overwrite)
        placed.append(target)

    monkeypatch.setattr(replace_file, "_place", record)
    whole = tmp_path / "whole"
    assert run(name, folder, whole) == 0
    expected, order = contents(whole), [p.relative_to(whole) for p in placed]
    assert len(order) == len(expected) >= 3
    for count in range(len(order) + 1):  # files that were there when it was killed
        output = tmp_path / f"{count}"
        for file in order[:count]:
            (output / file).parent.mkdir(parents=True, exist_ok=True)
            (output / file).write_bytes(expected[file.as_posix()])
        left = {p: p.stat().st_mtime_ns for p in output.rglob("*.*")}
        capsys.readouterr()
        assert run(name, folder, output, "--skip-existing") == 0
        said = capsys.readouterr().err
        assert contents(output) == expected
        assert {p: p.stat().st_mtime_ns for p in left} == left
        done = count // (len(order) // 3)
        assert (f"{done} of 3 results exist and are skipped." in said) == (done > 0)
        assert "Note: " not in said


def test_without_it_existing_results_are_still_refused(folder, tmp_path, capsys):
    assert run("superpixels", folder, tmp_path) == 0
    assert run("superpixels", folder, tmp_path) == 1
    assert "3 of 3 files failed." in capsys.readouterr().err


def test_files_that_a_killed_run_left_empty_are_written(folder, tmp_path):
    """A disk without hard links may keep such files."""
    assert run("smooth", folder, tmp_path) == 0
    expected = contents(tmp_path)
    for file in (tmp_path / "0.npy", tmp_path / "probabilities/1.npy"):
        file.write_bytes(b"")
    assert run("smooth", folder, tmp_path, "--skip-existing") == 0
    assert contents(tmp_path) == expected


def test_it_excludes_overwrite(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run("superpixels", folder, tmp_path, "--skip-existing", "--overwrite")
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ("masks", "masks", ["--refine", "mrf"]),
        ("superpixels", "superpixels", ["--size", "6"]),
        ("masks", "superpixels", []),
    ],
)
def test_results_that_were_made_otherwise_are_told(
    first, second, options, folder, tmp_path, capsys
):
    assert run(first, folder, tmp_path) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(second, folder, tmp_path, "--skip-existing", *options) == 0
    said = capsys.readouterr().err
    assert "3 of these were made by another model or with other settings: " in said
    assert contents(tmp_path) == before


@pytest.mark.parametrize("made_by", ["a person", "another model"])
def test_no_table_is_written_for_labels_that_were_made_otherwise(made_by, folder, tmp_path, capsys):
    asked = ["predict", str(folder / "objects.segkit"), str(folder / "images"), "-o", f"{tmp_path}"]
    labels = tmp_path / "1.tif"
    if made_by == "a person":
        write_labels(labels, LABELS, FileMetadata("YX"))
    else:
        model = str(folder / "classes.segkit")
        assert cli.main(["predict", model, str(folder / "images/1.png"), "-o", str(labels)]) == 0
    before = labels.read_bytes()
    assert cli.main([*asked, "--skip-existing"]) == 1
    said = capsys.readouterr().err
    assert f"1.png: {labels} exists without 1.csv, and was not made in this way" in said
    assert "1 of 3 files failed." in said
    assert labels.read_bytes() == before
    names = ["0.csv", "0.tif", "1.tif", "2.csv", "2.tif"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_labels_that_a_person_corrected_are_left_alone(folder, tmp_path, capsys):
    assert run("masks", folder, tmp_path) == 0
    corrected = tmp_path / "1.png"
    write_labels(corrected, LABELS + 1, FileMetadata("YX"), overwrite=True)
    assert run("masks", folder, tmp_path, "--skip-existing") == 0
    assert "3 of 3 results exist and are skipped.\n" in capsys.readouterr().err
    np.testing.assert_array_equal(read_labels(corrected), LABELS + 1)


def test_a_result_that_appears_while_it_is_computed_gets_an_unused_name(
    folder, tmp_path, monkeypatch, capsys
):
    predict = Segmenter.predict_tiles

    def slow(self, *args, **options):
        result = yield from predict(self, *args, **options)
        (tmp_path / "a.csv").write_bytes(b"precious")
        return result

    monkeypatch.setattr(Segmenter, "predict_tiles", slow)
    model, image = folder / "objects.segkit", folder / "images/0.png"
    assert cli.main(["predict", str(model), str(image), "-o", str(tmp_path / "a.tif")]) == 0
    printed, said = capsys.readouterr()
    assert printed.splitlines() == [str(tmp_path / name) for name in ("a-2.tif", "a-2.csv")]
    assert f"{tmp_path}/a.tif has appeared meanwhile and stays" in said
    assert (tmp_path / "a.csv").read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-2.csv", "a-2.tif", "a.csv"]


def values_of(output: Path):
    """What result files hold; the record of an OME-TIFF has a random number."""
    return {name: data if name.endswith("csv") else read_labels(output / name).tobytes()
            for name, data in contents(output).items()}  # fmt: skip


@pytest.mark.slow
def test_a_folder_killed_at_any_moment_equals_an_unbroken_run(folder, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for number in range(40):
        Pictures.fromarray(picture(number % 12)).save(images / f"{number:03d}.png")
    command = [sys.executable, "-c", "from napari_segkit.cli import main; raise SystemExit(main())"]
    command += ["predict", folder / "objects.segkit", images, "--device", "cpu", "--threads", "1"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    started = time.monotonic()
    subprocess.run([*command, "-o", f"{whole}/"], check=True, capture_output=True)
    length, kills = time.monotonic() - started, 0
    chance = random.Random(0)
    while kills < 6:
        again = [*command, "-o", f"{broken}/", "--skip-existing"]
        with subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            time.sleep(chance.uniform(0.6, 1.0) * length)
            if run.poll() is not None:
                break
            os.kill(run.pid, 9)
            kills += 1
    done = subprocess.run(again, check=True, capture_output=True, text=True)
    assert kills
    assert "results exist and are skipped" in done.stderr
    assert values_of(broken) == values_of(whole)
    assert not list(broken.rglob(".*"))
