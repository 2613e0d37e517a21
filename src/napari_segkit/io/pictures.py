"""PNG, JPEG, BMP, PNM and JPEG 2000 files as viewers show them."""

import json
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.images.types import AnyArray

from .replace_file import Content, atomic_write
from .upright import ORIENTATION, upright

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile
    from PIL.PngImagePlugin import PngInfo

JPEG = (".jpg", ".jpeg")
JPEG2000 = (".jp2", ".j2k", ".jpx")
PICTURES = (".png", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", *JPEG, *JPEG2000)
RECORD = "provenance"  # key of the text in a PNG
EIGHT_BITS = 255  # the highest value
GREY_ALPHA = "LA;16B"  # read as RGBA of 8 bits, it gives the high and low bytes of both
SCALED = {"L;2": 85, "L;4": 17}  # Pillow multiplies few bits to the range of 8
LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", GREY_ALPHA: "RGBA"}


def read_picture(path: Path, *, labels: bool) -> tuple[AnyArray, str]:
    """Upright pixels without alpha and their axes.

    Of `labels` with a palette they are the indices; colours of labels keep their alpha.
    """
    from PIL import Image

    with Image.open(path) as picture:
        _say_frames(getattr(picture, "n_frames", 1), path)
        highest = _pnm_maximum(picture)
        coding = str(picture.tile[0].args) if picture.tile else ""
        orientation = picture.getexif().get(ORIENTATION)
        if path.suffix.lower() in JPEG2000 and picture.mode in ("RGB", "RGBA"):
            pixels = _jpeg2000_pixels(path, alpha=picture.mode == "RGBA" and not labels)
        elif coding in LOW_BYTES:
            pixels = _deep_pixels(np.array(picture), coding, path, labels=labels)
        else:
            pixels = _label_pixels(picture, coding) if labels else _image_pixels(picture)
        if highest and pixels.ndim == 2 and (labels or highest > EIGHT_BITS):
            pixels = _unscaled(pixels, highest)
    axes = "YXC"[: pixels.ndim]
    return upright(pixels, axes, orientation, path), axes


def write_picture(path: Path, picture: AnyArray, *, overwrite: bool = True) -> None:
    """Write (Y, X, 3) colours of 8 bits as PNG."""
    with atomic_write(path, overwrite=overwrite) as file:
        picture_content(picture)(file)


def picture_content(picture: AnyArray, record: Mapping[str, object] | None = None) -> Content:
    """What a PNG file of colours of 8 bits holds, with or without alpha, and how it was made."""
    from PIL import Image

    text = None if record is None else record_text(record)
    return partial(Image.fromarray(picture).save, format="PNG", pnginfo=text)


def record_text(record: Mapping[str, object]) -> "PngInfo":
    """The text of a PNG file that tells how its pixels were made."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text(RECORD, json.dumps(record))
    return text


def read_record(path: Path) -> object:
    """The record in the text of a PNG file; KeyError if it has none."""
    from PIL import Image

    with Image.open(path) as picture:
        return json.loads(picture.info[RECORD])


def _say_frames(count: int, path: Path) -> None:
    if count > 1:
        warnings.warn(
            f"{path} holds {count} pictures: the first was read. Save the others in files of their "
            "own to use them.",
            UserWarning,
            stacklevel=3,
        )


def _jpeg2000_pixels(path: Path, *, alpha: bool) -> AnyArray:
    """Colours with all their bits, of which Pillow keeps eight."""
    from imagecodecs import jpeg2k_decode

    pixels = np.asarray(jpeg2k_decode(path.read_bytes()))
    return pixels[..., :3] if alpha else pixels


def _pnm_maximum(picture: "ImageFile") -> int:
    """The highest value of a PNM file, if Pillow scales the values by it; colours are refused."""
    tile = picture.tile[0] if picture.tile else None
    if not tile or tile.codec_name not in ("ppm", "ppm_plain") or not isinstance(tile.args, tuple):
        return 0
    mode, highest = tile.args
    if mode == "RGB" and highest > EIGHT_BITS:
        raise ValueError("it holds more than 8 bits per colour in PPM: save it as PNG or TIFF")
    return int(highest)


def _unscaled(pixels: AnyArray, highest: int) -> AnyArray:
    """The values in a PNM file, which Pillow spreads over the range of 8 or 16 bits."""
    full = EIGHT_BITS if pixels.dtype == np.uint8 else 2**16 - 1
    return np.rint(pixels * (highest / full)).astype(np.min_scalar_type(highest))


def _deep_pixels(high: AnyArray, coding: str, path: Path, *, labels: bool) -> AnyArray:
    """RGB or greys of 16 bits, only of `labels` with alpha; Pillow gives the high byte alone."""
    from PIL import Image

    with Image.open(path) as picture:
        picture.tile = [picture.tile[0]._replace(args=LOW_BYTES[coding])]
        low = np.array(picture)
    if coding == GREY_ALPHA:
        high, low = low[..., 0], low[..., 1]
    pixels: AnyArray = (high.astype(np.uint16) << 8) | low
    return pixels if labels or pixels.ndim < 3 else pixels[..., :3]


def _image_pixels(picture: "Picture") -> AnyArray:
    """Greyscale or RGB, with the palette applied and without alpha."""
    if picture.mode in ("1", "LA", "La"):
        picture = picture.convert("L")
    elif picture.mode == "P":
        return _greys_of(np.array(picture.convert("RGB")))
    elif picture.mode not in ("L", "RGB", "I", "F") and not picture.mode.startswith("I;16"):
        picture = picture.convert("RGB")
    return np.array(picture)


def _greys_of(colours: AnyArray) -> AnyArray:
    """One channel of colours that are all greys; others as they are."""
    is_grey = (colours == colours[..., :1]).all()
    return colours[..., 0] if is_grey else colours


def _label_pixels(picture: "Picture", coding: str) -> AnyArray:
    """Stored values: palette indices, 0 and 1 of a bilevel picture; alpha only of colours."""
    pixels = np.array(picture) // SCALED.get(coding, 1)
    if picture.mode == "1":
        return pixels.astype(np.uint8)
    has_alpha_of_grey = pixels.ndim == 3 and pixels.shape[-1] == 2
    return pixels[..., :1] if has_alpha_of_grey else pixels
