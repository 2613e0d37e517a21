"""A project is saved into one folder and opened again with the same images and labels."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.io import imread

from napari_segkit import ModelSpec, Project, TileConfig, TrainConfig, TrainingRow, TrainingSet
from napari_segkit.config import PredictConfig
from napari_segkit.error_messages import printable
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass

from .conftest import SHAPE, names, painted, values_of


def layer(data, name, **attributes):
    """What a napari layer is read by."""
    layer = {"ndim": data.ndim, "scale": (1.0,) * data.ndim, "metadata": {}, "rgb": False}
    return SimpleNamespace(data=data, name=name, **layer | attributes)


def test_a_project_comes_back(cells, tmp_path):
    project = Project(
        cells,
        ModelSpec("unet", encoder="resnet34", options={"decoder_channels": (64, 32, 16, 8, 4)}),
        TrainConfig(epochs=3, unlabelled=None, tile=TileConfig(tile_size=128)),
        (LabelClass(1, "nucleus", "#ff0000"), LabelClass(2, "wall", "#00ff00")),
        TileConfig(tile_size=64, overlap=16),
        PredictConfig(flips=True),
        results=[tmp_path / "out" / "a.tif"],
    )
    again = Project.open(project.save(tmp_path / "project"))
    for name in ("spec", "config", "classes", "tile", "prediction", "objects"):
        assert getattr(again, name) == getattr(project, name)
    assert again.results == (tmp_path / "out" / "a.tif",)
    assert painted(again) == [1, 2]
    assert [row.image.paths for row in again.training_set.rows] == [
        row.image.paths for row in cells.rows
    ]
    assert names(again.folder) == ["labels/a.tif", "labels/b.tif", "project.json"]


def test_other_programs_read_the_labels_with_axes_and_pixel_size(tmp_path):
    stack = AxesImage(np.zeros((5, 8, 9), np.float32), "ZYX", (2.0, 0.5, 0.5), "stack", unit="um")
    labels = np.arange(5 * 8 * 9).reshape(5, 8, 9)
    with pytest.warns(UserWarning, match=r"saved in the project as images/stack\.tif"):
        folder = Project(TrainingSet([TrainingRow(stack, labels)])).save(tmp_path / "p")
    np.testing.assert_array_equal(imread(folder / "labels" / "stack.tif"), labels)
    with tifffile.TiffFile(folder / "labels" / "stack.tif") as file:
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="2.0"' in file.ome_metadata
    image = Project.open(folder).training_set.rows[0].image.open()
    assert (image.axes, image.spacing, image.unit) == ("ZYX", (2.0, 0.5, 0.5), "um")


def test_labels_of_a_volume_keep_its_place(tmp_path):
    affine = np.array([[0, 2, 0.5, 1], [-2, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1.0]])
    scan = nibabel.Nifti1Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), affine)
    mask = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    scan.to_filename(tmp_path / "scan.nii.gz")
    nibabel.Nifti1Image(mask, affine).to_filename(tmp_path / "scan_mask.nii.gz")
    files = TrainingSet.from_files(tmp_path / "scan.nii.gz", tmp_path / "scan_mask.nii.gz")
    folder = Project(files).save(tmp_path / "p")
    again = nibabel.load(folder / "labels" / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(again.dataobj), mask)
    np.testing.assert_allclose(again.affine, affine, atol=1e-6)
    (row,) = Project.open(folder).training_set.rows
    np.testing.assert_array_equal(values_of(row.labels), values_of(files.rows[0].labels))


def test_a_layer_is_referred_to_by_its_file_unless_its_pixels_are_others(cells, tmp_path):
    source = SimpleNamespace(path=str(tmp_path / "data" / "a.tif"))
    pixels = tifffile.imread(source.path)
    labels = layer(np.ones(SHAPE, int), "Labels")
    opened = layer(pixels, "a", source=source)
    folder = Project(TrainingSet([TrainingRow(opened, labels)])).save(tmp_path / "p")
    assert names(folder) == ["labels/a.tif", "project.json"]
    changed = layer(255 - pixels, "a", source=source)
    with pytest.warns(UserWarning, match="has no file with these pixels"):
        folder = Project(TrainingSet([TrainingRow(changed, labels)])).save(tmp_path / "q")
    (row,) = Project.open(folder).training_set.rows
    np.testing.assert_array_equal(np.asarray(row.image.open().data), 255 - pixels)


@pytest.mark.parametrize(
    ("scale", "unit", "size"),
    [(1.0, "pixel", 0.5), (0.25, "pixel", 0.25), (500.0, "nm", 0.5), (1.0, "um", 1.0)],
)
def test_labels_have_the_pixel_size_of_the_layer_or_else_of_its_file(tmp_path, scale, unit, size):
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    place = tmp_path / "a.tif"
    tifffile.imwrite(place, pixels, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    source = SimpleNamespace(path=str(place))
    image = layer(pixels, "a", source=source, scale=(scale, scale), units=(unit, unit))
    folder = Project(TrainingSet([TrainingRow(image, np.ones(SHAPE, int))])).save(tmp_path / "p")
    with tifffile.TiffFile(folder / "labels" / "a.tif") as file:
        assert f'PhysicalSizeX="{size}" PhysicalSizeXUnit="µm"' in file.ome_metadata
    read = Project.open(folder).training_set.rows[0].image.open()
    assert (read.spacing[1:], read.unit) == ((size, size), "um")


@pytest.mark.filterwarnings("ignore:The image")
def test_long_names_of_any_letters_are_names_of_files(tmp_path):
    labels = np.ones(SHAPE, int)
    rows = [TrainingRow(np.ones(SHAPE), labels, "train", "", n * 90, labels) for n in "細𠮷"]
    again = Project.open(Project(TrainingSet(rows)).save(tmp_path / "p"))
    assert [row.name for row in again.training_set.rows] == ["細" * 90, "𠮷" * 90]


@pytest.mark.filterwarnings("ignore:The image")
def test_channels_colours_and_masks_of_objects_come_back(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    two = {"t1": rgb[..., 0], "flair": rgb[..., 1].astype(np.float64)}
    ids = np.zeros((8, 9), int)
    ids[2:5, 2:5] = 70_000
    square = [np.array([[0, 0], [0, 6], [6, 6], [6, 0]])]
    rows = [
        TrainingRow(layer(rgb, "photo", rgb=True, ndim=2, scale=(1.0, 1.0)), ids),
        TrainingRow(two, ids, object_classes=ids // 10_000, regions=square),
    ]
    folder = Project(TrainingSet(rows)).save(tmp_path / "p")
    photo, channels = Project.open(folder).training_set.rows
    np.testing.assert_array_equal(np.asarray(photo.image.open((8, 9)).data), rgb)
    image = channels.image.open((8, 9))
    assert image.channel_names == ("t1", "flair")
    np.testing.assert_array_equal(np.asarray(image.data), np.stack([*two.values()]))
    np.testing.assert_array_equal(values_of(channels.labels), ids)
    np.testing.assert_array_equal(values_of(channels.object_classes), ids // 10_000)
    assert values_of(channels.regions).sum() == 36


def test_saving_again_writes_only_what_has_changed(folder):
    project = Project.open(folder)
    first, second = project.training_set.rows
    new = [replace(first, labels=np.ones(SHAPE, int)), replace(second, labels=np.full(SHAPE, 9))]
    project.training_set = TrainingSet(new)
    before = {name: (folder / name).stat().st_mtime_ns for name in names(folder)}
    project.save()
    changed = {n for n in names(folder) if before.get(n) != (folder / n).stat().st_mtime_ns}
    assert changed == {"labels/b.tif", "project.json"}
    assert painted(Project.open(folder)) == [1, 9]


def test_an_image_without_a_file_is_saved_once(tmp_path):
    drawn = np.random.default_rng(0).random((8, 9))
    project = Project(TrainingSet([TrainingRow(drawn, np.ones((8, 9), int), name="drawn")]))
    with pytest.warns(UserWarning, match="has no file"):
        folder = project.save(tmp_path / "p")
    project.autosave({0: np.full((8, 9), 2)})
    project.save()
    assert names(folder) == ["images/drawn.tif", "labels/drawn.tif", "project.json"]


@pytest.mark.filterwarnings("ignore:The image")
def test_a_project_is_saved_elsewhere_with_its_own_images(tmp_path):
    row = TrainingRow(np.random.default_rng(0).random((8, 9)), np.ones((8, 9), int), name="drawn")
    folder = Project(TrainingSet([row])).save(tmp_path / "p")
    copy = Project.open(folder).save(tmp_path / "q")
    assert names(copy) == names(folder)
    (again,) = Project.open(copy).training_set.rows
    assert again.image.paths[0].is_relative_to(copy)


def test_rows_are_told_apart_and_removed_ones_keep_their_labels(cells, folder, tmp_path):
    twice = Project(TrainingSet([cells.rows[0], cells.rows[0]]))
    assert names(twice.save(tmp_path / "q"))[:2] == ["labels/a-2.tif", "labels/a.tif"]
    project = Project.open(folder)
    project.training_set = TrainingSet(project.training_set.rows[1:])
    project.save()
    assert painted(Project.open(folder)) == [2]
    assert "labels/a.tif" in names(folder)


def test_opening_a_project_loads_no_torch(folder):
    code = (
        "import sys; from napari_segkit import Project; "
        f"Project.open({str(folder)!r}).save(); "
        "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_image_is_a_step(cells, tmp_path):
    steps = list(Project(cells).save_rows(tmp_path / "p"))
    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]


shapes = st.lists(st.integers(1, 7), min_size=2, max_size=3).map(lambda s: (*s[:-2], 9, s[-1] + 4))
types = st.sampled_from([np.uint8, np.uint16, np.int32, np.int64])


@st.composite
def rows(draw):
    shape, kind = draw(shapes), draw(types)
    random = np.random.default_rng(draw(st.integers(0, 100)))
    labels = random.integers(0, min(np.iinfo(kind).max, 2**32), shape, np.uint64).astype(kind)
    image = random.random(shape) if draw(st.booleans()) else random.integers(0, 9, shape, np.uint8)
    role = draw(st.sampled_from(["train", "validate", "leave out"]))
    return TrainingRow(image, labels, role, draw(st.text(max_size=9)), draw(st.text(max_size=90)))


@pytest.mark.filterwarnings("ignore:The image")
@settings(max_examples=8, deadline=None)
@given(st.lists(rows(), max_size=3))
def test_any_training_set_comes_back(given):
    with TemporaryDirectory() as name:
        folder = Project(TrainingSet(given)).save(Path(name) / "p")
        again = Project.open(folder)
        assert len(again.training_set) == len(given)
        for row, read in zip(given, again.training_set.rows, strict=True):
            np.testing.assert_array_equal(values_of(read.labels), row.labels)
            np.testing.assert_array_equal(np.asarray(read.image.open().data), row.image)
            assert (read.role, read.group) == (row.role, printable(row.group))
        before = names(folder)
        again.save()
        assert names(folder) == before


def test_a_project_of_the_first_format_opens(tmp_path):
    folder = shutil.copytree(Path(__file__).parents[1] / "earlier_files/project", tmp_path / "p")
    with pytest.warns(UserWarning, match="labels of ramp were autosaved"):
        project = Project.open(folder)
    (row,) = project.training_set.rows
    ramp = np.arange(12 * 16).reshape(12, 16)
    np.testing.assert_array_equal(np.asarray(row.image.open().data), ramp)
    np.testing.assert_array_equal(values_of(row.labels), np.where(ramp < 96, 1, 2))
    (recovered,) = project.recovered.training_set.rows
    np.testing.assert_array_equal(values_of(recovered.labels), np.where(ramp < 50, 1, 2))
    assert (row.role, row.group, row.name) == ("train", "mouse 1", "ramp")
    assert [c.name for c in project.classes] == ["dark", "bright"]
    assert (project.spec.encoder, project.config.epochs) == ("resnet18", 3)
