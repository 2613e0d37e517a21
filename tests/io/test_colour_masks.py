"""Masks whose colours are classes, in every format, in files and in memory."""

import re

import numpy as np
import pandas as pd
import pytest
import tifffile
from nibabel import Nifti1Image
from PIL import Image as Pictures

from napari_segkit import ModelSpec, Segmenter, TrainConfig, evaluate
from napari_segkit.cli import main
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.colour_masks import ColourTable, replace_colours, voc_numbers
from napari_segkit.images.label_stats import label_stats
from napari_segkit.instances.instance_stats import instance_stats
from napari_segkit.io.files import read_labels, shared_colours
from napari_segkit.refinement.soft_labels import all_classes, soft_labels

VOC = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)], np.uint8)
OWN = np.array([(0, 0, 0), (10, 200, 30), (60, 60, 220), (250, 20, 20), (255, 255, 255)], np.uint8)


@pytest.fixture
def labels():
    values = np.zeros((40, 48), np.uint8)
    for value in range(1, 5):
        values[4:36, 10 * value - 4 : 10 * value + 4] = value
    return values


def write(path, colours):
    if path.name == "planar.tif":
        planes = np.ascontiguousarray(np.moveaxis(colours, -1, 0))
        tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    elif path.suffix == ".npy":
        np.save(path, colours)
    else:
        Pictures.fromarray(colours).save(path, **{"lossless": True} if ".webp" in path.name else {})
    return path


@pytest.mark.parametrize("palette", [VOC, OWN])
@pytest.mark.parametrize(
    "name", ["a.png", "a.bmp", "a.ppm", "a.gif", "a.webp", "a.npy", "a.tif", "planar.tif"]
)
def test_the_colours_of_a_mask_are_its_classes_in_every_format(tmp_path, labels, palette, name):
    path = write(tmp_path / name, palette[labels])
    with pytest.warns(
        UserWarning, match=f"^{name}: 5 colours became classes: #000000 0, #"
    ) as told:
        np.testing.assert_array_equal(read_labels(path), labels)
    assert len(told) == 1


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.ppm", "a.gif", "a.webp", "a.tif"])
def test_grey_masks_saved_in_colour_keep_their_values(tmp_path, labels, name):
    path = write(tmp_path / name, np.repeat(labels[..., None] * 60, 3, axis=-1))
    np.testing.assert_array_equal(read_labels(path), labels * 60)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_colours_too_dark_to_tell_from_values_are_refused(tmp_path, labels, name):
    path = write(tmp_path / name, VOC[labels] // 10)
    with pytest.raises(ValueError, match="is a colour picture, but labels need one value"):
        read_labels(path)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_transparent_pixels_are_0(tmp_path, labels, name):
    colours = np.dstack([OWN[labels], np.full(labels.shape, 255, np.uint8)])
    colours[labels == 0] = (255, 255, 255, 0)
    path = write(tmp_path / name, colours)
    with pytest.warns(UserWarning, match="#ffffff 4"):
        np.testing.assert_array_equal(read_labels(path), labels)


def test_a_mask_in_colour_is_turned_by_its_orientation_tag_which_is_said_once(tmp_path, labels):
    exif = Pictures.Exif()
    exif[274] = 6
    path = tmp_path / "a.png"
    Pictures.fromarray(OWN[labels]).save(path, exif=exif)
    with pytest.warns(UserWarning, match="became classes") as told:
        table = shared_colours([path])
    assert len(told) == 1
    with pytest.warns(UserWarning, match="orientation tag 6") as told:
        values = read_labels(path, colours=table)
    assert len(told) == 1
    np.testing.assert_array_equal(values, np.rot90(labels, -1))


def test_colours_of_pascal_voc_have_its_numbers(tmp_path, labels):
    voc = {value: colour for colour, value in voc_numbers().items()}
    assert [f"{voc[n]:06x}" for n in (0, 1, 15, 20, 255)] == [
        "000000", "800000", "c08080", "004080", "e0e0c0",
    ]  # fmt: skip
    assert ColourTable.of({0xE0E0C0, 0xC08080}).values == {0xC08080: 15, 0xE0E0C0: 255}
    picture = Pictures.fromarray(labels)
    picture.putpalette([int(c) for c in VOC.ravel()])
    picture.save(tmp_path / "palette.png")
    colours = write(tmp_path / "colours.png", VOC[labels])
    indices = read_labels(tmp_path / "palette.png")
    with pytest.warns(UserWarning, match="became classes"):
        np.testing.assert_array_equal(read_labels(colours), indices)


def test_masks_read_together_share_their_classes(tmp_path, labels):
    first, second = np.where(labels == 3, 0, labels), np.where(labels == 1, 0, labels)
    files = [write(tmp_path / "a.png", OWN[first]), write(tmp_path / "b.bmp", OWN[second])]
    files.append(write(tmp_path / "black.png", np.zeros((5, 5, 3), np.uint8)))
    with pytest.warns(UserWarning, match=r"^a\.png: 5 colours") as told:
        table = shared_colours(files)
    assert len(told) == 1
    np.testing.assert_array_equal(read_labels(files[0], colours=table), first)
    np.testing.assert_array_equal(read_labels(files[1], colours=table), second)
    assert not np.any(read_labels(files[2], colours=table))
    assert [c.name for c in table.classes] == [
        "#000000",
        "#0ac81e",
        "#3c3cdc",
        "#fa1414",
        "#ffffff",
    ]


def test_colours_and_values_are_not_mixed(tmp_path, labels):
    colours, grey = write(tmp_path / "a.png", OWN[labels]), write(tmp_path / "b.png", labels)
    with pytest.raises(ValueError, match=r"a\.png is a colour picture and b\.png holds one value"):
        shared_colours([colours, grey])
    assert not shared_colours([grey, colours])
    with pytest.raises(ValueError, match=r"a\.png is a colour picture, but the first one"):
        read_labels(colours, colours=shared_colours([grey, colours]))


def blended(labels, palette):
    size = (labels.shape[1] * 2 + 1, labels.shape[0] * 2 + 1)
    return np.array(Pictures.fromarray(palette[labels]).resize(size, Pictures.Resampling.BILINEAR))


@pytest.mark.parametrize("palette", [VOC, OWN])
def test_blended_colours_are_refused(tmp_path, labels, palette):
    path = write(tmp_path / "a.png", blended(labels, palette))
    with pytest.raises(ValueError, match=r"a\.png is a colour picture of .* blends"):
        read_labels(path)
    path = write(tmp_path / "a.jpg", palette[labels])
    with pytest.raises(ValueError, match=r"a\.jpg is a colour picture saved as JPEG"):
        read_labels(path)


def test_photographs_and_deep_colours_are_refused(tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.int64)
    path = write(tmp_path / "a.npy", photo.astype(np.uint8))
    with pytest.raises(ValueError, match=r"3\d\d\d colours, too many"):
        read_labels(path)
    path = write(tmp_path / "b.npy", (photo * 9 + 1).astype(np.uint16))
    with pytest.raises(ValueError, match=r"b\.npy is a colour picture of values from"):
        read_labels(path)


def test_colours_of_16_bits_are_those_of_8(tmp_path, labels):
    path = write(tmp_path / "a.npy", OWN[labels].astype(np.uint16) * 257)
    with pytest.warns(UserWarning, match="#0ac81e 1"):
        np.testing.assert_array_equal(read_labels(path), labels)


def test_thin_lines_of_a_colour_are_a_class(labels):
    labels[20], labels[2] = 1, 2
    with pytest.warns(UserWarning, match="became classes"):
        assert evaluate(OWN[np.where(labels < 3, labels, 0)], OWN[labels % 3]).accuracy < 1


def test_arrays_and_layers_of_colours_are_trained_on_by_colour(labels):
    from napari.layers import Image, Labels

    image = OWN[labels]
    config = TrainConfig(epochs=1, unlabelled=None)
    for given in (VOC[labels], Labels(VOC[labels]), Image(VOC[labels])):
        segmenter = Segmenter(ModelSpec("pixels"))
        with pytest.warns(UserWarning, match="5 colours became classes"):
            segmenter.fit(image, given, config, validation=(image, VOC[np.minimum(labels, 3)]))
        assert [c.value for c in segmenter.classes] == [0, 1, 2, 3, 4]
        assert [c.color for c in segmenter.classes[:2]] == ["#000000", "#800000"]
        assert segmenter.classes[1].name == "#800000"
    stats = label_stats(VOC[labels], unlabelled=None)
    assert list(stats.counts) == [0, 1, 2, 3, 4]
    assert stats.notes[0].startswith("labels: 5 colours became classes")


def test_values_are_compared_with_colours_and_colours_with_colours(labels):
    with pytest.warns(UserWarning, match="#800000 1"):
        assert evaluate(labels, VOC[labels]).accuracy == 1
    with pytest.raises(ValueError, match="of which none is named #000000"):
        evaluate(labels, OWN[labels])
    few = np.minimum(labels, 2)
    with pytest.warns(UserWarning, match="5 colours became classes"):
        assert evaluate(OWN[few], OWN[labels]).accuracy == np.mean(few == labels)


def test_labels_painted_on_single_channels_stay_as_they_are(labels):
    painted = np.zeros((*labels.shape, 3), np.uint8)
    painted[..., 0] = labels
    assert replace_colours([painted]) == ([[painted]], "")


def test_the_command_line_trains_and_evaluates_by_colour(tmp_path, labels, capsys):
    for folder in ("images", "masks", "values"):
        (tmp_path / folder).mkdir()
    for number, values in enumerate((labels, np.where(labels == 1, 0, labels))):
        write(tmp_path / f"images/{number}.png", VOC[labels])
        write(tmp_path / f"masks/{number}.png", OWN[values])
        write(tmp_path / f"values/{number}.png", values)
    images, masks, values, model = map(
        str, (tmp_path / n for n in ("images", "masks", "values", "m"))
    )
    options = ["--model", "pixels", "--epochs", "1", "--unlabelled", "none"]
    assert main(["train", images, masks, "-o", model, *options]) in (0, None)
    error = capsys.readouterr().err
    assert "Note: 0.png: 5 colours became classes: #000000 0, #0ac81e 1" in error
    assert re.findall(r"^  (\d): ", error, re.M) == ["0", "1", "2", "3", "4"]
    assert Segmenter.load(model).classes[1].color == "#0ac81e"
    assert main(["evaluate", values, masks]) == 2  # whose values are they?
    assert "of which none is named #000000, #0ac81e" in capsys.readouterr().err
    results = str(tmp_path / "results")
    assert main(["predict", model, images, "-o", results]) in (0, None)
    assert main(["evaluate", results, masks, "--csv", f"{results}.csv"]) in (0, None)
    assert capsys.readouterr().err.count("became classes") == 1
    both = pd.read_csv(f"{results}.csv").set_index(["image", "class"])["dice"]
    subset = str(tmp_path / "masks/1.png")  # holds fewer colours: they keep their values
    assert main(["evaluate", f"{results}/1.tif", subset, "--csv", f"{results}1.csv"]) in (0, None)
    alone = pd.read_csv(f"{results}1.csv").set_index("class")["dice"]
    assert alone["2"].tolist() == [both["1.tif", "2"]] * 2  # of the image, and pooled


def test_masks_of_a_folder_are_smoothed_with_shared_classes(tmp_path, labels):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number, values in enumerate((labels, np.where(labels == 1, 0, labels))):
        write(tmp_path / f"images/{number}.png", VOC[labels])
        write(tmp_path / f"masks/{number}.png", OWN[values])
    paths = [str(tmp_path / name) for name in ("masks", "images")]
    assert not main(
        ["smooth", *paths, "-o", str(tmp_path / "out"), "--refine", "none", "--unlabelled", "none"]
    )
    for number, values in enumerate((labels, np.where(labels == 1, 0, labels))):
        np.testing.assert_array_equal(read_labels(tmp_path / f"out/{number}.tif"), values)


def test_superpixels_take_a_mask_in_colour(tmp_path, labels):
    image, mask = write(tmp_path / "a.png", VOC[labels]), write(tmp_path / "b.bmp", OWN[labels])
    target = str(tmp_path / "out.tif")
    assert not main(["superpixels", str(image), "--mask", str(mask), "-o", target])
    np.testing.assert_array_equal(read_labels(target) > 0, labels > 0)


def test_a_narrow_volume_of_ids_is_not_taken_for_colours(labels):
    from napari.layers import Image, Labels

    ids = np.zeros((20, 24, 3), np.uint8)
    ids[2:8, 2:8], ids[10:16, 2:8, 1:], ids[10:16, 12:20, :2] = 70, 150, 230
    volume = ids + np.indices(ids.shape)[1].astype(np.float32)
    config = TrainConfig(unlabelled=None, labels_are="classes")
    image = Image(volume, rgb=False)
    axes_image = as_image(image)
    assert label_stats(ids, unlabelled=None, image=axes_image).counts.keys() == {0, 70, 150, 230}
    assert instance_stats(ids, image=axes_image).objects[0].count == 3
    for given in (Labels(ids), ids.astype(np.int32)):
        segmenter = Segmenter(ModelSpec("pixels")).fit(image, given, config)
        assert [c.value for c in segmenter.classes] == [0, 70, 150, 230]
    segmenter = Segmenter(ModelSpec("pixels")).fit(volume, ids, config, axes="ZYX")
    assert [c.value for c in segmenter.classes] == [0, 70, 150, 230]


def test_classes_of_objects_may_be_colours():
    from napari.layers import Labels

    y, x = np.mgrid[:60, :80]
    inside = (y % 20 - 10) ** 2 + (x % 20 - 10) ** 2 < 36
    ids = np.where(inside, y // 20 * 4 + x // 20 + 1, 0)
    kinds = np.where(inside, 1 + (x // 20) % 2, 0)
    image = np.dstack([inside * 200, kinds * 100, x]).astype(np.uint8)
    spec = ModelSpec("pixels", objects="components")
    for classes in (OWN[kinds], Labels(OWN[kinds])):
        segmenter = Segmenter(spec)
        with pytest.warns(UserWarning, match="3 colours became classes"):
            segmenter.fit(image, ids, object_classes=classes)
        assert [c.name for c in segmenter.classes[1:]] == ["#0ac81e", "#3c3cdc"]
        stats = instance_stats(ids, image=as_image(image), object_classes=classes)
        assert [s.count for s in stats.objects] == [6, 6]
        assert "3 colours became classes" in stats.notes[0]
    stats = instance_stats(OWN[kinds], image=as_image(image), labels_are="classes")
    assert [s.count for s in stats.objects] == [6, 6]


def test_soft_labels_of_colours_are_those_of_their_classes(labels):
    with pytest.warns(UserWarning, match="5 colours became classes"):
        soft, values = soft_labels(OWN[labels])
    expected, _ = soft_labels(labels)
    assert values == (0, 1, 2, 3, 4)
    np.testing.assert_array_equal(soft, expected)
    with pytest.raises(ValueError, match="in colour, which refinement does not read"):
        all_classes(OWN[labels])


def test_volumes_of_labels_are_not_read_to_look_for_colours(tmp_path, monkeypatch):
    labels = Nifti1Image(np.full((4, 4, 4), 200, np.uint8), np.eye(4))
    labels.to_filename(tmp_path / "a.nii.gz")
    read = []
    monkeypatch.setattr("napari_segkit.io.files.read_source", lambda *a, **k: read.append(a))
    assert not shared_colours([tmp_path / "a.nii.gz"])
    assert read == []
