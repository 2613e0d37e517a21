"""Script and commands of a project give its predictions again, trained anew or with its model."""

import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_segkit import (
    FeatureConfig,
    ModelSpec,
    Project,
    Segmenter,
    TileConfig,
    TrainConfig,
    TrainingSet,
    cli,
)
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.training_files import ImageFile

SPEC = ModelSpec("pixels", features=FeatureConfig(largest_scale=2.0))
CONFIG = TrainConfig(validation=None, seed=3)
TILE = TileConfig(tile_size=64, overlap=16)


@pytest.fixture
def scribbles(tmp_path):
    """Two images of the same name with scribbles of two classes."""
    random = np.random.default_rng(0)
    for plate in ("plate 1", "plate 2"):
        truth = np.kron(random.integers(1, 3, (4, 4)), np.ones((16, 16), int))
        image = (60 * truth + random.normal(0, 9, truth.shape)).astype(np.uint8)
        for kind in ("images", "masks"):
            (tmp_path / kind / plate).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "images" / plate / "a.tif", image)
        mask = np.where(random.random(truth.shape) < 0.2, truth, 0).astype(np.uint8)
        tifffile.imwrite(tmp_path / "masks" / plate / "a.tif", mask)
    return TrainingSet.from_files(tmp_path / "images", tmp_path / "masks")


def run(script):
    names = {}
    exec(script, names)
    rows = Project.open(names["project"].folder).training_set.rows
    return dict(zip([row.image.name for row in rows], names["labels"], strict=True))


def test_script_and_commands_give_the_labels_on_screen(scribbles, tmp_path):
    segmenter = Segmenter(SPEC)
    project = Project(scribbles, SPEC, CONFIG, tile=TILE, segmenter=segmenter)
    folder = project.save(tmp_path / "my project")
    trained_anew = run(Project.open(folder).script())
    segmenter.fit(project.training_set, config=CONFIG)
    shown = {
        row.image.name: segmenter.predict(row.image.open(), TILE)
        for row in Project.open(folder).training_set.rows
    }
    assert set(shown) == {"plate 1/a.tif", "plate 2/a.tif"}
    train, predict = Project.open(folder).commands().splitlines()
    for line in (train, predict):
        assert cli.main(shlex.split(line)[1:]) == 0
    of_commands = {name: tifffile.imread(folder / "results" / name) for name in shown}
    project.save()
    of_model = run(project.script())
    assert "load_model" in project.script()
    assert project.commands().startswith("# segkit train")
    for name, labels in shown.items():
        for again in (trained_anew, of_commands, of_model):
            np.testing.assert_array_equal(again[name], labels)


def test_images_are_told_apart_and_read_as_the_project_says(scribbles, tmp_path):
    """Two images of one name in folders of one name, with a pixel size of their own."""
    rows = [replace(row, name="same") for row in scribbles.rows]
    for row, place in zip(rows, "xy", strict=True):
        (tmp_path / place / "plate").mkdir(parents=True)
        shutil.copy(row.image.paths[0], tmp_path / place / "plate" / "a.tif")
    rows = [
        replace(row, image=ImageFile(ImageFiles((path,)), spacing=(0.5, 0.5)))
        for row, path in zip(rows, sorted(tmp_path.glob("?/plate/a.tif")), strict=True)
    ]
    segmenter = Segmenter(SPEC).fit(TrainingSet(rows), config=CONFIG)
    project = Project(TrainingSet(rows), SPEC, CONFIG, tile=TILE, segmenter=segmenter)
    folder = project.save(tmp_path / "p")
    labels = run(project.script())
    assert cli.main(shlex.split(project.commands().splitlines()[1])[1:]) == 0
    for place in ("x/plate/a.tif", "y/plate/a.tif"):
        with tifffile.TiffFile(folder / "results" / place) as file:
            np.testing.assert_array_equal(file.asarray(), labels[place])
            assert 'PhysicalSizeX="0.5"' in file.ome_metadata


def test_a_model_is_saved_once_and_loaded_when_it_is_asked_for(scribbles, tmp_path):
    segmenter = Segmenter(SPEC).fit(scribbles, config=CONFIG)
    project = Project(scribbles, SPEC, CONFIG, segmenter=segmenter)
    folder = project.save(tmp_path / "p")
    assert segmenter.is_saved
    written = (folder / "model.segkit").stat().st_mtime_ns
    project.save()
    again = Project.open(folder)
    assert again.segmenter is None
    assert again.load_model() is again.load_model()
    again.save()
    assert (folder / "model.segkit").stat().st_mtime_ns == written
    copy = Project.open(Project.open(folder).save(tmp_path / "q"))
    image = scribbles.rows[0].image.open()
    np.testing.assert_array_equal(copy.load_model().predict(image), segmenter.predict(image))


def test_changed_settings_are_in_script_and_commands(scribbles, tmp_path):
    project = Project(scribbles, ModelSpec("unet", objects="distance"))
    folder = project.save(tmp_path / "p")
    assert "segmenter.predict_objects(row.image.open()).labels" in project.script()
    project.config = TrainConfig(epochs=7)
    project.tile = TILE
    assert "TrainConfig(epochs=7)" in project.script()
    assert project.commands().splitlines()[1].endswith("--tile-size 64 --overlap 16")
    assert str(folder) in project.commands()


def test_the_command_line_tells_what_a_project_cannot_take(scribbles, tmp_path, capsys):
    folder = str(Project(scribbles, SPEC).save(tmp_path / "p"))
    out = str(tmp_path / "m.segkit")
    assert cli.main(["train", folder, folder, "--axes", "YX", "-o", out]) == 2
    assert "LABELS and --axes cannot be given beside the project" in capsys.readouterr().err
    assert cli.main(["predict", folder, folder, "-o", str(tmp_path / "out")]) == 2
    assert "has no trained model: train it with segkit train" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "images")
    assert cli.main(["train", folder, "-o", out]) == 2
    told = capsys.readouterr().err
    assert "Images of" in told
    assert "are missing" in told


def test_a_project_names_its_pairs(scribbles, tmp_path, capsys):
    folder = Project(scribbles, SPEC).save(tmp_path / "p")
    assert cli.main(["train", str(folder), "--show-pairs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[1] for line in lines] == [
        str(folder / "labels" / "a.tif"),
        str(folder / "labels" / "a-2.tif"),
    ]


def test_images_without_labels_are_not_trained_on(scribbles, tmp_path, capsys):
    new = replace(scribbles.rows[1], labels=None)
    folder = Project(TrainingSet([scribbles.rows[0], new]), SPEC).save(tmp_path / "p")
    project = Project.open(folder)
    assert [row.labels is None for row in project.training_set.rows] == [False, True]
    assert len(project.labelled) == 1
    assert cli.main(["train", str(folder), "--show-pairs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
