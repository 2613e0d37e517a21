"""Instance ids of objects that fill the image, some of which have small pieces elsewhere."""

import numpy as np

from napari_segkit.images.labels import connected_components
from napari_segkit.images.types import AnyArray
from napari_segkit.images.value_counts import count_values

MANY_IDS = 20
NUMBERED = 0.8  # part of the numbers up to the highest that occur
WHOLE = 0.9  # part of an object's pixels in its largest piece


def are_whole_regions(labels: AnyArray) -> bool:
    """Whether there are many values, numbered from about 1 on, most of them nearly one region.

    Crops of segmented cells cut some objects into pieces, so that counting pieces misleads.
    """
    values, pixels = count_values(labels)
    pixels, values = pixels[values > 0], values[values > 0]
    if len(values) < MANY_IDS or len(values) < NUMBERED * values.max():
        return False
    components = connected_components(labels)
    numbers, first, sizes = np.unique(components, return_index=True, return_counts=True)
    owners = labels.ravel()[first]
    largest = np.zeros(int(values.max()) + 1, np.int64)
    np.maximum.at(largest, owners[numbers > 0], sizes[numbers > 0])
    return bool(np.median(largest[values] / pixels) >= WHOLE)
