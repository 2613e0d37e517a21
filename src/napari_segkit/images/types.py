"""Types of arrays, of what can be read as an image, and of napari's layer data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypedDict, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

AnyArray: TypeAlias = NDArray[Any]
Labels: TypeAlias = NDArray[np.integer[Any]]
Floats: TypeAlias = NDArray[np.float32]


class LazyArray(Protocol):
    """An array that may be read piece by piece: NumPy, dask, zarr."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
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


def is_layer(source: object) -> TypeGuard[LayerLike]:
    """Whether `source` is a napari layer or has the attributes of one."""
    return all(hasattr(source, name) for name in ("scale", "metadata", "ndim", "data"))


class PlacedLayer(LayerLike, Protocol):
    """A napari layer with its place in the world, or a copy of one."""

    @property
    def translate(self) -> Sequence[float] | AnyArray: ...
    @property
    def rotate(self) -> AnyArray: ...
    @property
    def shear(self) -> Sequence[float] | AnyArray: ...
    @property
    def affine(self) -> Any: ...  # napari's Affine, or its matrix
    @property
    def units(self) -> Sequence[Any]: ...  # units of pint


class NamedArray(Protocol):
    """An array with named axes, such as `AxesImage`."""

    @property
    def data(self) -> LazyArray: ...
    @property
    def axes(self) -> str: ...


Channels: TypeAlias = Mapping[str, Any]  # by their names
ImageSource: TypeAlias = LayerLike | LazyArray | NamedArray | Sequence[Any] | Channels


class LayerOptions(TypedDict, total=False):
    """Keyword arguments of a napari layer, as readers and samples give them."""

    name: str
    metadata: dict[str, Any]
    scale: Sequence[float] | AnyArray
    translate: Sequence[float] | AnyArray
    rotate: AnyArray
    shear: Sequence[float] | AnyArray
    affine: AnyArray
    units: Sequence[str]
    axis_labels: Sequence[str]
    rgb: bool | None  # None: guessed from the shape
    multiscale: bool | None  # None: if the data are a list
    channel_axis: int | None
    contrast_limits: tuple[float, float]
    features: "DataFrame | Mapping[str, Sequence[object]]"
    colormap: Mapping[int | None, str]
    visible: bool


LayerArray: TypeAlias = LazyArray | Sequence[LazyArray]  # one array, or the levels of a pyramid
LayerData: TypeAlias = tuple[LayerArray, LayerOptions, str]  # the last is the type of the layer
