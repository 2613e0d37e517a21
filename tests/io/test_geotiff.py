"""GeoTIFF: results stay on the map."""

import numpy as np
import pytest
import tifffile

from napari_segkit.io.files import read_image
from napari_segkit.jobs.file_writer import FileWriter, OutputOptions
from napari_segkit.label_result import LabelResult

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
LABELS = RGB[..., 0] // 128
KEYS = (1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633, 3076, 0, 1, 9001)
TAGS = [
    (33550, "d", 3, (0.5, 0.25, 0.0), True),
    (33922, "d", 6, (0, 0, 0, 500000.0, 5200000.0, 0), True),
    (34735, "H", len(KEYS), KEYS, True),
    (34737, "s", 0, "WGS 84 / UTM 33N|", True),
]


def map_image(path, tags=TAGS):
    tifffile.imwrite(path, RGB, photometric="rgb", extratags=tags, metadata=None)
    return read_image(path)


def written(path, image):
    writer = FileWriter(path, image, OutputOptions())
    writer.write(LabelResult(LABELS, "YX", (), {}))
    return path


def test_results_keep_the_place_on_the_map_and_the_pixel_size(tmp_path):
    image = map_image(tmp_path / "a.tif")
    assert (image.spacing, image.unit) == ((1, 0.25, 0.5), "m")
    with tifffile.TiffFile(written(tmp_path / "b.tif", image)) as result:
        with tifffile.TiffFile(tmp_path / "a.tif") as source:
            assert result.geotiff_metadata == source.geotiff_metadata
        tags = result.pages[0].tags
        assert [tags[code].value for code, *_ in TAGS] == [value for _, _, _, value, _ in TAGS]
        np.testing.assert_array_equal(result.asarray(), LABELS)


@pytest.mark.parametrize("ending", ["png", "npy", "nii.gz"])
def test_formats_without_a_place_say_that_it_is_lost(tmp_path, ending):
    image = map_image(tmp_path / "a.tif")
    with pytest.warns(UserWarning, match=rf"b.{ending} does not keep the place"):
        written(tmp_path / f"b.{ending}", image)


def test_degrees_are_no_pixel_size(tmp_path):
    degrees = (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326)
    image = map_image(tmp_path / "a.tif", [*TAGS[:2], (34735, "H", len(degrees), degrees, True)])
    assert (image.spacing, image.unit) == ((1, 1, 1), "")
    assert len(image.metadata["geotiff"]) == 3


def test_a_turned_image_loses_its_place_with_a_word(tmp_path):
    tags = [*TAGS, (274, "H", 1, 3, True)]
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", extratags=tags, metadata=None)
    lost = pytest.warns(UserWarning, match="place on the map is not kept")
    with lost, pytest.warns(UserWarning, match="orientation tag 3"):
        assert "geotiff" not in read_image(tmp_path / "a.tif").metadata
