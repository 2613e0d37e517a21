"""Arrays of any library, as the rest of the package reads them."""

import sys
from os import PathLike
from typing import Any

import numpy as np

from napari_segkit.arguments import given

from .types import AnyArray, LazyArray

NUMBERS = "biufc"  # kinds of dtypes


def as_array(data: Any, name: str) -> LazyArray:
    """Any array as one of NumPy, or as it is if it is read piece by piece.

    Tensors of torch come from their device and without gradients. Nothing is copied that can be
    viewed. TypeError or ValueError for what has no pixels; `name` is what messages call it.
    """
    tensor = getattr(sys.modules.get("torch"), "Tensor", ())  # torch may still be loading
    if isinstance(data, tensor):
        array: LazyArray = _from_torch(data, name)
    elif isinstance(data, np.ma.MaskedArray):
        array = _unmasked(data, name)
    elif isinstance(data, np.matrix) or not _is_array(data):
        array = _to_numpy(data, name)
    elif hasattr(data, "toarray"):  # sparse matrices of SciPy
        array = data.toarray()
    else:
        array = data
    _require_pixels(array, name)
    return array


def _is_array(data: Any) -> bool:
    return isinstance(getattr(data, "shape", None), tuple) and hasattr(data, "dtype")


def _to_numpy(data: Any, name: str) -> AnyArray:
    """Nested lists, pictures of Pillow, tables of pandas ..."""
    if isinstance(data, str | bytes | PathLike):
        raise TypeError(f"{name} is {given(data)}: give an array, not the name of a file.")
    try:
        array = np.asarray(data)
    except (ValueError, TypeError, RuntimeError):  # parts of different shapes
        array = np.empty((), object)
    if array.ndim == 0 or (array.dtype == object and isinstance(data, list | tuple)):
        parts = ", whose parts are no numbers or differ in shape" * isinstance(data, list | tuple)
        raise TypeError(
            f"{name} is {given(data)}{parts}: give an array, a layer or a nested list of numbers."
        )
    return array


def _from_torch(tensor: Any, name: str) -> AnyArray:
    """The numbers of a tensor; those that NumPy lacks, such as bfloat16, as float32."""
    try:
        known = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        array: AnyArray = known.numpy(force=True)
    except (TypeError, RuntimeError, NotImplementedError):
        raise TypeError(
            f"{name} is a tensor of shape {tuple(tensor.shape)} whose numbers are not stored "
            "one by one: give a dense tensor or an array."
        ) from None
    return array


def _unmasked(data: "np.ma.MaskedArray[Any, Any]", name: str) -> AnyArray:
    count = int(np.ma.getmaskarray(data).sum())
    if count:
        raise ValueError(
            f"{name} is a masked array with {count} masked pixels, of which it is not known "
            "whether they count: fill them, such as with .filled(numpy.nan) in an image, or with "
            ".filled(0) in labels where 0 means unlabelled."
        )
    return np.asarray(data.data)


def _require_pixels(array: LazyArray, name: str) -> None:
    kind = getattr(array.dtype, "kind", "O")
    if kind not in NUMBERS:
        raise TypeError(f"{name} has dtype {array.dtype}: give an array of numbers.")
    if any(length != length for length in array.shape):  # NaN
        raise ValueError(
            f"{name} is a dask array of unknown shape {tuple(array.shape)}: call its "
            "compute_chunk_sizes() first."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} of shape {tuple(array.shape)} has no pixels: give some.")
