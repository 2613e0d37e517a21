"""Files that SimpleITK reads, as images of NIfTI: NRRD, MetaImage and the frames of DICOM."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segkit.images.types import AnyArray
from napari_segkit.images.units import pixel_size

from .filenames import ending
from .nifti_image import LABEL_INTENT, SCANNER_CODE, UNKNOWN_CODE, NibabelImage, Voxels, nifti_image

if TYPE_CHECKING:
    from SimpleITK import ImageFileReader

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's world to that of NIfTI
RGB = np.dtype([("R", np.uint8), ("G", np.uint8), ("B", np.uint8)])
STDERR, ERROR_OUTPUT = 2, Lock()
NIFTI_UNITS = {"m": "meter", "mm": "mm", "um": "micron"}
MM = ("mm", 1.0)
NRRD, META = "NrrdImageIO", "MetaImageIO"
IMAGE_IO = {".nrrd": NRRD, ".nhdr": NRRD, ".mha": META, ".mhd": META}
PIXEL_TYPE = re.compile(r"(?:vector of )?(\d+)-bit (signed integer|unsigned integer|float)")
KINDS = {"signed integer": "int", "unsigned integer": "uint", "float": "float"}
ITK_SOURCE = re.compile(r".*\.(?:cxx|h|hxx|txx):\d+:\n|(?:ITK|sitk::)\s?ERROR: (?:\w+\(0x\w+\): )?")
MAX_HEADER = 2**16  # bytes of a NRRD file that hold the units


def open_itk(path: Path) -> NibabelImage:
    """A NRRD or MetaImage file as a NIfTI image, whose voxels are read later."""
    reader = itk_reader(path, IMAGE_IO[ending(path)])
    unit, factor = _unit(path) if reader.GetImageIO() == NRRD else MM
    affine = world_affine(reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
    affine[:3] *= factor
    code = SCANNER_CODE if _has_anatomical_world(reader) else UNKNOWN_CODE
    image = nifti_image(itk_voxels(reader, shown_type(reader)), affine, code=code, unit=unit)
    if reader.GetDimension() == 4:
        image.header["pixdim"][4] = reader.GetSpacing()[3]
        image.header.set_xyzt_units(image.header.get_xyzt_units()[0], "sec")
    if "Segment0_ID" in reader.GetMetaDataKeys():  # a segmentation of 3D Slicer
        image.header["intent_code"] = LABEL_INTENT
    return image


def itk_reader(path: Path, image_io: str) -> "ImageFileReader":
    """Reader of a file whose header is read."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(image_io)
    with _quiet():
        reader.ReadImageInformation()
    return reader


def itk_voxels(reader: "ImageFileReader", dtype: np.dtype) -> Voxels:
    """Voxels in the order of NIfTI: X Y Z T, with components as colours or as the fifth axis."""
    size, components = tuple(reader.GetSize()), reader.GetNumberOfComponents()
    if dtype == RGB:
        return Voxels(size, RGB, lambda: _colours(_pixels(reader)))
    if components == 1:
        return Voxels(size, dtype, lambda: _pixels(reader).T)
    shape = (*size, *[1] * (4 - len(size)), components)
    return Voxels(shape, dtype, lambda: np.moveaxis(_pixels(reader).T, 0, -1).reshape(shape))


def shown_type(reader: "ImageFileReader") -> np.dtype:
    """Type of the values; three components of 8 bits are colours."""
    dtype = component_type(reader)
    return RGB if reader.GetNumberOfComponents() == 3 and dtype == np.uint8 else dtype


def component_type(reader: "ImageFileReader") -> np.dtype:
    """Type of the values, or of their components."""
    import SimpleITK

    name = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
    found = PIXEL_TYPE.fullmatch(name)
    if found is None:
        raise ValueError(f"its voxels are of type {name}, but real numbers are needed")
    return np.dtype(KINDS[found[2]] + found[1])


def world_affine(spacing: Any, origin: Any, direction: Any) -> AnyArray:
    """4 x 4 matrix from indices to x, y, z of NIfTI, of the spatial axes of an image of ITK."""
    ndim = len(origin)
    spatial = min(ndim, 3)
    affine = np.eye(4)
    axes = np.reshape(direction, (ndim, ndim)) * spacing
    affine[:spatial, :spatial] = axes[:spatial, :spatial]
    affine[:spatial, 3] = origin[:spatial]
    return LPS_TO_RAS @ affine


@contextmanager
def _quiet() -> Iterator[None]:
    """Errors of ITK in one line, and nothing of its libraries on the terminal."""
    try:
        with _without_error_output():
            yield
    except RuntimeError as error:
        lines = ITK_SOURCE.sub("", str(error)).strip().splitlines()
        reasons = [line.rstrip(".: ") for line in lines if not line.startswith("Reason:")]
        reason = reasons[-1] if reasons else "no reason is given"
        raise ValueError(f"it is damaged, cut short or of another kind ({reason})") from error


@contextmanager
def _without_error_output() -> Iterator[None]:
    """Libraries in C print to file descriptor 2, also about files that they then read rightly."""
    with ERROR_OUTPUT, ExitStack() as undo:
        with suppress(OSError):  # a program without a terminal
            saved = os.dup(STDERR)
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, STDERR)
            null = os.open(os.devnull, os.O_WRONLY)
            undo.callback(os.close, null)
            os.dup2(null, STDERR)
        yield


def _pixels(reader: "ImageFileReader") -> AnyArray:
    """Values in ITK's order: T Z Y X, components last."""
    import SimpleITK

    with _quiet():
        return np.asarray(SimpleITK.GetArrayFromImage(reader.Execute()))


def _colours(pixels: AnyArray) -> AnyArray:
    """Colours, last, as the structured type of NIfTI in its order."""
    return np.ascontiguousarray(pixels).view(RGB)[..., 0].T


def _has_anatomical_world(reader: "ImageFileReader") -> bool:
    """Whether x, y and z are directions of the body, as always in MetaImage; ITK gives LPS."""
    if reader.GetImageIO() != NRRD:
        return True
    keys = reader.GetMetaDataKeys()
    return "NRRD_space" in keys and reader.GetMetaData("NRRD_space") == "left-posterior-superior"


def _unit(path: Path) -> tuple[str, float]:
    """Unit in NIfTI of the voxel sizes of a NRRD file, mm by convention, and a factor to it."""
    with path.open("rb") as file:
        header = file.read(MAX_HEADER).split(b"\n\n")[0].decode("utf-8", errors="replace")
    found = re.search(r'^(?:space )?units:.*?"([^"]+)"', header, re.MULTILINE)
    sizes, unit = pixel_size((1, 1, 1), [found[1] if found else ""] * 3, NIFTI_UNITS)
    return (NIFTI_UNITS[unit], sizes[0]) if unit else MM
