"""The data of a training: images with their labels, and the samples made from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.intensity import Intensities, Statistics, white_of
from napari_segkit.images.intensity_range import IntensityRange
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.models import Inputs

from .held_out import Mask
from .sampler import Sample
from .state_file import Fingerprints

LabelledImage = tuple[AxesImage, LazyArray]  # class values; or object ids, -1 not annotated


@dataclass(frozen=True)
class GivenLabels:
    """Which labels these are of a training set, and how they lay there."""

    number: int  # of the row
    orientation: str = ""
    is_file: bool = False


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and labels that are read, checked and in one orientation.

    Parameters
    ----------
    pairs : sequence of (AxesImage, array)
        Images of any sizes, with equal numbers of channels, and their labels, which may be read or
        computed only when they are asked for: ``np.asarray(labels)``.
    classes : sequence of LabelClass
        The classes that the labels hold.
    class_of : ndarray or None
        Position in `classes` of each object id; None if the labels are class values.
    value_of : ndarray or None
        Label value of each object id.
    validation : sequence of (AxesImage, ndarray)
        Images and labels that are not trained on.
    groups : sequence of str
        Group of each pair; "" where it stands alone.
    intensities : sequence of Intensities
        Of each image, if they were measured when it was read.
    counts : sequence of dict
        Labelled pixels of each class value in each pair; empty if they were not counted.
    cache : ArrayCache
        Keeps pixels and targets that are read or computed again otherwise.
    prints : dict
        Fingerprints of the image and of its labels, by the `id` of each image of `pairs` and
        `validation`, as far as they were taken when it was read.
    left_out : sequence of ndarray of bool or None
        Labelled pixels of each pair that are not trained on, because a model is scored on them or
        next to them; None: none.
    folds : sequence of ndarray of int
        Number of the fold of each labelled pixel of each pair, -1 in none; empty without folds.
    given : sequence of GivenLabels
        Where the labels of each pair, and then those of `validation`, came from.
    change : callable or None
        Makes class values of the label values that were given; None: they are these.
    """

    pairs: Sequence[LabelledImage]
    classes: Sequence[LabelClass]
    class_of: NDArray[np.intp] | None = None
    validation: Sequence[LabelledImage] = ()
    groups: Sequence[str] = ()
    intensities: Sequence[Intensities] = ()
    counts: Sequence[Mapping[int, int]] = ()
    cache: ArrayCache = field(default_factory=ArrayCache)
    prints: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    left_out: Sequence[Mask | None] = ()
    folds: Sequence[NDArray[np.int16]] = ()
    given: Sequence[GivenLabels] = ()
    value_of: NDArray[np.int64] | None = None
    change: Callable[[AnyArray], AnyArray] | None = None

    def subset(self, numbers: Sequence[int]) -> "LabelledImages":
        """Some of the pairs, with what is known of them."""
        return replace(
            self,
            pairs=[self.pairs[n] for n in numbers],
            groups=[self.groups[n] for n in numbers if self.groups],
            intensities=[self.intensities[n] for n in numbers if self.intensities],
            counts=[self.counts[n] for n in numbers if self.counts],
        )

    def prints_of(self, image: AxesImage) -> tuple[str, str]:
        """Fingerprints of an image and of its labels, empty if they were not taken."""
        return self.prints.get(id(image), ("", ""))

    @property
    def shares_ids(self) -> bool:
        """Whether held-out images have the object ids of the training: they were chosen of it."""
        return not self.validation


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a training reads its patches from.

    Images and labels stay where they are (files, NumPy, dask, zarr) and are read patch by patch, or
    file by file, resized as they are read. What needs the whole of an image (`voxel_size`,
    distances to boundaries) is computed when it is read, and kept as far as there is room.

    Parameters
    ----------
    samples : sequence of Sample
        Images, targets and intensity statistics.
    labelled : LabelledImages
        What they were made from: classes, and the validation set.
    inputs : Inputs
        Channels, output channels and spacing of the network.
    nonzero : bool
        Whether intensities are measured over non-zero pixels only.
    object_count : int
        Number of objects; 0 if the model is trained on classes.
    object_size : float
        Median diameter of the objects in pixels of the finest axis.
    held_out : sequence of Sample
        What is held out, with targets there only.
    folds : sequence of AxesImage
        Number of the fold of each labelled pixel of each sample, -1 in none; empty without folds.
    intensities : IntensityRange or None
        Of the images, before they are scaled.
    """

    samples: Sequence[Sample]
    labelled: LabelledImages
    inputs: Inputs
    nonzero: bool = False
    object_count: int = 0
    object_size: float = 0.0
    held_out: Sequence[Sample] = ()
    folds: Sequence[AxesImage] = ()
    intensities: IntensityRange | None = None

    @property
    def images(self) -> list[AxesImage]:
        return [sample.image for sample in self.samples]

    @property
    def statistics(self) -> Statistics:
        """Those of the first image."""
        return self.samples[0].statistics

    def normalised(self, statistics: Statistics) -> "TrainingData":
        """The same data with these statistics for all images."""
        samples, held_out = (
            [replace(sample, statistics=statistics) for sample in some]
            for some in (self.samples, self.held_out)
        )
        return replace(self, samples=samples, held_out=held_out)

    def fingerprints(self) -> list[Fingerprints]:
        """Of each image and its labels."""
        return [(image.name, *self.labelled.prints_of(image)) for image, _ in self.labelled.pairs]

    @property
    def contrast(self) -> tuple[float, ...]:
        """Contrast of each channel in the faintest image, if not blank."""
        channels = zip(*(sample.statistics.contrast for sample in self.samples), strict=True)
        return tuple(min((c for c in channel if c > 0), default=0.0) for channel in channels)

    @property
    def white(self) -> float:
        """Highest value of the dtype of the images."""
        return white_of(self.labelled.pairs[0][0].data.dtype)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        return tuple(self.labelled.classes)

    @property
    def class_of(self) -> NDArray[np.intp] | None:
        return self.labelled.class_of

    @property
    def target_values(self) -> int:
        """Number of classes or levels of the targets; one logit stands for two."""
        return max(2, self.inputs.classes)

    @property
    def held_out_class_of(self) -> NDArray[np.intp] | None:
        """Position in `classes` of each object id of what is held out."""
        if self.class_of is None or self.labelled.shares_ids:
            return self.class_of
        largest = max((np.asarray(s.indices.data).max() for s in self.held_out), default=0)
        return np.minimum(np.arange(int(largest) + 1), 1)

    @property
    def ndim(self) -> int:
        """Spatial dimensions of the network."""
        return len(self.inputs.spacing)
