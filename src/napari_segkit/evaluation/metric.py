"""What a metric is: counts of one image that add up over images, and the ratios made of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias

from napari_segkit.images.types import ImageSource, Labels

if TYPE_CHECKING:
    from pandas import DataFrame

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

Index: TypeAlias = tuple[slice, ...]
Values: TypeAlias = float | Mapping[Any, float]


@dataclass(frozen=True)
class LabelTable:
    """Ids of segments, with a table that names the class of each."""

    labels: Labels
    table: "DataFrame"


class LabelledObjects(Protocol):
    """Labels with a table that names the class of each, as `predict_objects` returns them."""

    @property
    def labels(self) -> Labels: ...
    @property
    def table(self) -> "DataFrame": ...


LabelSource: TypeAlias = ImageSource | LabelledObjects


@dataclass(frozen=True)
class ImageInfo:
    """What a metric is told of an image before its pixels are read.

    Parameters
    ----------
    prediction, truth : array-like, layer or objects
        Where the labels come from, for example for a table of classes. A metric reads the pixels
        in `update`, and keeps no reference to these.
    spacing : tuple of float
        World units between pixels along each axis of the slabs; 1 where it is unknown, and along
        axes that are not space.
    spatial_axes : int
        How many axes are space, the last ones; those before are time points, for example.
    unlabelled : int or None
        The value of the truth's pixels that are left out; None where every pixel counts. Of
        objects, it is -1.
    thresholds : tuple of float
        IoU thresholds, rising.
    tolerance : float or None
        Boundaries that are no farther apart agree, in world units; None: the largest spacing.
    class_map : mapping of int to int
        Label values of the prediction that have another value in the truth, in what is read, too.
    """

    prediction: LabelSource = ()
    truth: LabelSource = ()
    spacing: tuple[float, ...] = ()
    spatial_axes: int = 3
    unlabelled: int | None = None
    thresholds: tuple[float, ...] = THRESHOLDS
    tolerance: float | None = None
    class_map: Mapping[int, int] = field(default_factory=dict)


class Metric(ABC):
    """Counts of one image; they add up over slabs (`update`) and over images (`+`).

    Parameters
    ----------
    image : ImageInfo
        The image to count.

    Attributes
    ----------
    halo : int
        Pixels that `update` needs beyond each side of the part it counts.
    """

    halo: ClassVar[int] = 0

    @abstractmethod
    def __init__(self, image: ImageInfo) -> None: ...

    @abstractmethod
    def update(self, prediction: Labels, truth: Labels, core: Index) -> None:
        """Count a slab of the image.

        Parameters
        ----------
        prediction, truth : ndarray of int
            Class values, or ids of objects (0 background, -1 not annotated), with `halo` further
            pixels on each side, fewer where the image ends.
        core : tuple of slice
            The part of both arrays to count. The cores of all slabs make up the image.
        """

    def finish(self) -> None:
        """Do what is slow and needs the whole image, after its last slab, in the worker."""
        return

    @property
    def notes(self) -> Sequence[str]:
        """Remarks on the values, for a person."""
        return ()

    @abstractmethod
    def __add__(self, other: Self) -> Self:
        """Pool the counts of two images."""

    @abstractmethod
    def compute(self) -> Mapping[str, Values]:
        """Compute the values of the metric from its counts.

        Returns
        -------
        mapping of str to float or mapping
            Name to one value for the image, or to a value for each class or threshold; nan where
            it is undefined. Each name is a column of the report's table.
        """


def require_equal(option: str, first: object, second: object) -> None:
    """Refuse to pool counts made with different options."""
    if first != second:
        raise ValueError(
            f"Reports with {option}={first} and {option}={second} cannot be pooled: make both with "
            "the same value."
        )
