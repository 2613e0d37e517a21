"""Colour models of TIFF pages: pixels as greys or RGB, as viewers show them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.images.notes import say_note
from napari_segkit.images.types import AnyArray

if TYPE_CHECKING:
    from tifffile import TiffPage, TiffPageSeries

JPEG_CODECS = (6, 7, 33007, 34892)  # they decode YCbCr to RGB themselves
YCBCR_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)
USUAL_WEIGHTS = (0.299, 0.587, 0.114)
USUAL_REFERENCE = (0, 255, 128, 255, 128, 255)
COEFFICIENTS, REFERENCE, INK_SET = 529, 532, 332  # numbers of tags
GREYS, MINISWHITE = ("MINISBLACK", "MINISWHITE"), 0
TIFFFILE = "tifffile.py"  # in the tag Software
OPAQUE = 255
UNREADABLE = ("CIELAB", "ICCLAB", "ITULAB", "LOGL", "LOGLUV", "CFA")


def shown_pixels(series: "TiffPageSeries", path: Path, *, labels: bool) -> tuple[AnyArray, str]:
    """Pixels of a series as greys or RGB without alpha, and its axes.

    Of `labels` with a palette they are the indices; colours of labels keep their alpha.
    """
    page, names = series.keyframe, series.axes
    model = getattr(page.photometric, "name", "MINISBLACK")
    if labels and model in ("SEPARATED", "YCBCR", *UNREADABLE):
        raise ValueError(f"its colours are {model}, but labels need one value per pixel")
    if model in UNREADABLE:
        raise ValueError(f"its colours are {model}, which is not understood: save it as RGB")
    data = _decoded(series)
    if "S" in names and not (labels and model == "RGB"):
        data = _without_alpha(data, names.index("S"), page)
    if model == "PALETTE" and not labels:
        return _apply_palette(data, names, series, path)
    if model in GREYS:
        return _greys(data, page, labels=labels), names
    if model == "SEPARATED":
        return _from_cmyk(data, names.index("S"), page), names
    if model == "YCBCR" and page.compression not in JPEG_CODECS:
        return _from_ycbcr(data, names.index("S"), page), names
    return data, names


def _decoded(series: "TiffPageSeries") -> AnyArray:
    """Pixels as stored; an error names the codec that is missing."""
    from tifffile import COMPRESSION

    try:
        return np.asarray(series.asarray())
    except (ImportError, ValueError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        raise ValueError(
            f"its compression {COMPRESSION(series.keyframe.compression).name} needs a codec that "
            "is not installed: run pip install --upgrade imagecodecs"
        ) from error


def _without_alpha(data: AnyArray, axis: int, page: "TiffPage") -> AnyArray:
    """Samples but alpha, which older programs do not name: then it is one that is opaque."""
    from tifffile import EXTRASAMPLE, PHOTOMETRIC

    extra = tuple(page.extrasamples)
    plain_rgba = page.photometric == PHOTOMETRIC.RGB and page.dtype == np.uint8
    if plain_rgba and page.samplesperpixel == 4 and extra == (EXTRASAMPLE.UNSPECIFIED,):
        samples = [3] * bool((np.take(data, 3, axis) == OPAQUE).all())
    else:
        alpha = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
        first = page.samplesperpixel - len(extra)
        samples = [first + i for i, sample in enumerate(extra) if sample in alpha]
    return np.delete(data, samples, axis) if samples else data


def _greys(data: AnyArray, page: "TiffPage", *, labels: bool) -> AnyArray:
    """Greys with 0 as black; those of 1, 2 or 4 bits in the range of 8, but in labels."""
    if page.photometric == MINISWHITE:
        data = _invert(data, page, labels=labels)
    bits = page.bitspersample
    if labels or bits not in (1, 2, 4):
        return data
    return data.astype(np.uint8) * np.uint8(255 // (2**bits - 1))


def _invert(data: AnyArray, page: "TiffPage", *, labels: bool) -> AnyArray:
    """Greys of which 0 is white, with 0 as black."""
    if data.dtype == bool:  # tifffile has this tag for every array of truth values, as they are
        return data if page.software == TIFFFILE else ~data
    if labels:
        raise ValueError(
            "its greys are stored with 0 as white, so its class values are not certain: save it "
            "with 0 as black (in ImageJ: Image > Lookup Tables > Grays)"
        )
    if data.dtype.kind != "u":
        raise ValueError(
            f"its greys of dtype {data.dtype} are stored with 0 as white, which is understood for "
            "unsigned integers only: save it with 0 as black"
        )
    white = 2**page.bitspersample - 1
    return np.subtract(white, data, dtype=data.dtype)


def _apply_palette(
    data: AnyArray, names: str, series: "TiffPageSeries", path: Path
) -> tuple[AnyArray, str]:
    """RGB or greys of indices; microscopes store intensities, and a palette only to display."""
    if series.kind in ("imagej", "ome", "lsm"):
        if _brightens(series.keyframe.colormap):
            return data, names
        say_note(
            f"{path} has a palette of colours for display: its stored greys are used.", stacklevel=2
        )
        return data, names
    palettes = [page.aspage().colormap for page in series.pages if page]
    palette = palettes[0]
    if palette is None or not all(p is not None and np.array_equal(palette, p) for p in palettes):
        raise ValueError("its pages have no palette of colours, or different ones: save it as RGB")
    shift = 8 if palette.max() > 255 else 0  # some programs write 8 bits of the 16
    if (palette == palette[0]).all():
        return (palette[0] >> shift).astype(np.uint8)[data], names
    return (palette >> shift).astype(np.uint8).T[data], names + "S"


def _brightens(palette: AnyArray | None) -> bool:
    """Whether a palette shows higher values brighter, as a lookup table of microscopy."""
    return palette is not None and bool((np.diff(palette.sum(axis=0, dtype=np.int64)) >= 0).all())


def _from_cmyk(data: AnyArray, samples: int, page: "TiffPage") -> AnyArray:
    """RGB of the amounts of cyan, magenta, yellow and black ink."""
    inks = np.moveaxis(data, samples, -1)
    if page.tags.valueof(INK_SET, 1) != 1 or inks.shape[-1] < 4 or data.dtype.kind != "u":
        raise ValueError("its colours are amounts of inks other than CMYK: save it as RGB")
    full = np.iinfo(data.dtype).max
    light = 1 - inks[..., :4] / np.float32(full)
    rgb = np.rint(light[..., :3] * light[..., 3:] * full)
    return np.moveaxis(rgb.astype(data.dtype), -1, samples)


def _from_ycbcr(data: AnyArray, samples: int, page: "TiffPage") -> AnyArray:
    """RGB of luminance and two differences of colour, as JPEG defines them."""
    weights = _numbers(page.tags.valueof(COEFFICIENTS, ()), USUAL_WEIGHTS)
    reference = _numbers(page.tags.valueof(REFERENCE, ()), USUAL_REFERENCE)
    usual = np.allclose(weights, USUAL_WEIGHTS, atol=1e-3) and reference == USUAL_REFERENCE
    if not usual or data.dtype != np.uint8:
        raise ValueError("its colours are an unusual kind of YCbCr: save it as RGB")
    ycbcr = np.moveaxis(data, samples, -1).astype(np.float32)
    ycbcr[..., 1:] -= 128
    rgb = np.rint(ycbcr @ YCBCR_TO_RGB.T).clip(0, 255)
    return np.moveaxis(rgb.astype(np.uint8), -1, samples)


def _numbers(rationals: tuple[int, ...], default: tuple[float, ...]) -> tuple[float, ...]:
    """Values of a tag of rationals; the default where it is missing."""
    pairs = zip(rationals[::2], rationals[1::2], strict=True)
    return tuple(a / b if b else 0.0 for a, b in pairs) or default
