"""Volumes of medical formats, opened as images of NIfTI: affine, units and orientation."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image, Nifti1Pair
from nibabel.nifti2 import Nifti2Header, Nifti2Image, Nifti2Pair
from numpy.typing import DTypeLike

from napari_segkit.images.types import AnyArray

from .filenames import ITK, MGH, NIFTI, PAIRS, ending

NibabelHeader = Any  # nibabel's own types leave most calls out
NibabelImage = Any
SCANNER_CODE = 1  # code of an affine into the world of the scanner
ALIGNED_CODE = 2  # code of an affine into the world of something else
NIFTI1_MAX_LENGTH = 2**15 - 1


@dataclass(frozen=True)
class Voxels:
    """Voxels in the order of a NIfTI file, read when NumPy asks for them, with their notes."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], AnyArray]
    notes: tuple[str, ...] = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def reshape(self, shape: tuple[int, ...]) -> "Voxels":
        return replace(self, shape=shape, read=lambda: self.read().reshape(shape))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        for note in self.notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        return self.read().astype(dtype or self.dtype, copy=False)


def open_volume(path: Path) -> NibabelImage:
    """A file of any format for volumes, or a DICOM series in a folder, as a NIfTI image.

    The voxels are read later.
    """
    suffix = ending(path)
    if suffix in MGH:
        return _open_mgh(path)
    if suffix in (*NIFTI, *PAIRS):
        return _open_with_nibabel(path)
    if suffix in ITK:
        from .itk import open_itk

        return open_itk(path)
    from .dicom import open_dicom

    return open_dicom(path)


def nifti_image(
    voxels: Voxels, affine: AnyArray, *, code: int = SCANNER_CODE, unit: str = "mm"
) -> NibabelImage:
    """Voxels and the affine from their indices to x, y, z as an image of NIfTI.

    The code 0 says that the world is unknown, so that only the voxel sizes mean something.
    """
    header = new_header(voxels.shape)
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape)
    header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    if code:
        header.set_sform(affine, code)
        header.set_qform(affine, code, strip_shears=True)
    header.set_xyzt_units(unit)
    kind: NibabelImage = Nifti2Image if isinstance(header, Nifti2Header) else Nifti1Image
    return kind(voxels, None, header)


def new_header(shape: tuple[int, ...]) -> NibabelHeader:
    """An empty header for an array, of NIfTI-2 if it is too large for NIfTI-1."""
    large = max(shape) > NIFTI1_MAX_LENGTH
    return Nifti2Header() if large else Nifti1Header()  # type: ignore[no-untyped-call]


def _open_with_nibabel(path: Path) -> NibabelImage:
    import nibabel

    image: NibabelImage = nibabel.load(path, mmap=os.name != "nt")  # Windows: no replaced mapping
    if isinstance(image, Nifti1Image | Nifti2Image):
        return image
    if isinstance(image, Nifti1Pair):
        kind: NibabelImage = Nifti2Image if isinstance(image, Nifti2Pair) else Nifti1Image
        return kind(image.dataobj, None, image.header)
    if isinstance(image, nibabel.AnalyzeImage):
        return _from_analyze(image)
    raise ValueError(f"it is a file of {type(image).__name__}, not a NIfTI image")


def _open_mgh(path: Path) -> NibabelImage:
    """An image of FreeSurfer; nibabel's own function leaves the file open."""
    from nibabel.freesurfer.mghformat import MGHHeader, MGHImage
    from nibabel.openers import ImageOpener

    with ImageOpener(path) as file:
        header: NibabelHeader = MGHHeader.from_fileobj(file)  # type: ignore[no-untyped-call]
    proxy = MGHImage.ImageArrayProxy(str(path), header, mmap=False)
    voxels = Voxels(proxy.shape, proxy.dtype.newbyteorder("="), lambda: np.asarray(proxy))
    image = nifti_image(voxels, header.get_affine())
    time_step = [*header.get_zooms(), 0][3]  # in ms; 0: unknown
    if voxels.ndim > 3 and time_step:
        image.header["pixdim"][4] = time_step
        image.header.set_xyzt_units("mm", "msec")
    return image


def _from_analyze(image: NibabelImage) -> NibabelImage:
    """Analyze has no orientation, except in a .mat file of SPM."""
    matrix = image.file_map.get("mat")
    known = matrix is not None and Path(matrix.filename).exists()
    return nifti_image(image.dataobj, image.affine, code=ALIGNED_CODE if known else 0)
