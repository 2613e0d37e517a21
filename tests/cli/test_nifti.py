"""The commands keep the orientation of MRI volumes."""

import nibabel as nib
import numpy as np
import pytest

from napari_segkit import cli
from napari_segkit.io.files import read_labels
from napari_segkit.segmenter import Segmenter

TINY = ["--epochs", "1", "--steps-per-epoch", "4", "--batch-size", "2", "--tile-size", "32"]
TINY += ["--device", "cpu", "--threads", "1", "--unlabelled", "none", "--dims", "2D"]
OTHER = "PIL"  # for nibabel's order, X Y Z


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def scene():
    """A bright ball off the middle of an oblique volume, and its mask."""
    rng = np.random.default_rng(0)
    x, y, z = np.indices((36, 40, 6))
    mask = (x - 12) ** 2 + (y - 25) ** 2 + 9 * (z - 2) ** 2 < 90
    matrix = np.diag([0.5, 0.5, 3, 1]) @ nib.affines.from_matvec(np.eye(3), (4, -7, 12))
    matrix[:3, :3] = nib.eulerangles.euler2mat(0.1, 0.05, 0) @ matrix[:3, :3]
    image = (rng.integers(0, 60, mask.shape) + 150 * mask).astype(np.int16)
    return nib.Nifti1Image(image, matrix), nib.Nifti1Image(mask.astype(np.float64), matrix)


def reoriented(image):
    move = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(OTHER)
    )
    return image.as_reoriented(move)


def in_original_order(image, original):
    """The voxels of a reoriented image, in the order of the original."""
    move = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.io_orientation(original.affine)
    )
    back = image.as_reoriented(move)
    np.testing.assert_allclose(back.affine, original.affine, atol=1e-4)
    return np.asarray(back.dataobj)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of two orientations, masks with the orientation of the first, and a model."""
    folder = tmp_path_factory.mktemp("mri")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    image, mask = scene()
    image.header["descrip"] = b"a phantom"
    nib.save(image, folder / "images/a.nii.gz")
    nib.save(reoriented(image), folder / "images/b.nii")
    for name in ("a.nii.gz", "b.nii.gz"):
        nib.save(mask, folder / "masks" / name)
    model = folder / "model.segkit"
    assert run("train", folder / "images", folder / "masks", "-o", model, *TINY) == 0
    return folder


def test_masks_are_reoriented_to_their_images(folder):
    """Without that, the masks of one image would not have its shape."""
    model = Segmenter.load(folder / "model.segkit").trained
    assert model.orientation == "SAR"
    assert model.spacing == (3.0, 0.5, 0.5)


def test_a_reoriented_volume_gets_the_same_labels(folder, tmp_path):
    for name in ("a.nii.gz", "b.nii"):
        source = folder / "images" / name
        assert run("predict", folder / "model.segkit", source, "-o", tmp_path / name) == 0
    one, other = nib.load(tmp_path / "a.nii.gz"), nib.load(tmp_path / "b.nii")
    assert len(np.unique(one.dataobj)) == 2
    assert nib.aff2axcodes(other.affine) == tuple(OTHER)
    np.testing.assert_array_equal(in_original_order(other, one), one.dataobj)


def test_a_folder_of_volumes_keeps_their_orientations(folder, tmp_path, capsys):
    out = tmp_path / "out"
    model = folder / "model.segkit"
    assert run("predict", model, folder / "images", "-o", out, "--probabilities") == 0
    printed = capsys.readouterr().out.split()
    names = [f"{place}{name}.nii.gz" for name in "ab" for place in ("", "probabilities/")]
    assert printed == [str(out / name) for name in names]
    for name, source in (("a.nii.gz", "a.nii.gz"), ("b.nii.gz", "b.nii")):
        image, labels = nib.load(folder / "images" / source), nib.load(out / name)
        maps = nib.load(out / "probabilities" / name)
        np.testing.assert_array_equal(labels.affine, image.affine)
        np.testing.assert_array_equal(maps.affine, image.affine)
        assert (labels.shape, maps.shape) == (image.shape, (*image.shape, 2))
        assert labels.header["descrip"] == image.header["descrip"]
        np.testing.assert_array_equal(np.asarray(maps.dataobj).argmax(-1), labels.dataobj)


def test_a_format_can_be_chosen(folder, tmp_path):
    model = folder / "model.segkit"
    assert run("predict", model, folder / "images", "-o", tmp_path, "--format", "tif") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.tif"]
    assert read_labels(tmp_path / "a.tif").shape == (6, 40, 36)


def test_a_broken_file_is_reported_in_one_line(tmp_path, capsys):
    for command in (["train", "a.nii", "b.nii", "-o", "m.segkit"], ["evaluate", "a.nii", "b.nii"]):
        for name in ("a.nii", "b.nii"):
            (tmp_path / name).write_bytes(b"no header at all")
        given = [str(tmp_path / a) if "." in a else a for a in command]
        assert cli.main(given) == 2
        assert ".nii cannot be read" in capsys.readouterr().err.splitlines()[-1]


def test_other_axes_than_the_files_are_refused(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("a.nii", "b.nii")]
    for file in files:
        nib.save(nib.Nifti1Image(np.ones((6, 8, 9), np.uint8), np.eye(4)), file)
    target = str(tmp_path / "m.segkit")
    assert cli.main(["train", *files, "-o", target, "--axes", "XYZ"]) == 2
    assert "differ from ZYX, the axes in the header of a.nii" in capsys.readouterr().err
