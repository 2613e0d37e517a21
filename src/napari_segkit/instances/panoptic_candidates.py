"""Things and stuff of one image, before thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage

from .candidates import Candidates, SelectedObjects, pixel_size
from .panoptic_merge import merge_segments

HalfFloats = NDArray[np.float16]


@dataclass(frozen=True)
class PanopticCandidates:
    """Predictions of an instance and a semantic model for one image, in few bytes per pixel."""

    things: Candidates
    thing_positions: Sequence[int]  # class positions among the things
    thing_maps: HalfFloats  # (thing classes, *labels): their probabilities
    stuff_positions: Sequence[int]  # class positions of stuff
    most_likely: NDArray[np.unsignedinteger]  # index of the most likely stuff class
    probability: HalfFloats  # of that class; 0 where a thing class is more likely
    image: AxesImage  # or its axes and spacing only

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions of all candidates."""
        return np.array([*self.thing_positions, *self.stuff_positions], np.intp)

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """Select the segments; `min_size` applies to stuff as well."""
        things = self.things.select(config)
        class_of = np.append(0, things.positions)
        return merge_segments(
            things.labels,
            self._confidence(class_of[things.labels]),
            class_of,
            self.most_likely,
            self.probability,
            stuff_positions=self.stuff_positions,
            min_area=ceil(config.min_size / pixel_size(self.image)),
        )

    def _confidence(self, classes: NDArray[np.intp]) -> NDArray[np.float32]:
        """Probability of each pixel's thing class; 0 without an object."""
        confidence = np.zeros(classes.shape, np.float32)
        for position, probability in zip(self.thing_positions, self.thing_maps, strict=True):
            of_class = classes == position
            confidence[of_class] = probability[of_class]
        return confidence
