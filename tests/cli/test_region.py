"""``segkit predict --region``."""

import numpy as np
import pytest
import tifffile

from napari_segkit import FeatureConfig, ModelSpec, Segmenter, TrainConfig, cli
from napari_segkit.cli.region_option import read_ranges, require_region
from napari_segkit.io.label_classes import read_record

RAW = FeatureConfig(intensity=False, edges=False, texture=False, window=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and a stack of two slices."""
    path = tmp_path_factory.mktemp("region")
    image = np.random.default_rng(0).integers(0, 200, (2, 60, 70)).astype(np.uint8)
    segmenter = Segmenter(ModelSpec("pixels", dims="2D", features=RAW), device="cpu")
    segmenter.fit(image[0], (image[0] > 90) + 1, TrainConfig(unlabelled=None))
    segmenter.save(path / "model.segkit")
    tifffile.imwrite(path / "stack.tif", image, metadata={"axes": "ZYX"})
    mask = np.zeros(image.shape, np.uint8)
    mask[1, 5:20, 8:30] = 1
    tifffile.imwrite(path / "mask.tif", mask, metadata={"axes": "ZYX"})
    return path


@pytest.mark.parametrize("region", ["1,5:20,8:30", "z=1,x=8:30,y=5:20", "mask.tif"])
def test_a_region_of_a_file_is_predicted(folder, tmp_path, monkeypatch, region):
    monkeypatch.chdir(folder)
    labels = tmp_path / "labels.tif"
    asked = ["predict", "model.segkit", "stack.tif", "-o", str(labels), "--region", region]
    assert cli.main(asked) == 0
    found, whole = tifffile.imread(labels), Segmenter.load("model.segkit")
    expected = whole.predict(tifffile.imread("stack.tif"), axes="ZYX")
    inside = tifffile.imread("mask.tif") > 0
    np.testing.assert_array_equal(found, np.where(inside, expected, 0))
    record = read_record(labels)
    assert record["asked_region"] == region
    assert record["region"] == {"axes": "ZYX", "box": [[1, 2], [5, 20], [8, 30]], "pixels": 330}


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("z=9", "--region is 9 along Z, where the image has 2 pixels"),
        (
            "0:5",
            "--region has 1 dimension, but the labels have 3 (axes ZYX, shape (2, 60, 70)): give a "
            "range or number for each axis",
        ),
        ("nothing.tif", "--region is 'nothing.tif', which is no file"),
        ("z=1,0:5", "which is no file: give a range or number for each axis"),
        ("z=1,z=0", "names an axis twice"),
    ],
)
def test_a_wrong_region_is_one_line(folder, tmp_path, capsys, region, said):
    files = [str(folder / name) for name in ("model.segkit", "stack.tif")]
    assert cli.main(["predict", *files, "-o", str(tmp_path / "a.tif"), "--region", region]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_ranges_are_read_as_python_reads_them():
    assert read_ranges("-5:,:7,3") == np.s_[-5:, :7, 3]
    assert read_ranges(" Z=3 , y=1:2") == {"Z": 3, "Y": slice(1, 2)}
    require_region("1:2,3")
