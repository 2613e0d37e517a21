"""Types of arrays and of what can be read as an image."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

AnyArray: TypeAlias = NDArray[Any]
Labels: TypeAlias = NDArray[np.integer[Any]]


class LazyArray(Protocol):
    """An array that may be read piece by piece: NumPy, dask, zarr."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


class LayerLike(Protocol):
    """A napari layer, or a copy of one."""

    @property
    def data(self) -> Any: ...
    @property
    def name(self) -> str: ...
    @property
    def ndim(self) -> int: ...
    @property
    def scale(self) -> Sequence[float] | AnyArray: ...
    @property
    def metadata(self) -> dict[str, Any]: ...


ImageSource: TypeAlias = LayerLike | LazyArray | ArrayLike  # what `as_image` takes
