"""What ``segkit predict`` writes beside the labels: uncertainty and pictures."""

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pictures
from scipy import stats

from napari_segkit import ModelSpec, Segmenter, TrainConfig, cli

IMAGE = np.tile(np.repeat(np.array([20, 220], np.uint8), 6), (12, 2))
AFFINE = np.array([[-2.0, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A picture, a volume and a model of classes."""
    root = tmp_path_factory.mktemp("data")
    Pictures.fromarray(IMAGE).save(root / "a.png")
    nibabel.save(nibabel.Nifti1Image(np.stack([IMAGE] * 3).T, AFFINE), root / "v.nii.gz")
    config = TrainConfig(epochs=1, unlabelled=None, labels_are="classes")
    labels = (IMAGE > 100).astype(np.uint8)
    Segmenter(ModelSpec("pixels"), device="cpu").fit(IMAGE, labels, config).save(root / "m.segkit")
    return root


def predict(folder, image, *options):
    out = folder / "-".join([image, *options])
    paths = [str(folder / "m.segkit"), str(folder / image), "-o", f"{out}/"]
    return cli.main(["predict", *paths, "--format", "tif", *options]), out


def test_uncertainty_is_that_of_the_probabilities_beside_it(folder):
    status, out = predict(folder, "a.png", "--uncertainty", "entropy", "--probabilities")
    assert status == 0
    uncertainty = tifffile.imread(out / "uncertainty/a.tif")
    maps = tifffile.imread(out / "probabilities/a.tif")
    np.testing.assert_allclose(uncertainty, stats.entropy(maps, base=2, axis=0), atol=1e-5)


def test_of_a_volume_it_keeps_the_affine(folder):
    status, out = predict(folder, "v.nii.gz", "--uncertainty", "margin", "--format", "nii.gz")
    assert status == 0
    written = nibabel.load(out / "uncertainty/v.nii.gz")
    assert (written.shape, written.get_data_dtype()) == ((24, 12, 3), np.float32)
    np.testing.assert_allclose(written.affine, AFFINE)


@pytest.mark.parametrize("style", ["colours", "contours", "cutout"])
def test_a_picture_shows_image_and_labels_at_full_resolution(folder, style):
    status, out = predict(folder, "a.png", "--overlay", style)
    assert status == 0
    picture = np.asarray(Pictures.open(out / "overlays/a.png"))
    labels = tifffile.imread(out / "a.tif")
    assert picture.shape == (*labels.shape, 4 if style == "cutout" else 3)
    if style == "cutout":
        np.testing.assert_array_equal(picture[..., 3], np.where(labels > 0, 255, 0))
    coloured = np.ptp(picture[..., :3].astype(int), axis=-1) > 0
    assert coloured.any() == (style != "cutout")
    assert not coloured[labels == 0].any()
    again, _ = predict(folder, "a.png", "--overlay", style)
    assert again == 2  # nothing is overwritten
    (out / "overlays/a.png").unlink()
    assert predict(folder, "a.png", "--overlay", style)[0] == 2


def test_a_missing_picture_is_added_to_what_is_there(folder):
    _, out = predict(folder, "a.png", "--overlay", "colours", "--overwrite")
    picture = (out / "overlays/a.png").read_bytes()
    (out / "overlays/a.png").unlink()
    paths = [str(folder / "m.segkit"), str(folder / "a.png"), "-o", f"{out}/", "--format", "tif"]
    assert cli.main(["predict", *paths, "--overlay", "colours", "--skip-existing"]) == 0
    assert (out / "overlays/a.png").read_bytes() == picture


def test_uncertainty_is_added_to_labels_that_are_there(folder, capsys):
    """The labels are the same with and without it; another measure is told."""
    _, out = predict(folder, "a.png", "--no-flips")
    paths = [str(folder / "m.segkit"), str(folder / "a.png"), "-o", f"{out}/", "--format", "tif"]
    again = ["predict", *paths, "--skip-existing", "--uncertainty"]
    assert cli.main([*again, "entropy"]) == 0
    assert (out / "uncertainty/a.tif").exists()
    assert "other settings" not in capsys.readouterr().err
    assert cli.main([*again, "margin"]) == 0
    assert "1 of these were made by another model or with other settings" in capsys.readouterr().err


def test_a_picture_of_another_style_is_told(folder, capsys):
    _, out = predict(folder, "a.png", "--overlay", "contours", "--overwrite")
    paths = [str(folder / "m.segkit"), str(folder / "a.png"), "-o", f"{out}/", "--format", "tif"]
    assert cli.main(["predict", *paths, "--overlay", "colours", "--skip-existing"]) == 0
    assert "with other settings" in capsys.readouterr().err


def test_what_the_model_does_not_have_is_refused_in_words_of_options(folder, capsys):
    status, out = predict(folder, "a.png", "--flips")
    assert status != 0
    assert (
        "--flips, but this Pixel classifier was not trained on mirrored" in capsys.readouterr().err
    )
    assert not out.exists()


def test_a_zarr_folder_has_labels_and_maps_and_stays(folder, capsys):
    paths = ["predict", str(folder / "m.segkit"), str(folder / "v.nii.gz")]
    target = folder / "v.zarr"
    assert cli.main([*paths, "-o", str(target), "--probabilities"]) == 0
    _, expected = predict(folder, "v.nii.gz", "--probabilities", "--format", "nii.gz")
    labels = nibabel.load(expected / "v.nii.gz").get_fdata().T
    np.testing.assert_array_equal(zarr.open(target)["labels/prediction/0"][:], labels)
    assert zarr.open(target)["probabilities/0"].shape == (2, 3, 12, 24)
    assert cli.main([*paths, "-o", str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main([*paths, "-o", str(target), "--overlay", "colours", "--overwrite"]) == 2
    assert "leave pictures" in capsys.readouterr().err
    several = [*paths, str(folder / "a.png"), "-o", f"{folder}/out/", "--format", "zarr"]
    several += ["--region", "y=0:9"]
    assert cli.main(several) == cli.main([*several, "--skip-existing"]) == 0
    assert sorted(file.name for file in (folder / "out").iterdir()) == ["a.zarr", "v.zarr"]
    said = capsys.readouterr().err
    assert "2 of 2 results exist" in said
    assert "other settings" not in said
