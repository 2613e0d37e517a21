"""Commands on masks as other programs save them."""

import warnings

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import cli
from napari_segkit.io.files import read_labels
from napari_segkit.segmenter import Segmenter

QUICK = ["--model", "pixels", "--device", "cpu", "--threads", "1"]
Y, X = np.mgrid[:60, :70]
MASK = np.where((Y - 30) ** 2 + (X - 33) ** 2 < 300, 255, 0).astype(np.uint8)
IMAGE = (MASK // 2 + X).astype(np.uint8)


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def write_pillow_jpeg(path):
    Pictures.fromarray(MASK).save(path, quality=75)


def write_pillow_colour_jpeg(path):
    Pictures.fromarray(MASK).convert("RGB").save(path, quality=90)


def write_opencv_jpeg(path):
    cv2.imwrite(str(path), MASK, [cv2.IMWRITE_JPEG_QUALITY, 95])


JPEGS = [write_pillow_jpeg, write_pillow_colour_jpeg, write_opencv_jpeg]


@pytest.mark.parametrize("write", JPEGS)
def test_a_jpeg_mask_has_its_two_values_again(tmp_path, write):
    write(tmp_path / "a.jpg")
    with pytest.warns(UserWarning, match=r"a\.jpg is a 0/255 mask saved as JPEG"):
        np.testing.assert_array_equal(read_labels(tmp_path / "a.jpg"), MASK)


@pytest.mark.parametrize("edge", [16, 20, 50, 60])
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_jpeg_mask_with_straight_edges_has_its_two_values_again(tmp_path, edge, quality):
    mask = np.where(edge <= X, 255, 0).astype(np.uint8)
    Pictures.fromarray(mask).save(tmp_path / "a.jpg", quality=quality)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(read_labels(tmp_path / "a.jpg"), mask)


def test_a_jpeg_of_classes_that_are_its_only_two_values_is_refused(tmp_path):
    Pictures.fromarray(np.where(X >= 16, 200, 0).astype(np.uint8)).save(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="it is no mask of 0 and 255"):
        read_labels(tmp_path / "a.jpg")


def test_a_jpeg_of_several_classes_is_refused(tmp_path):
    Pictures.fromarray((MASK // 255) * 20 + (X // 35).astype(np.uint8) * 20).save(
        tmp_path / "a.jpg"
    )
    with pytest.raises(ValueError, match=r"a\.jpg is saved as JPEG, which changes values, and"):
        read_labels(tmp_path / "a.jpg")


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_a_folder_of_0_255_masks_trains_without_a_choice(tmp_path, capsys, ending):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for i, mask in enumerate((MASK, MASK * 0)):
        Pictures.fromarray(IMAGE).save(tmp_path / f"images/{i}.png")
        Pictures.fromarray(mask).save(tmp_path / f"masks/{i}.{ending}")
    model = tmp_path / "a.segkit"
    assert run("train", tmp_path / "images", tmp_path / "masks", "-o", model, *QUICK) == 0
    said = capsys.readouterr().err
    assert f"  0: {2 * MASK.size - (MASK == 255).sum()}\n  255: {(MASK == 255).sum()}\n" in said
    assert "not labelled: 0 (unlabelled=None)" in said
    assert said.count("0 is taken as the background") == 1
    assert ("0.jpg is a 0/255 mask saved as JPEG" in said) == (ending == "jpg")
    assert Segmenter.load(model).trained.config.unlabelled is None


def test_a_prediction_is_compared_with_a_jpeg_mask(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", MASK)
    write_pillow_jpeg(tmp_path / "truth.jpg")
    assert run("evaluate", tmp_path / "a.tif", tmp_path / "truth.jpg") == 0
    said = capsys.readouterr()
    assert "accuracy 1.000" in said.out.lower()
    assert "truth.jpg is a 0/255 mask saved as JPEG" in said.err


def test_a_value_too_large_for_a_class_is_refused_before_training(tmp_path, capsys):
    np.save(tmp_path / "a.npy", IMAGE)
    np.save(tmp_path / "mask.npy", MASK.astype(np.int64) * 2**31)
    given = [tmp_path / "a.npy", tmp_path / "mask.npy", "-o", tmp_path / "a.segkit"]
    assert run("train", *given, "--unlabelled", "none", *QUICK) == 2
    said = capsys.readouterr().err
    assert f"The labels of a.npy hold the value {255 * 2**31}, but class values" in said
    assert said.count("\n") <= 1
