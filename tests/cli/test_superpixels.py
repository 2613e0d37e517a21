"""Superpixels from the command line: files in, labels out."""

import json
import warnings

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import SuperpixelConfig, cli, superpixels
from napari_segkit.io.files import read_labels


def run(*arguments):
    return cli.main(["superpixels", *(str(a) for a in arguments)])


def scene(seed=0, shape=(40, 50)):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, shape, np.uint8)


@pytest.fixture
def images(tmp_path):
    """A folder with two pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(2):
        Pictures.fromarray(scene(i)).save(folder / f"{i}.png")
    return folder


def test_a_file_gets_the_same_superpixels_as_in_python(images, tmp_path, capsys):
    target = tmp_path / "out.tif"
    options = ["--method", "watershed", "--size", "8", "--compactness", "0.5"]
    assert run(images / "0.png", "-o", target, *options) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(target)
    labels = read_labels(target)
    config = SuperpixelConfig("watershed", 8.0, 0.5)
    np.testing.assert_array_equal(labels, superpixels(scene(), config))
    assert f"0.png: {labels.max()} superpixels" in err
    with tifffile.TiffFile(target) as file:
        described = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"]
    kept = json.loads(described)
    assert kept["file"] == "0.png"
    assert kept["superpixels"]["size"] == 8.0


def test_folders_and_several_files(images, tmp_path, capsys):
    assert run(images, "-o", tmp_path / "a", "--format", "png") == 0
    assert run(images / "0.png", images / "1.png", "-o", tmp_path / "b", "--format", "png") == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / f"{f}/{i}.png") for f in "ab" for i in range(2)]
    for i in range(2):
        one, other = (read_labels(tmp_path / f"{f}/{i}.png") for f in "ab")
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, superpixels(scene(i)))


def test_masks_of_the_same_names(images, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for i in range(2):
        tifffile.imwrite(masks / f"{i}.tif", scene(i + 5) // 128)
    assert run(images, "-o", tmp_path / "out", "--mask", masks) == 0
    for i in range(2):
        labels = read_labels(tmp_path / f"out/{i}.tif")
        np.testing.assert_array_equal(labels > 0, scene(i + 5) > 127)


def test_a_volume_keeps_its_orientation(tmp_path):
    """Its mask has another orientation and is reoriented."""
    matrix = np.diag([0.5, 0.5, 3.0, 1.0])
    image = nib.Nifti1Image(scene(0, (20, 22, 6)).astype(np.int16), matrix)
    mask = np.zeros((20, 22, 6), np.uint8)
    mask[2:12, 3:20, 1:] = 1
    nib.save(image, tmp_path / "a.nii.gz")
    move = nib.orientations.ornt_transform(
        nib.io_orientation(matrix), nib.orientations.axcodes2ornt("PIL")
    )
    nib.save(nib.Nifti1Image(mask, matrix).as_reoriented(move), tmp_path / "mask.nii")
    target = tmp_path / "out.nii.gz"
    options = ["--mask", tmp_path / "mask.nii", "--size", "3", "--units", "world"]
    assert run(tmp_path / "a.nii.gz", "-o", target, *options) == 0
    found = nib.load(target)
    np.testing.assert_array_equal(found.affine, image.affine)
    np.testing.assert_array_equal(np.asarray(found.dataobj) > 0, mask > 0)
    boxes = [np.ptp(np.argwhere(np.asarray(found.dataobj) == v), axis=0) + 1 for v in range(1, 6)]
    assert np.median(boxes, axis=0)[2] <= 2  # slices are as far apart as superpixels are wide


def test_files_are_not_overwritten_unless_asked(images, tmp_path, capsys):
    target = tmp_path / "0.tif"
    target.write_bytes(b"precious")
    assert run(images, "-o", tmp_path) == 1
    err = capsys.readouterr().err
    assert "0.png: " in err
    assert "exists already" in err
    assert "1 of 2 files failed." in err
    assert target.read_bytes() == b"precious"
    assert read_labels(tmp_path / "1.tif").max() > 1
    assert run(images, "-o", tmp_path, "--overwrite") == 0
    assert read_labels(target).max() > 1


def test_an_image_is_never_replaced(tmp_path, capsys):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, scene())
    assert run(path, "-o", tmp_path, "--overwrite") == 2
    assert "the result would replace it" in capsys.readouterr().err
    np.testing.assert_array_equal(tifffile.imread(path), scene())


def test_a_mask_is_never_replaced(images, tmp_path, capsys):
    masks = tmp_path / "masks"
    masks.mkdir()
    for i in range(2):
        tifffile.imwrite(masks / f"{i}.tif", scene(i + 5) // 128)
    assert run(images, "-o", masks, "--mask", masks, "--overwrite") == 2
    assert run(images / "0.png", "-o", masks, "--mask", masks / "0.tif", "--overwrite") == 2
    assert "the result would replace it" in capsys.readouterr().err
    for i in range(2):
        np.testing.assert_array_equal(tifffile.imread(masks / f"{i}.tif"), scene(i + 5) // 128)


def test_an_unusable_image_does_not_stop_the_others(images, tmp_path, capsys):
    tifffile.imwrite(images / "flat.tif", np.full((9, 9), 3, np.uint8))
    tifffile.imwrite(images / "volume.tif", scene(0, (4, 9, 9)), photometric="minisblack")
    assert run(images, "-o", tmp_path / "out", "--method", "felzenszwalb") == 1
    err = capsys.readouterr().err
    assert "flat.tif: " in err
    assert "constant" in err
    assert "volume.tif: felzenszwalb is for 2D images" in err
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(("given", "words"), [
    (["a.png", "sub/a.png", "-o", "out"], "would both be written"),
    (["a.png", "sub/a.png", "-o", "out", "--mask", "a.png"], "There is one mask for 2 images"),
    (["a.png", "-o", "out.jpg"], "cannot be written"),
    (["a.png", "-o", "out.tif", "--size", "-1"], "--size is -1.0"),
    (["a.png", "-o", "out.tif", "--mask", "small.png"], "mask has the shape"),
    (["missing.png", "-o", "out.tif"], "missing.png"),
])  # fmt: skip
def test_mistakes_are_reported_in_one_line(tmp_path, monkeypatch, capsys, given, words):
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "sub/a.png"):
        Pictures.fromarray(scene()).save(tmp_path / name)
    Pictures.fromarray(scene(0, (8, 9))).save(tmp_path / "small.png")
    monkeypatch.chdir(tmp_path)
    assert run(*given) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("out*/*"))


def test_a_warning_while_reading_is_a_note(images, tmp_path, capsys, monkeypatch):
    from napari_segkit.io import files

    read = files.read_source

    def read_and_warn(file, **options):
        warnings.warn(f"{file.name} is large", UserWarning, stacklevel=2)
        return read(file, **options)

    monkeypatch.setattr(files, "read_source", read_and_warn)
    assert run(images, "-o", tmp_path / "out") == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "large" in line] == [
        f"Note: {i}.png is large" for i in (0, 1)
    ]
