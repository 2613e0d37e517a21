"""Channels that are not said: alpha or a stain, greys among colours, slices or channels."""

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from PIL import Image as Pictures

from napari_segkit import ModelSpec, Segmenter, TrainConfig, cli
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.channels import with_channels
from napari_segkit.io.files import read_image

PIXELS = ModelSpec("pixels")
DENSE = TrainConfig(unlabelled=None)
Y, X = np.mgrid[:50, :60]
LABELS = ((Y - 25) ** 2 + (X - 30) ** 2 < 200).astype(np.uint8)
GREY = (LABELS * 150 + X).astype(np.uint8)
COLOUR = np.dstack([GREY, GREY // 2, 255 - GREY])
NOISE = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
STAINS = np.dstack([NOISE, LABELS * 200])  # only the fourth shows the object


def write_npy(path, image):
    np.save(path.with_suffix(".npy"), image)
    return path.with_suffix(".npy")


def write_tiff(path, image):
    tifffile.imwrite(path.with_suffix(".tif"), image, photometric="minisblack")
    return path.with_suffix(".tif")


@pytest.mark.parametrize("write", [write_npy, write_tiff])
def test_a_fourth_stain_is_used(tmp_path, write):
    np.save(tmp_path / "labels.npy", LABELS + 1)
    image, model = write(tmp_path / "stains", STAINS), tmp_path / "a.segkit"
    options = ["-o", str(model), "--model", "pixels"]
    assert cli.main(["train", str(image), str(tmp_path / "labels.npy"), *options]) == 0
    assert cli.main(["predict", str(model), str(image), "-o", str(tmp_path / "out.tif")]) == 0
    assert (tifffile.imread(tmp_path / "out.tif") == LABELS + 1).mean() > 0.99


def test_alpha_of_files_is_left_out(tmp_path):
    picture = Pictures.fromarray(STAINS)
    for name in ("a.png", "a.tif", "a.webp", "a.gif"):
        picture.save(tmp_path / name)
        assert read_image(tmp_path / name).channels in (1, 3)


def test_alpha_of_a_layer_that_hides_something_is_left_out_with_a_note():
    layer = ImageLayer(STAINS, rgb=True, name="stains")
    with pytest.warns(UserWarning, match="stains: its fourth channel is taken as alpha and left"):
        assert Segmenter(PIXELS).fit(layer, LABELS, DENSE).trained.channels == 3
    assert Segmenter(PIXELS).fit(ImageLayer(STAINS, rgb=False), LABELS, DENSE).trained.channels == 4


def test_a_model_of_three_channels_says_that_it_takes_rgb_of_rgba():
    seg = Segmenter(PIXELS).fit(COLOUR, LABELS, DENSE)
    with pytest.warns(UserWarning, match="image: its fourth channel is taken as alpha"):
        predicted = seg.predict(np.dstack([COLOUR, GREY]))
    np.testing.assert_array_equal(predicted, seg.predict(COLOUR))
    with pytest.raises(ValueError, match="has 4 channels"):
        seg.predict(np.dstack([COLOUR, GREY]), axes="YXC")


def test_a_grey_image_among_colours_is_taken_as_colour(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name, image in (("a", COLOUR), ("b", GREY), ("c", np.dstack([GREY] * 3))):
        Pictures.fromarray(image).save(tmp_path / f"images/{name}.png")
        Pictures.fromarray(LABELS + 1).save(tmp_path / f"masks/{name}.png")
    model = tmp_path / "a.segkit"
    options = ["-o", str(model), "--model", "pixels"]
    assert cli.main(["train", str(tmp_path / "images"), str(tmp_path / "masks"), *options]) == 0
    assert Segmenter.load(model).trained.channels == 3


def test_a_grey_image_among_colours_is_named():
    images = [COLOUR, ImageLayer(GREY, name="b"), da.from_array(GREY)]
    with pytest.warns(UserWarning, match="b, image: grey among images in colour, and taken as"):
        seg = Segmenter(PIXELS).fit(images, [LABELS] * 3, DENSE)
    with pytest.warns(UserWarning, match="b is grey, and taken as colour"):
        predicted = seg.predict(images[1])
    assert predicted.shape == GREY.shape
    np.testing.assert_array_equal(predicted, seg.predict(np.dstack([GREY] * 3)))


class Stored:
    """An array on a disk, as zarr gives it: read piece by piece, with no new axes."""

    def __init__(self, array):
        self.array, self.largest = array, 0
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        if not all(isinstance(i, int | slice) for i in index):
            raise IndexError("unsupported selection")
        self.largest = max(self.largest, self.array[index].size)
        return self.array[index]


@pytest.mark.parametrize(("axes", "shape"), [("YX", ()), ("CYX", (1,)), ("TYX", (2,))])
def test_a_stored_grey_image_is_read_as_colour_piece_by_piece(axes, shape):
    seg = Segmenter(PIXELS).fit(COLOUR, LABELS, DENSE)
    grey = np.broadcast_to(GREY, (*shape, *GREY.shape))
    stored = Stored(grey)
    with pytest.warns(UserWarning, match="image is grey, and taken as colour"):
        with_channels(as_image(stored, axes), 3, "YXC")
    assert stored.largest == 0
    with pytest.warns(UserWarning, match="image is grey, and taken as colour"):
        found = seg.predict(stored, axes=axes)
    assert (found == seg.predict(np.dstack([GREY] * 3))).all()


def test_greys_saved_as_colour_are_grey_to_a_model_of_greys():
    seg = Segmenter(PIXELS).fit(GREY, LABELS, DENSE)
    expected = seg.predict(GREY)
    layer = ImageLayer(np.dstack([GREY] * 3), rgb=True, name="saved")
    with pytest.warns(UserWarning, match="saved holds greys saved as colours"):
        np.testing.assert_array_equal(seg.predict(layer), expected)
    with pytest.raises(ValueError, match="has 3 channels"):
        seg.predict(COLOUR)


def test_a_grey_image_is_no_image_of_three_stains():
    stains = np.moveaxis(COLOUR, -1, 0)
    seg = Segmenter(PIXELS).fit(stains, LABELS, DENSE, axes="CYX")
    with pytest.raises(ValueError, match="has 1 channel "):
        seg.predict(GREY)
    with pytest.raises(ValueError, match=r"image has 1 channel .* and image has 3 channels"):
        Segmenter(PIXELS).fit([GREY[None], stains], [LABELS] * 2, DENSE, axes="CYX")


def test_validation_in_grey_is_taken_as_the_colours_of_training():
    with pytest.warns(UserWarning, match="image is grey, and taken as colour"):
        Segmenter(ModelSpec("unet")).fit(
            COLOUR,
            LABELS,
            TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, unlabelled=None),
            validation=(GREY, LABELS),
        )


@pytest.mark.parametrize("shape", [(6, 50, 60), (50, 60, 7), (2, 6, 50, 60)])
def test_slices_with_one_mask_are_asked_about(shape):
    image = np.zeros(shape)
    labels = np.zeros(tuple(n for n in shape if n not in (6, 7)), int)
    with pytest.raises(ValueError, match=r"is channels, or slices without labels") as error:
        as_image(image, labels_shape=labels.shape, name="a.tif")
    assert str(error.value).startswith(f"a.tif of shape {shape} has labels of shape")
    (remedy,) = error.value.remedies
    axes = remedy.removeprefix("axes='").removesuffix("'")
    assert as_image(image, axes, labels_shape=labels.shape).channels in shape
    if len(shape) == 3 and shape[0] == 6:
        layer = ImageLayer(image, axis_labels=["c", "y", "x"])
        assert as_image(layer, labels_shape=labels.shape).channels == 6


def test_few_channels_without_labels_are_said():
    image = np.stack([GREY, 255 - GREY])
    with pytest.warns(UserWarning, match=r"image: its axis of length 2 is taken as channels"):
        seg = Segmenter(PIXELS).fit(image, LABELS, DENSE)
    assert seg.trained.axes == "CYX"


@pytest.mark.parametrize("write", [write_npy, write_tiff])
def test_a_single_channel_is_grey(tmp_path, write):
    assert as_image(GREY[..., None]).axes == "YXC"
    image = read_image(write(tmp_path / "a", GREY[..., None]))
    assert (image.channels, image.label_shape) == (1, GREY.shape)
    seg = Segmenter(PIXELS).fit(ImageLayer(GREY[..., None]), Labels(LABELS), DENSE)
    for source in (GREY, GREY[..., None], ImageLayer(GREY[..., None]), image):
        np.testing.assert_array_equal(seg.predict(source), seg.predict(GREY))
    with_axis = Segmenter(PIXELS).fit(GREY, LABELS[..., None], DENSE)
    np.testing.assert_array_equal(with_axis.predict(GREY), seg.predict(GREY))
