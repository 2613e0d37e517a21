"""Files of other programs whose pixels are easily misread: turned, in other colours, several."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures
from PIL import ImageOps

from napari_segkit.io.files import read_image, read_labels

GREY = np.random.default_rng(0).integers(0, 256, (6, 9), np.uint8)


def turned(orientation):
    exif = Pictures.Exif()
    exif[274] = orientation
    return exif


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_orientation_tag_turns_a_file_as_viewers_show_it(tmp_path, read, orientation):
    picture, tags = Pictures.fromarray(GREY), turned(orientation)
    picture.save(tmp_path / "a.png", exif=tags)
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, "H", 1, orientation, True)])
    with Pictures.open(tmp_path / "a.png") as shown:
        expected = np.array(ImageOps.exif_transpose(shown))
    for name in ("a.png", "a.tif"):
        with pytest.warns(UserWarning, match=f"{name} has the orientation tag {orientation}"):
            source = read(tmp_path / name)
        np.testing.assert_array_equal(getattr(source, "data", source), expected)


def test_a_photo_is_turned_with_its_colours(tmp_path):
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[:16, :, 0] = 200
    Pictures.fromarray(rgb).save(tmp_path / "a.jpg", exif=turned(6))
    with pytest.warns(UserWarning, match="orientation tag 6"):
        image = read_image(tmp_path / "a.jpg")
    assert (image.shape, image.axes) == ((48, 32, 3), "YXC")
    assert abs(float(np.mean(image.data[:, 24:, 0])) - 200) < 3  # the upper rows are at the right


def test_pixel_sizes_turn_with_the_pixels(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        GREY,
        imagej=True,
        resolution=(4, 2),
        metadata={"unit": "um"},
        extratags=[(274, "H", 1, 8, True)],
    )
    with pytest.warns(UserWarning, match="orientation tag 8"):
        image = read_image(tmp_path / "a.tif")
    assert (image.shape, image.spacing) == ((9, 6), (1, 0.25, 0.5))


def test_an_unknown_orientation_is_upright(tmp_path):
    Pictures.fromarray(GREY).save(tmp_path / "a.png", exif=turned(1))
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, "H", 1, 9, True)])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name).data, GREY)
