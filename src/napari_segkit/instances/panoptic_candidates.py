"""Objects and the classes between them, as one result whose thresholds can change."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage

from .candidates import Candidates, SelectedObjects, pixel_size
from .panoptic_merge import merge

ProbabilityMaps = NDArray[np.float16]


@dataclass(frozen=True)
class PanopticCandidates:
    """What an instance and a semantic model say of one image, in few bytes a pixel.

    Parameters
    ----------
    things : Candidates
        The objects.
    thing_positions : sequence of int
        Position of each class that occurs among them.
    thing_maps : ndarray
        float16 ``(classes that occur, *labels)``: their probabilities.
    stuff_positions : sequence of int
        Position of each class without objects among the classes of the result.
    likeliest : ndarray
        Unsigned integers of the labels' shape: which of these is the likeliest.
    probability : ndarray
        float16 of the labels' shape: how likely it is, 0 where another class of the semantic model
        is likelier.
    image : AxesImage
        Their image, or one of its axes and spacing.
    """

    things: Candidates
    thing_positions: Sequence[int]
    thing_maps: ProbabilityMaps
    stuff_positions: Sequence[int]
    likeliest: NDArray[np.unsignedinteger[Any]]
    probability: ProbabilityMaps
    image: AxesImage

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions that occur in all that was found."""
        return np.array([*self.thing_positions, *self.stuff_positions], np.intp)

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """The segments that a configuration keeps; its `min_size` counts for stuff as well."""
        things = self.things.select(config)
        class_of = np.append(0, things.positions)
        segments, table = merge(
            things.labels,
            self._confidence(class_of[things.labels]),
            class_of,
            self.likeliest,
            self.probability,
            stuff_positions=self.stuff_positions,
            min_area=ceil(config.min_size / pixel_size(self.image)),
        )
        return SelectedObjects(
            segments,
            np.array([s.position for s in table], np.intp),
            np.array([s.score for s in table], np.float32),
            np.array([s.kind == "stuff" for s in table], bool),
        )

    def _confidence(self, classes: NDArray[np.intp]) -> NDArray[np.float32]:
        """The probability of each pixel's class of objects; 0 where there is no object."""
        confidence = np.zeros(classes.shape, np.float32)
        for position, probability in zip(self.thing_positions, self.thing_maps, strict=True):
            mine = classes == position
            confidence[mine] = probability[mine]
        return confidence
