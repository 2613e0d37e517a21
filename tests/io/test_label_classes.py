"""Names and colours of classes in files of labels, which other programs still read."""

import json

import cv2
import imageio.v3 as imageio
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import tifffile
from napari.components import LayerList
from napari.layers import Labels
from npe2 import PluginManager
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from napari_segkit import ModelSpec, Segmenter, TrainConfig, cli
from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.io.files import read_image, read_labels, write_labels
from napari_segkit.io.label_classes import read_classes
from napari_segkit.io.nifti.layers import read_nifti, write_labels_layer
from napari_segkit.io.writers import FileMetadata

CLASSES = (
    LabelClass(0, "ground", "#102030"),
    LabelClass(1, "leaf", "#00ff00"),
    LabelClass(3, "stem", "#aa5500"),
)
FORMATS = ("png", "tif", "nii", "nii.gz")


def scene():
    """An image of three grey levels, and its mask of the values 0, 1 and 3."""
    mask = np.zeros((24, 30), np.uint8)
    mask[4:12, 5:20], mask[14:22, 8:25] = 1, 3
    return (mask * 60 + 20).astype(np.uint8), mask


def write(path, values=None, classes=CLASSES, provenance=None):
    labels = scene()[1] if values is None else values
    write_labels(path, labels, FileMetadata("YX", provenance=provenance or {}, classes=classes))
    return path


def other_programs(path):
    """The values that other programs read from a file of labels."""
    if path.suffix == ".png":
        return [
            np.asarray(Pictures.open(path)), cv2.imread(str(path), cv2.IMREAD_UNCHANGED),
            imageio.imread(path), sitk.GetArrayFromImage(sitk.ReadImage(path)),
        ]  # fmt: skip
    if path.suffix == ".tif":
        return [
            tifffile.imread(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED),
            sitk.GetArrayFromImage(sitk.ReadImage(path)),
        ]  # fmt: skip
    volume = sitk.GetArrayFromImage(sitk.ReadImage(path)).squeeze()
    return [np.asarray(nib.load(path).dataobj).squeeze().T, volume]


@pytest.mark.parametrize("ending", FORMATS)
def test_classes_come_back_and_other_programs_read_the_values(ending, tmp_path):
    path = write(tmp_path / f"a.{ending}")
    assert read_classes(path) == CLASSES
    for values in other_programs(path):
        np.testing.assert_array_equal(values, scene()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An image, its mask with classes, and a model that was trained on them by the command."""
    folder = tmp_path_factory.mktemp("classes")
    Pictures.fromarray(scene()[0]).save(folder / "image.png")
    write(folder / "mask.png")
    arguments = ["train", folder / "image.png", folder / "mask.png", "-o", folder / "a.segkit"]
    assert run(*arguments, "--model", "pixels", "--unlabelled", "none") == 0
    return folder


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def test_a_model_keeps_the_classes_of_its_label_files(folder):
    assert Segmenter.load(folder / "a.segkit", device="cpu").classes == CLASSES


@pytest.mark.parametrize("ending", FORMATS)
def test_a_prediction_opens_with_the_classes_of_the_model(ending, folder, tmp_path):
    target = tmp_path / f"found.{ending}"
    assert run("predict", folder / "a.segkit", folder / "image.png", "-o", target) == 0
    assert read_classes(target) == CLASSES
    for values in other_programs(target):
        assert set(np.unique(values)) == {0, 1, 3}


@pytest.mark.parametrize(
    ("options", "value_of", "names"),
    [
        (["--masks", "stem"], {1: 0, 3: 3}, ["ground", "stem"]),
        (["--one-mask"], {1: 1, 3: 1}, ["ground", "leaf, stem"]),
        (["--values", "255"], {1: 255, 3: 255}, ["ground", "leaf, stem"]),
        (["--values", "leaf=255, stem=128"], {1: 255, 3: 128}, ["ground", "stem", "leaf"]),
        (["--masks", "leaf", "--values", "300"], {1: 300, 3: 0}, ["ground", "leaf"]),
    ],
)
def test_classes_are_written_with_the_values_asked_for(options, value_of, names, folder, tmp_path):
    plain, target = tmp_path / "plain.png", tmp_path / "a.png"
    for path, asked in ((plain, []), (target, options)):
        assert run("predict", folder / "a.segkit", folder / "image.png", "-o", path, *asked) == 0
    expected = np.array([0, value_of[1], 0, value_of[3]])[np.asarray(Pictures.open(plain))]
    for values in other_programs(target):
        np.testing.assert_array_equal(values, expected)
    assert [c.name for c in read_classes(target)] == names


def test_a_palette_shows_the_colours_and_keeps_the_values(folder, tmp_path):
    target, model = tmp_path / "a.png", folder / "a.segkit"
    assert run("predict", model, folder / "image.png", "-o", target, "--palette") == 0
    picture = Pictures.open(target)
    assert picture.mode == "P"
    leaf = np.asarray(picture) == 1
    assert (np.asarray(picture.convert("RGB"))[leaf] == (0, 255, 0)).all()
    assert leaf.any()
    np.testing.assert_array_equal(read_labels(target), np.asarray(picture))
    assert read_classes(target) == CLASSES


def test_values_beyond_a_palette_are_written_in_greys_and_told(tmp_path):
    labels = np.array([[0, 300]], np.uint16)
    with pytest.warns(UserWarning, match="values of a.png reach 300, and a palette has 256"):
        write_labels(tmp_path / "a.png", labels, FileMetadata("YX", palette=True))
    np.testing.assert_array_equal(np.asarray(Pictures.open(tmp_path / "a.png")), labels)


def test_an_evaluation_names_the_classes_of_the_files(folder, tmp_path, capsys):
    Pictures.fromarray(scene()[1]).save(tmp_path / "truth.png")
    table = tmp_path / "a.csv"
    assert run("evaluate", folder / "mask.png", tmp_path / "truth.png", "--csv", table) == 0
    assert pd.read_csv(table)["name"].tolist()[:3] == ["ground", "leaf", "stem"]
    assert "stem" in capsys.readouterr().out


def test_names_that_mean_other_values_are_told(folder, tmp_path, capsys):
    swapped = (LabelClass(1, "stem", "#aa5500"), LabelClass(3, "leaf", "#00ff00"))
    truth = write(tmp_path / "truth.png", classes=swapped)
    assert run("evaluate", folder / "mask.png", truth) == 0
    told = "The class 'stem' has the value 3 in the prediction and 1 in the truth: the values count"
    assert told in capsys.readouterr().out


def test_training_tells_files_that_name_one_value_differently(folder, tmp_path, capsys):
    for name, classes in (("a", CLASSES), ("b", (LabelClass(1, "root", "#00ff00"),))):
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
        Pictures.fromarray(scene()[0]).save(tmp_path / f"images/{name}.png")
        write(tmp_path / f"masks/{name}.png", classes=classes)
    target = tmp_path / "a.segkit"
    arguments = ["train", tmp_path / "images", tmp_path / "masks", "-o", target]
    assert run(*arguments, "--model", "pixels", "--unlabelled", "none") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "The value 1 is 'leaf' in a.png and 'root' in b.png: the values count" in told
    assert Segmenter.load(target, device="cpu").classes == CLASSES


def test_ids_of_objects_have_no_class_names(tmp_path):
    image, mask = scene()
    config = TrainConfig(labels_are="objects")
    model = Segmenter(ModelSpec("pixels", objects="components"), device="cpu")
    model.fit(image, mask, config).save(tmp_path / "a.segkit")
    Pictures.fromarray(image).save(tmp_path / "a.png")
    target = tmp_path / "found.tif"
    assert run("predict", tmp_path / "a.segkit", tmp_path / "a.png", "-o", target) == 0
    assert read_classes(target) == ()


@pytest.mark.parametrize(
    "record",
    [
        {"label_classes": 3}, {"label_classes": [[1]]}, {"label_classes": [["x", "leaf"]]},
        {"classes": {"leaf": 1}}, ["leaf"], "leaf", 7,
    ],
)  # fmt: skip
def test_a_record_of_another_form_names_no_classes(record, tmp_path):
    text = PngInfo()
    text.add_text("provenance", json.dumps(record))
    Pictures.fromarray(scene()[1]).save(tmp_path / "a.png", pnginfo=text)
    assert read_classes(tmp_path / "a.png") == ()


def test_files_of_earlier_versions_have_names_without_colours(tmp_path):
    path = write(tmp_path / "a.tif", classes=(), provenance={"classes": [[1, "leaf"], [3, "x"]]})
    assert read_classes(path) == tuple(
        LabelClass(v, name, default_color(v)) for v, name in ((1, "leaf"), (3, "x"))
    )


def test_napari_opens_labels_with_their_classes_and_saves_them_as_they_are_shown(tmp_path):
    data, meta, kind = read_nifti(write(tmp_path / "a.nii.gz", provenance={"model": "x"}))
    layer = Labels(data, **meta)
    assert kind == "labels"
    assert layer.features["name"].tolist() == ["ground", "leaf", "stem"]
    np.testing.assert_allclose(layer.get_color(1), (0, 1, 0, 1))
    features = layer.features.assign(name=["ground", "leaf", "bark"])
    layer.features = features
    saved = str(tmp_path / "b.nii.gz")
    write_labels_layer(saved, *layer.as_layer_data_tuple()[:2])
    stored = [(c.value, c.name, c.color) for c in read_classes(saved)]
    assert stored[1:] == [(1, "leaf", "#00ff00"), (3, "bark", "#aa5500")]
    layer.features = features.drop(columns="name")
    layer.colormap = Labels(data).colormap
    write_labels_layer(saved, *layer.as_layer_data_tuple()[:2])
    assert read_classes(saved) == ()


@pytest.fixture
def layers():
    """A Labels layer with classes in a list, and napari's plugins to save it."""
    manager = PluginManager.instance()
    if "napari-segkit" not in manager or "napari" not in manager:
        manager.discover()
    features = {"index": [1, 3], "name": ["leaf", "stem"]}
    colormap = {None: "grey", 0: "transparent", 1: "#00ff00", 3: "#aa5500"}
    labels = scene()[1].astype(np.int64)
    layer = Labels(labels, scale=(0.5, 0.25), units="um", features=features, colormap=colormap)
    return LayerList([layer])


@pytest.mark.parametrize("name", ["a.ome.tif", "a.png"])
def test_napari_saves_labels_with_their_classes(name, layers, tmp_path):
    path = tmp_path / name
    assert layers.save(str(path)) == [str(path)]
    assert read_classes(path) == CLASSES[1:]
    for values in other_programs(path):
        assert values.dtype == np.uint8
        np.testing.assert_array_equal(values, scene()[1])
    if path.suffix == ".tif":
        image = read_image(path)
        assert (image.spacing[1:], image.unit) == ((0.5, 0.25), "um")


def test_plain_tiff_files_are_still_written_by_napari(layers, tmp_path):
    layers.save(str(tmp_path / "a.tif"))
    assert tifffile.imread(tmp_path / "a.tif").dtype == np.int64
    assert read_classes(tmp_path / "a.tif") == ()
