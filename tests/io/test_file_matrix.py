"""Some 320 small files of ten writers, each read to the values that were written."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import imageio.v3 as imageio
import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from napari_segkit.images.axes_image import full_resolution
from napari_segkit.io.files import read_image, read_labels

SHAPE = (4, 12, 15)  # Z Y X
Write = Callable[[Path], object]


@dataclass(frozen=True)
class File:
    """A file to write, and what reading it must give."""

    name: str
    write: Write
    expected: np.ndarray
    labels: bool = False


def pixels(dtype: str, *, channels: int = 0, shape: tuple[int, ...] = SHAPE[1:]) -> np.ndarray:
    """Values over the whole range of a dtype, with the channels last."""
    random = np.random.default_rng(3)
    shape = (*shape, channels) if channels else shape
    if np.dtype(dtype).kind == "f":
        return random.normal(0, 100, shape).astype(dtype)
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def classes(dtype: str = "uint8", *, shape: tuple[int, ...] = SHAPE[1:]) -> np.ndarray:
    """Blocks of the classes 0 to 3."""
    return (np.indices(shape)[-1] // 4).astype(dtype)


def by_pillow() -> Iterator[File]:
    grey, deep, colour = pixels("uint8"), pixels("uint16"), pixels("uint8", channels=3)
    lossless = {"webp": {"lossless": True}, "jp2": {"irreversible": False}}
    for ending in ("png", "bmp", "ppm", "webp", "jp2", "tif"):
        save = lossless.get(ending, {})
        yield File(f"colour.{ending}", _pillow(colour, **save), colour)
    for ending in ("png", "bmp", "pgm", "jp2", "tif"):
        save = lossless.get(ending, {})
        yield File(f"grey.{ending}", _pillow(grey, **save), grey)
        yield File(f"labels.{ending}", _pillow(classes(), **save), classes(), labels=True)
    for ending, mode in product(("png", "tif"), ("RGBA", "LA")):
        values = pixels("uint8", channels=len(mode))
        yield File(f"{mode}.{ending}", _pillow(values), values[..., :-1].squeeze())
    for ending in ("png", "tif"):
        yield File(f"deep.{ending}", _pillow(deep), deep)
        ids = classes("uint16") * 1000
        yield File(f"ids.{ending}", _pillow(ids), ids, labels=True)
        bits = classes() > 1
        yield File(f"bits.{ending}", _pillow(bits), bits, labels=True)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"):
        yield File(f"{compression}.tif", _pillow(colour, compression=compression), colour)
    yield File("group4.tif", _pillow(classes() > 1, compression="group4"), classes() > 1, True)
    real = pixels("float32")
    yield File("real.tif", _pillow(real), real)
    for ending in ("png", "bmp", "tif"):
        yield File(f"palette.{ending}", _palette(classes()), classes(), labels=True)
    for ending in ("png", "bmp", "tif"):
        shown = PALETTE[classes()]
        yield File(f"palette image.{ending}", _palette(classes()), shown)


PALETTE = np.array([[0, 0, 0], [255, 0, 0], [0, 200, 30], [40, 60, 250]], np.uint8)


def _pillow(values: np.ndarray, **options: object) -> Write:
    squeezed = values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
    return lambda file: Image.fromarray(squeezed).save(file, **options)


def _palette(values: np.ndarray) -> Write:
    picture = Image.fromarray(values, "P")
    picture.putpalette(PALETTE.tobytes())
    return lambda file: picture.save(file)


def by_opencv() -> Iterator[File]:
    large = {"shape": (64, 80)}  # which this writer needs for JPEG 2000
    for ending, dtype in product(("png", "tif", "jp2"), ("uint8", "uint16")):
        grey, colour = pixels(dtype, **large), pixels(dtype, channels=3, **large)
        exact = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if ending == "jp2" else []
        yield File(f"grey {dtype}.{ending}", _opencv(grey, exact), grey)
        yield File(f"colour {dtype}.{ending}", _opencv(colour[..., ::-1], exact), colour)
        labels = classes(dtype, **large)
        yield File(f"labels {dtype}.{ending}", _opencv(labels, exact), labels, labels=True)
    for ending in ("bmp", "pgm"):
        yield File(f"labels.{ending}", _opencv(classes()), classes(), labels=True)
    deep = pixels("uint16")
    yield File("deep.pgm", _opencv(deep), deep)
    real = pixels("float32")
    yield File("real.tif", _opencv(real), real)
    for code in (1, 5, 8, 32773, 32946):  # none, LZW, deflate, PackBits, old deflate
        file = _opencv(classes(), [cv2.IMWRITE_TIFF_COMPRESSION, code])
        yield File(f"compression {code}.tif", file, classes(), labels=True)
    alpha = pixels("uint8", channels=4)
    yield File("alpha.png", _opencv(alpha[..., [2, 1, 0, 3]]), alpha[..., :3])


def _opencv(values: np.ndarray, options: list[int] | None = None) -> Write:
    return lambda file: cv2.imwrite(str(file), values, options or [])


def by_tifffile() -> Iterator[File]:
    dtypes = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32",
              "float64")  # fmt: skip
    for dtype, order in product(dtypes, "<>"):
        volume = pixels(dtype, shape=SHAPE)
        yield File(f"{dtype}{'le' if order == '<' else 'be'}.tif",
                   _tifffile(volume, byteorder=order), volume)  # fmt: skip
    grey = pixels("uint16")
    for codec in ("zlib", "lzw", "zstd", "lzma", "packbits", "jpeg2000", "lerc", "png", "jpegxl"):
        plain = pixels("uint8") if codec == "png" else grey
        yield File(f"{codec}.tif", _tifffile(plain, compression=codec), plain)
    for codec, predictor in product(("zlib", "lzw", "zstd"), (True, False)):
        volume = pixels("uint16", shape=SHAPE)
        options = {"compression": codec, "predictor": predictor, "tile": (16, 16)}
        yield File(f"{codec} tiles {predictor}.tif", _tifffile(volume, **options), volume)
    for big, ome in product((True, False), (True, False)):
        volume = pixels("uint16", shape=SHAPE)
        options = {"bigtiff": big, "ome": ome, "metadata": {"axes": "ZYX"}}
        yield File(f"big {big} ome {ome}.tif", _tifffile(volume, **options), volume)
    stack = pixels("uint16", shape=SHAPE)
    yield File("imagej.tif", _tifffile(stack, imagej=True, metadata={"axes": "ZYX"}), stack)
    for planar, dtype in product(("contig", "separate"), ("uint8", "uint16")):
        colour = pixels(dtype, channels=3)
        stored = np.moveaxis(colour, -1, 0) if planar == "separate" else colour
        options = {"photometric": "rgb", "planarconfig": planar}
        shown = stored if planar == "separate" else colour
        yield File(f"rgb {planar} {dtype}.tif", _tifffile(stored, **options), shown)
    white = pixels("uint8")
    yield File("white.tif", _tifffile(white, photometric="miniswhite"), 255 - white)
    for dtype in ("bool", "uint8", "int8", "uint16", "int32", "int64", "float32"):
        labels = classes(shape=SHAPE) > 1 if dtype == "bool" else classes(dtype, shape=SHAPE)
        options = {"photometric": None} if dtype == "bool" else {}
        yield File(f"labels {dtype}.tif", _tifffile(labels, **options), labels, labels=True)


def _tifffile(values: np.ndarray, **options: object) -> Write:
    photometric = {} if "imagej" in options or "photometric" in options else MINISBLACK
    return lambda file: tifffile.imwrite(file, values, **photometric, **options)


MINISBLACK = {"photometric": "minisblack"}


def by_simpleitk() -> Iterator[File]:
    endings = ("nii", "nii.gz", "nrrd", "mha", "mhd", "hdr", "tif")
    for ending, dtype in product(endings, ("uint8", "int16", "uint16", "float32")):
        if (ending, dtype) == ("tif", "int16"):
            continue  # not offered by the writer
        volume = pixels(dtype, shape=SHAPE)
        yield File(f"{dtype}.{ending}", _simpleitk(volume), volume)
        labels = classes(dtype, shape=SHAPE)
        yield File(f"labels {dtype}.{ending}", _simpleitk(labels), labels, labels=True)
    for ending, dtype in product(("png", "tif", "bmp"), ("uint8", "uint16")):
        if (ending, dtype) != ("bmp", "uint16"):
            yield File(f"flat {dtype}.{ending}", _simpleitk(pixels(dtype)), pixels(dtype))
    for ending in ("nrrd", "mha"):
        volume = pixels("uint8", shape=SHAPE)
        yield File(f"gzip.{ending}", _simpleitk(volume, True), volume)
        colour = pixels("uint8", channels=3, shape=SHAPE)
        image = sitk.GetImageFromArray(colour, isVector=True)
        yield File(f"colour.{ending}", lambda f, i=image: sitk.WriteImage(i, str(f)), colour)


def _simpleitk(values: np.ndarray, compressed: bool = False) -> Write:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.5, 0.5, 2.0)[: values.ndim])
    return lambda file: sitk.WriteImage(image, str(file), useCompression=compressed)


def by_nibabel() -> Iterator[File]:
    classes_of = {
        "nii": nibabel.Nifti1Image,
        "nii.gz": nibabel.Nifti1Image,
        "mgz": nibabel.MGHImage,
        "mgh": nibabel.MGHImage,
        "img": nibabel.Nifti1Pair,
    }
    for ending, dtype in product(classes_of, ("uint8", "int16", "int32", "float32")):
        volume, labels = pixels(dtype, shape=SHAPE), classes(dtype, shape=SHAPE)
        kind = classes_of[ending]
        yield File(f"{dtype}.{ending}", _nibabel(kind, volume), volume)
        yield File(f"labels {dtype}.{ending}", _nibabel(kind, labels), labels, labels=True)
    for dtype in ("uint8", "int16", "float32"):
        volume = pixels(dtype, shape=SHAPE)
        yield File(f"analyze {dtype}.hdr", _nibabel(nibabel.Spm99AnalyzeImage, volume), volume)
    second = nibabel.Nifti2Image
    for dtype in ("uint16", "int32", "float64"):
        volume = pixels(dtype, shape=SHAPE)
        yield File(f"second {dtype}.nii", _nibabel(second, volume), volume)


def _nibabel(kind: type, values: np.ndarray) -> Write:
    image = kind(values.transpose(2, 1, 0), np.diag([0.5, 0.5, 2, 1]))  # X Y Z
    return lambda file: nibabel.save(image, file)


def by_pynrrd() -> Iterator[File]:
    for encoding, dtype in product(("raw", "gzip", "ascii"), ("uint8", "int16", "float32")):
        volume = np.round(pixels(dtype, shape=SHAPE))
        header = {"encoding": encoding, "space directions": np.diag([0.5, 0.5, 2]),
                  "space": "left-posterior-superior"}  # fmt: skip
        write = lambda file, v=volume, h=header: nrrd.write(str(file), v.T, h)  # noqa: E731
        yield File(f"{encoding} {dtype}.nrrd", write, volume)
    labels = classes("uint16", shape=SHAPE)
    for ending in ("nrrd", "nhdr"):
        yield File(f"labels.{ending}", lambda f: nrrd.write(str(f), labels.T), labels, labels=True)


def by_pydicom() -> Iterator[File]:
    for dtype, syntax in product(("uint8", "uint16", "int16"),
                                 (ExplicitVRLittleEndian, ImplicitVRLittleEndian)):  # fmt: skip
        stored = np.asarray(pixels(dtype) // 8 if dtype != "uint8" else pixels(dtype))
        name = f"{dtype} {syntax.name.split()[0]}.dcm"
        yield File(name, lambda f, v=stored, s=syntax: _dicom(f, v, s), stored)
        scaled = stored.astype(np.float32) * 2 - 100
        write = lambda f, v=stored, s=syntax: _dicom(f, v, s, 2, -100)  # noqa: E731
        yield File(f"scaled {name}", write, scaled)


def _dicom(
    file: Path, values: np.ndarray, syntax: str, slope: float = 1, intercept: float = 0
) -> None:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.SeriesInstanceUID, data.StudyInstanceUID = generate_uid(), generate_uid()
    data.Modality, data.PatientID = "CT", "nobody"
    data.Rows, data.Columns = values.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * values.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(values.dtype.kind == "i")
    data.PixelSpacing, data.SliceThickness = [0.5, 0.5], 2
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.RescaleSlope, data.RescaleIntercept = slope, intercept
    data.PixelData = values.tobytes()
    data.save_as(file, enforce_file_format=True)


def by_numpy() -> Iterator[File]:
    for dtype, order in product(("uint8", "int16", "uint16", "float32", "float64"), "<>"):
        volume = pixels(dtype, shape=SHAPE).astype(np.dtype(dtype).newbyteorder(order))
        yield File(f"{dtype}{'le' if order == '<' else 'be'}.npy",
                   lambda f, v=volume: np.save(f, v), volume)  # fmt: skip
        yield File(f"fortran {dtype}{'le' if order == '<' else 'be'}.npy",
                   lambda f, v=volume: np.save(f, np.asfortranarray(v)), volume)  # fmt: skip
    for dtype in ("bool", "uint8", "int64", "float32"):
        labels = classes(shape=SHAPE) > 1 if dtype == "bool" else classes(dtype, shape=SHAPE)
        yield File(f"labels {dtype}.npy", lambda f, v=labels: np.save(f, v), labels, labels=True)
        yield File(f"labels {dtype}.npz", lambda f, v=labels: np.savez(f, v), labels, labels=True)


def by_imageio() -> Iterator[File]:
    grey, colour, bits = pixels("uint8"), pixels("uint8", channels=3), classes() > 1
    for ending in ("png", "bmp", "tif", "webp"):
        options = {"lossless": True} if ending == "webp" else {}
        yield File(f"colour.{ending}", _imageio(colour, **options), colour)
    for ending in ("png", "bmp", "tif", "pgm"):
        yield File(f"grey.{ending}", _imageio(grey), grey)
        yield File(f"labels.{ending}", _imageio(classes()), classes(), labels=True)
    for ending in ("png", "tif"):
        yield File(f"bits.{ending}", _imageio(bits), bits, labels=True)
        yield File(f"shown bits.{ending}", _imageio(bits), bits * 255)
    zipped = _imageio(bits, compression="zlib")
    yield File("bits zlib.tif", zipped, bits, labels=True)


def _imageio(values: np.ndarray, **options: object) -> Write:
    return lambda file: imageio.imwrite(file, values, **options)


def by_netpbm() -> Iterator[File]:
    for highest, kind in product((1, 3, 15, 100, 255, 4095, 65535), ("P2", "P5")):
        values = np.linspace(0, highest, 12 * 15).astype(">u2").reshape(12, 15)
        write = lambda file, v=values, h=highest, k=kind: _netpbm(file, v, h, k)  # noqa: E731
        yield File(f"labels {kind} {highest}.pgm", write, values, labels=True)
        if highest >= 255:
            yield File(f"{kind} {highest}.pgm", write, values)


def _netpbm(file: Path, values: np.ndarray, highest: int, kind: str) -> None:
    binary = values.astype(np.uint8 if highest < 256 else ">u2").tobytes()
    text = " ".join(map(str, values.ravel())).encode()
    height, width = values.shape
    header = f"{kind}\n# by hand\n{width} {height}\n{highest}\n".encode()
    file.write_bytes(header + (text if kind == "P2" else binary))


WRITERS = (
    *(by_pillow, by_opencv, by_tifffile, by_simpleitk),
    *(by_nibabel, by_pynrrd, by_pydicom, by_numpy),
    *(by_imageio, by_netpbm),
)
FILES = [
    pytest.param(file, id=f"{writer.__name__[3:]}-{file.name}")
    for writer in WRITERS
    for file in writer()
]


def test_there_are_files_of_many_writers():
    assert len(WRITERS) >= 5
    assert len(FILES) >= 200
    assert len({param.id for param in FILES}) == len(FILES)


@pytest.mark.filterwarnings("ignore::UserWarning")  # notes about colours and alpha
@pytest.mark.parametrize("file", FILES)
def test_the_values_that_were_written_are_read(file, tmp_path):
    path = tmp_path / file.name
    file.write(path)
    if file.labels:
        found = np.asarray(read_labels(path))
    else:
        image = read_image(path)
        found = np.asarray(full_resolution(image))[..., : -1 if image.alpha else None]
    assert found.squeeze().shape == file.expected.squeeze().shape
    np.testing.assert_array_equal(found.squeeze(), file.expected.squeeze())


def test_colours_of_more_bits_than_the_reader_keeps_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.ppm"), pixels("uint16", channels=3))
    with pytest.raises(ValueError, match=r"deep\.ppm cannot be read: it holds more than 8 bits"):
        read_image(tmp_path / "deep.ppm")


def _microscope(file: Path, **options: object) -> None:
    tifffile.imwrite(file, pixels("uint16", shape=SHAPE), **options)


LUT = np.arange(256, dtype=np.uint16) * 257 * np.array([[0], [1], [0]], np.uint16)
NORMAL = {
    "imagej.tif": lambda f: _microscope(
        f, imagej=True, resolution=(5, 5), metadata={"axes": "ZYX", "unit": "um", "spacing": 0.5}
    ),
    "lut.tif": lambda f: tifffile.imwrite(f, pixels("uint8"), imagej=True, colormap=LUT),
    "volume.ome.tif": lambda f: _microscope(
        f,
        ome=True,
        metadata={"axes": "ZYX"} | {f"PhysicalSize{a}": 0.2 for a in "ZYX"},
    ),
    "stack.tif": lambda f: _microscope(f, photometric="minisblack"),
    "screen.tif": lambda f: tifffile.imwrite(f, pixels("uint8"), resolution=(72, 72)),
    "rgb.tif": lambda f: tifffile.imwrite(f, pixels("uint8", channels=3), photometric="rgb"),
    "pages.tif": lambda f: cv2.imwritemulti(str(f), list(pixels("uint16", shape=SHAPE))),
    "group4.tif": _pillow(classes() > 1, compression="group4", dpi=(300, 300)),
    "grey.png": _pillow(pixels("uint8")),
    "rgba.png": _pillow(pixels("uint8", channels=4)),
    "photo.jpg": _pillow(pixels("uint8", channels=3)),
    "mri.nii.gz": _nibabel(nibabel.Nifti1Image, pixels("int16", shape=SHAPE)),
    "mri.mgz": _nibabel(nibabel.MGHImage, pixels("float32", shape=SHAPE)),
    "mri.nrrd": lambda f: nrrd.write(str(f), pixels("int16", shape=SHAPE).T),
    "ct.dcm": lambda f: _dicom(f, pixels("int16"), ExplicitVRLittleEndian, 1, -1024),
    "volume.mha": lambda f: sitk.WriteImage(
        sitk.GetImageFromArray(pixels("int16", shape=SHAPE)), str(f)
    ),
}


@pytest.mark.parametrize("name", NORMAL)
def test_normal_files_of_microscopes_and_scanners_are_read_without_a_note(tmp_path, name):
    NORMAL[name](tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(tmp_path / name)
    assert image.notes == ()
