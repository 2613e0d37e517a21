"""Images of NIfTI made of voxels and an affine of another format."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Header, Nifti2Image
from numpy.typing import DTypeLike

from napari_segkit.images.notes import say_note
from napari_segkit.images.types import AnyArray

NibabelHeader = Any  # nibabel's own types leave most calls out
NibabelImage = Any
UNKNOWN_CODE = 0  # code of an affine that means nothing
SCANNER_CODE = 1  # code of an affine into the world of the scanner
ALIGNED_CODE = 2  # code of an affine into the world of something else
LABEL_INTENT = 1002
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
            say_note(note, stacklevel=2)
        return self.read().astype(dtype or self.dtype, copy=False)


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
