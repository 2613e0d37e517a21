"""A prediction whose pixels stay in memory, for a later one of the same image to go on with."""

import zlib
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import (
    ClusterConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    TileConfig,
)
from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.axes_image import full_resolution, reorient_image
from napari_segkit.images.channel_sources import as_one_image, channel_sources, placed
from napari_segkit.images.orientation import reorient
from napari_segkit.images.regions import Region, as_region, union
from napari_segkit.images.types import AnyArray, ImageSource, LazyArray
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Failure, Step, drain

if TYPE_CHECKING:
    from napari_segkit.inference.sink import MemorySink
    from napari_segkit.segmenter import Segmenter


@dataclass(frozen=True)
class PredictionOptions:
    """What a person chooses of a prediction; None: as in `Segmenter.predict_tiles`."""

    tile: TileConfig | None = None
    objects: ObjectConfig | None = None
    refine: RefineConfig | None = None
    config: PredictConfig | None = None
    probabilities: bool = False
    cluster: ClusterConfig | None = field(default=None, compare=False)  # changes no pixel

    @property
    def level(self) -> int:
        """The level of a multiscale image that is predicted."""
        return 0 if self.config is None else self.config.level


@dataclass(frozen=True)
class PredictionSettings:
    """What the pixels of a prediction of image layers depend on, besides the layers' pixels."""

    layers: tuple[str, ...]  # `unique_id` of the image, or of each channel
    names: tuple[str, ...]  # of the image or channels, which the record of a prediction holds
    model: str  # id of its training, or what was built
    device: str
    axes: str | None
    options: PredictionOptions


class KeptPrediction:
    """The pixels that a prediction with some settings has given so far.

    `earlier` is what it goes on with, if the image still has the same pixels; a `sink` takes the
    pixels whatever it holds already. Models that predict objects keep none: their objects are
    known when all tiles are predicted.
    """

    def __init__(
        self,
        settings: PredictionSettings,
        earlier: "KeptPrediction | None" = None,
        sink: "MemorySink | None" = None,
    ) -> None:
        self.settings = settings
        self.region: Region | None = None  # that is asked for; None: all
        self.predicted: Region | None = None  # where the result has labels; None: everywhere
        self._earlier = earlier
        self._sink = sink
        self._pixels: list[LazyArray] = []  # of each layer
        self._checksums: list[int] = []
        self._threads = 0
        self.axes = ""  # of the image, once it has begun
        self._orientation = self._model_orientation = ""

    @property
    def has_pixels(self) -> bool:
        """Whether it keeps pixels that a later prediction can go on with."""
        return self._sink is not None

    def box(self) -> tuple[slice, ...] | None:
        """The box around what is asked for, along the axes of the labels, once it has begun."""
        labels = self.labels()
        if labels is None:
            return None
        if self.region is None:
            return tuple(slice(0, n) for n in labels.shape)
        return union([part.box for part in self.region.parts])

    def labels(self) -> AnyArray | None:
        """The labels so far, a view of those that are being written; None before they are."""
        return self._as_image(getattr(self._sink, "labels", None))

    def shown(self) -> AnyArray | None:
        """The labels of `box` to look at, of single tiles until more is known; None if too many."""
        return self._as_image(getattr(self._sink, "shown", None))

    def hide(self) -> None:
        """Nobody looks at it any more."""
        from napari_segkit.inference.sink import ShowingSink

        if isinstance(self._sink, ShowingSink):
            self._sink.shown = None

    def _as_image(self, labels: AnyArray | None) -> AnyArray | None:
        """Labels in the orientation of the image."""
        if labels is None:
            return None
        axes = self.axes.replace("C", "")
        return reorient(labels, axes, self._model_orientation, self._orientation)

    def steps(
        self, segmenter: "Segmenter", image: ImageSource, region: object
    ) -> Generator[Step, object, LabelResult]:
        """Predict a region of an image, or go on; an error later than the first step is told.

        The result then has what is done, as it has after the command `Finish`.
        """
        self._begin(segmenter, image, region)
        done = self._count()
        try:
            options = self.settings.options
            result = yield from self._predict(segmenter, image, self.region, options.cluster)
        except Exception as error:
            if self._count() == done:
                raise
            result = self._so_far(segmenter, image)
            yield Failure(1, 1, error)
        self.predicted = result.predicted
        return result

    def _begin(self, segmenter: "Segmenter", image: ImageSource, region: object) -> None:
        from torch import get_num_threads

        from napari_segkit.inference.shown_sink import ShownSink

        self._threads = get_num_threads()
        model, settings = segmenter.ready(), self.settings
        axes_image = as_one_image(
            image,
            settings.axes,
            like=model.axes,
            channels=model.channels,
            names=model.channel_names,
            level=settings.options.level,
        )
        place = placed(image)
        self.region = None if region is None else as_region(region, axes_image, place)
        self.axes, self._orientation = axes_image.axes, axes_image.orientation
        self._model_orientation = reorient_image(axes_image, model.orientation).orientation
        if model.predicts_objects:
            self._sink = None
        if self._sink is not None:
            return
        sources = channel_sources(image) or [("", image)]
        self._pixels = [full_resolution(x, level=settings.options.level) for _, x in sources]
        in_memory = [x for x in self._pixels if isinstance(x, np.ndarray)]
        self._checksums = [checksum(x) for x in in_memory]  # of others it might take very long
        earlier, self._earlier = self._earlier, None
        if model.predicts_objects:
            return
        if earlier is not None and earlier._is_of(self) and not self._is_repeated(earlier):
            self._sink = earlier._sink
        else:
            self._sink = ShownSink(keep_probabilities=settings.options.probabilities)

    def _is_of(self, other: "KeptPrediction") -> bool:
        """Whether it was made of the same pixels, with as many threads."""
        pairs = zip(self._pixels, other._pixels, strict=True)
        same = all(a is b for a, b in pairs) and self._checksums == other._checksums
        return same and self._threads == other._threads

    def _is_repeated(self, earlier: "KeptPrediction") -> bool:
        """Whether all is asked for again that is known: it is then predicted anew."""
        return self.region is None and earlier._sink is not None and earlier._sink.predicted is None

    def _predict(
        self,
        segmenter: "Segmenter",
        image: ImageSource,
        region: Region | None,
        cluster: ClusterConfig | None = None,
    ) -> Generator[Step, object, LabelResult]:
        options = self.settings.options
        return segmenter.predict_tiles(
            image,
            options.tile,
            axes=self.settings.axes,
            objects=options.objects,
            refine=options.refine,
            config=options.config,
            probabilities=options.probabilities,
            statistics=None if self._sink is None else self._sink.statistics,
            region=region,
            cluster=cluster,
            sink=self._sink,
        )

    def _count(self) -> int:
        """Number of pixels that are predicted."""
        if self.labels() is None or self._sink is None:
            return 0
        predicted = self._sink.predicted
        return self._sink.labels.size if predicted is None else int(predicted.pixels)

    def _so_far(self, segmenter: "Segmenter", image: ImageSource) -> LabelResult:
        """The result of what is predicted: nothing of it has to be predicted again."""
        predicted = None if self._sink is None else self._sink.predicted
        if predicted is not None:
            predicted = predicted.reoriented(self._model_orientation, self._orientation)
        return replace(drain(self._predict(segmenter, image, predicted)), is_partial=True)


def checksum(pixels: LazyArray) -> int:
    """A number that changes with any pixel; slow for many pixels."""
    number = 0
    for slab in slabs(pixels) if 0 not in pixels.shape else ():
        number = zlib.crc32(np.ascontiguousarray(pixels[slab]).data, number)
    return number
