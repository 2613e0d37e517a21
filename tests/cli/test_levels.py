"""Levels of pyramids, and the pixel size of the training, on the command line."""

import numpy as np
import pytest
import tifffile

from napari_segkit import ModelSpec, Segmenter, TrainConfig, cli
from napari_segkit.io.files import read_image

MASK = np.zeros((32, 24), np.uint8)
MASK[8:20, 6:18] = 1
COARSE = MASK * 50 + 20
FINE = np.kron(COARSE, np.ones((4, 4), np.uint8))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Trained on pixels of 0.4 um."""
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    segmenter.fit(COARSE, MASK, TrainConfig(epochs=1, unlabelled=None), spacing=(0.4, 0.4))
    return str(segmenter.save(tmp_path_factory.mktemp("model") / "a.segkit"))


@pytest.fixture
def pyramid(tmp_path):
    file, size = tmp_path / "slide.ome.tif", {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(FINE, subifds=2, metadata={"axes": "YX", **size})
        tiff.write(FINE[::2, ::2], subfiletype=1)
        tiff.write(FINE[::4, ::4], subfiletype=1)
    return str(file)


@pytest.mark.parametrize(
    ("options", "factor"), [(["--level", "2"], 1), (["--resample"], 4), (["--level", "0"], 4)]
)
def test_labels_have_the_shape_and_pixel_size_of_the_level(
    model, pyramid, tmp_path, options, factor
):
    output = str(tmp_path / "labels.tif")
    assert cli.main(["predict", model, pyramid, "-o", output, *options]) == 0
    labels = read_image(output)
    assert labels.shape == (32 * factor, 24 * factor)
    assert np.allclose(labels.spacing[1:], 0.4 / factor)
    if "0" not in options:
        expected = np.kron(MASK, np.ones((factor, factor)))
        assert (np.asarray(labels.data) == expected).mean() > 0.99


def test_what_cannot_be_done_is_said_with_the_option(model, pyramid, tmp_path, capsys):
    output = str(tmp_path / "labels.tif")
    np.save(tmp_path / "plain.npy", FINE)
    for image, option, said in (
        (pyramid, ["--level", "3"], "the levels 0 to 2, but --level is 3"),
        (str(tmp_path / "plain.npy"), ["--level", "1"], "only one level, but --level is 1"),
        (str(tmp_path / "plain.npy"), ["--resample"], "--resample is set, but the pixel size of"),
    ):
        assert cli.main(["predict", model, image, "-o", output, *option]) == 2
        assert said in capsys.readouterr().err
