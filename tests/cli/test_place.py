"""Files that do not lie on each other: told before training and smoothing, refused by evaluate."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_segkit import cli
from napari_segkit.io.file_geometry import files_apart

TURN = nib.eulerangles.euler2mat(0.2, 0.1)
AFFINE = nib.affines.from_matvec(TURN @ np.diag([1, 2, 3]), (5, 6, 7))
MASK = np.zeros((12, 16, 8), np.uint8)
MASK[3:9, 4:12, 2:6] = 1
FAR = nib.affines.from_matvec(np.eye(3), (100, 0, 0)) @ AFFINE
TINY = ["--model", "pixels", "--epochs", "1", "--unlabelled", "none", "--device", "cpu"]


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def write_nifti(file, array, affine=AFFINE):
    file.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), file)
    return file


def write_ome(file, array, size, axes="YX"):
    sizes = {"PhysicalSizeX": size, "PhysicalSizeY": size}
    tifffile.imwrite(file, array, ome=True, metadata={"axes": axes, **sizes})
    return file


@pytest.fixture
def image(tmp_path):
    noise = np.random.default_rng(0).normal(0, 1, MASK.shape)
    return write_nifti(tmp_path / "image.nii.gz", (MASK * 50 + noise).astype(np.float32))


def test_a_mask_saved_by_simpleitk_lies_on_the_image(tmp_path, image):
    read = sitk.ReadImage(str(image))
    mask = sitk.Cast(read > 25, sitk.sitkUInt8)
    sitk.WriteImage(mask, str(tmp_path / "mask.nii.gz"))
    assert files_apart(image, tmp_path / "mask.nii.gz") is None
    turned = sitk.DICOMOrient(mask, "RAS")
    sitk.WriteImage(turned, str(tmp_path / "turned.nii.gz"))
    assert files_apart(image, tmp_path / "turned.nii.gz") is None
    mask.SetOrigin(np.add(mask.GetOrigin(), (0, 0, 30)).tolist())
    sitk.WriteImage(mask, str(tmp_path / "moved.nii.gz"))
    assert "voxels of equal index are up to 30 mm apart" in files_apart(
        image, tmp_path / "moved.nii.gz"
    )


def test_pixel_sizes_of_tiff_files_are_compared(tmp_path):
    pixels = np.zeros((20, 24), np.uint8)
    image = write_ome(tmp_path / "image.tif", pixels, 0.5)
    assert files_apart(image, write_ome(tmp_path / "same.tif", pixels, 0.5)) is None
    assert "pixels are 0.5 x 0.5 and 0.25 x 0.25 um (Y x X)" in files_apart(
        image, write_ome(tmp_path / "mask.tif", pixels, 0.25)
    )
    nanometres = {f"PhysicalSize{a}": 500 for a in "XY"}
    nanometres |= {f"PhysicalSize{a}Unit": "nm" for a in "XY"} | {"axes": "YX"}
    tifffile.imwrite(tmp_path / "nm.tif", pixels, ome=True, metadata=nanometres)
    assert files_apart(image, tmp_path / "nm.tif") is None
    tifffile.imwrite(tmp_path / "plain.tif", pixels)
    assert files_apart(image, tmp_path / "plain.tif") is None


def test_a_mask_in_another_format_of_volumes_is_compared(tmp_path, image):
    mask = sitk.Cast(sitk.ReadImage(str(image)) > 25, sitk.sitkUInt8)
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    assert files_apart(image, tmp_path / "mask.nrrd") is None
    mask.SetSpacing((0.5, 0.5, 9))
    sitk.WriteImage(mask, str(tmp_path / "coarse.mha"))
    assert "voxels are 3 x 2 x 1 and 9 x 0.5 x 0.5 mm (Z x Y x X)" in files_apart(
        image, tmp_path / "coarse.mha"
    )


def test_swapped_axes_of_a_square_file_are_told(tmp_path):
    pixels = np.zeros((20, 20), np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", pixels, metadata={"axes": "YX"})
    tifffile.imwrite(tmp_path / "mask.tif", pixels, metadata={"axes": "XY"})
    assert "their axes are YX and XY" in files_apart(tmp_path / "image.tif", tmp_path / "mask.tif")


def test_evaluate_refuses_masks_that_lie_apart_unless_by_index(tmp_path, capsys):
    truth = write_nifti(tmp_path / "truth.nii.gz", MASK)
    far = write_nifti(tmp_path / "far.nii.gz", MASK, FAR)
    assert run("evaluate", far, truth) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "far.nii.gz and truth.nii.gz do not lie on each other" in told.err
    assert "100 mm apart" in told.err
    assert "--by-index" in told.err
    assert run("evaluate", far, truth, "--by-index") == 0
    told = capsys.readouterr()
    assert "1.0000" in told.out
    assert "Compared pixel by pixel, although far.nii.gz and truth.nii.gz" in told.out


def test_evaluate_names_the_files_of_a_folder_that_lie_apart(tmp_path, capsys):
    for name, affine in {"a": AFFINE, "b": FAR, "c": FAR}.items():
        write_nifti(tmp_path / f"truth/{name}.nii.gz", MASK)
        write_nifti(tmp_path / f"found/{name}.nii.gz", MASK, affine)
    assert run("evaluate", tmp_path / "found", tmp_path / "truth") == 2
    told = capsys.readouterr().err
    assert "found/b.nii.gz and " in told
    assert "The same is true of c.nii.gz." in told
    assert "a.nii.gz" not in told.split("do not lie")[1]


def test_evaluate_compares_volumes_stored_in_another_order(tmp_path, capsys):
    truth = write_nifti(tmp_path / "truth.nii.gz", MASK)
    turned = nib.load(truth).as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    nib.save(turned, tmp_path / "turned.nii.gz")
    assert run("evaluate", tmp_path / "turned.nii.gz", truth) == 0
    assert "1.0000" in capsys.readouterr().out


def test_train_tells_labels_that_lie_apart_before_training(tmp_path, image, capsys):
    far = write_nifti(tmp_path / "far.nii.gz", MASK, FAR)
    assert run("train", image, far, "-o", tmp_path / "m.segkit", *TINY) == 0
    told = capsys.readouterr().err
    note = "Note: image.nii.gz and far.nii.gz do not lie on each other: voxels of equal index are"
    assert note in told
    assert told.index(note) < told.index("Labelled pixels of each class")


def test_smooth_tells_labels_that_lie_apart(tmp_path, image, capsys):
    far = write_nifti(tmp_path / "far.nii.gz", MASK, FAR)
    output = tmp_path / "out.nii.gz"
    assert run("smooth", far, image, "-o", output, "--refine", "mrf", "--device", "cpu") == 0
    assert "Note: far.nii.gz and image.nii.gz do not lie on each other" in capsys.readouterr().err


def test_superpixels_tell_a_mask_that_lies_apart(tmp_path, image, capsys):
    far = write_nifti(tmp_path / "far.nii.gz", MASK, FAR)
    assert run("superpixels", image, "--mask", far, "-o", tmp_path / "out.nii.gz") == 0
    assert "Note: image.nii.gz and far.nii.gz do not lie" in capsys.readouterr().err


def test_evaluate_names_a_file_that_cannot_be_compared_once(tmp_path, capsys):
    for name, value in [("probability", 0.5), ("truth", 1)]:
        np.save(tmp_path / f"{name}.npy", np.full((8, 8), value))
    files = tmp_path / "probability.npy", tmp_path / "truth.npy"
    assert run("evaluate", *files) == 2
    assert capsys.readouterr().err.count("probability.npy") == 1
