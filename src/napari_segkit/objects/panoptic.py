"""Objects and the classes between them, as one result whose thresholds can change."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.data.images import Image

from .found import Chosen, Found, pixel_size
from .merge import merge

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class FoundPanoptic:
    """What an instance and a semantic model say of one image.

    Parameters
    ----------
    things : Found
        The objects.
    thing_maps : ndarray
        ``(classes, *labels)``: probabilities of the objects' classes, background first.
    stuff_maps : ndarray
        ``(stuff classes, *labels)``: probabilities of the classes without objects, 0 where another
        class of the semantic model is likelier.
    stuff_positions : sequence of int
        Position of each of these among the classes of the result.
    image : Image
        Their image, or one of its axes and spacing.
    """

    things: Found
    thing_maps: Maps
    stuff_maps: Maps
    stuff_positions: Sequence[int]
    image: Image

    def choose(self, config: ObjectConfig) -> Chosen:
        """The segments that a configuration keeps; its `min_size` counts for stuff as well."""
        things = self.things.choose(config)
        class_of = np.append(0, things.positions)
        confidence = np.take_along_axis(self.thing_maps, class_of[things.labels][None], 0)[0]
        segments, table = merge(
            things.labels,
            np.where(things.labels > 0, confidence, 0).astype(np.float32),
            class_of,
            self.stuff_maps,
            stuff_positions=self.stuff_positions,
            min_area=ceil(config.min_size / pixel_size(self.image)),
        )
        return Chosen(
            segments,
            np.array([s.position for s in table], np.intp),
            np.array([s.score for s in table], np.float32),
            np.array([s.kind == "stuff" for s in table], bool),
        )
