"""Volumes of medical formats, opened as images of NIfTI: affine, units and orientation."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Image, Nifti1Pair
from nibabel.nifti2 import Nifti2Image, Nifti2Pair

from .filenames import ITK, MGH, NIFTI, PAIRS, ending
from .nifti_image import ALIGNED_CODE, UNKNOWN_CODE, NibabelImage, Voxels, nifti_image


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
    from nibabel.freesurfer import mghformat
    from nibabel.openers import ImageOpener

    mgh: Any = mghformat
    with ImageOpener(str(path)) as file:
        header = mgh.MGHHeader.from_fileobj(file)
    proxy = mgh.MGHImage.ImageArrayProxy(str(path), header, mmap=False)
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
    return nifti_image(image.dataobj, image.affine, code=ALIGNED_CODE if known else UNKNOWN_CODE)
