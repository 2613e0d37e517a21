"""Classical baseline: Otsu's threshold, distance transform, local maxima, watershed."""

import numpy as np
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

COLOURS = (3, 4)


def otsu_watershed(image: np.ndarray, polarity: str = "bright") -> np.ndarray:
    """Label the objects of a grey or colour (last axis) image, or of a volume.

    `polarity`: "bright" or "dark" objects on the background, or "cells" between bright membranes.
    """
    colour = image.ndim == 3 and image.shape[-1] in COLOURS
    grey = rgb2gray(image[..., :3]) if colour else image.astype(float)
    grey = gaussian(grey, 1, preserve_range=True)
    bright = grey > threshold_otsu(grey)
    if polarity == "cells":
        mask, inside = np.ones(grey.shape, bool), ~bright
    else:
        mask = ndimage.binary_fill_holes(bright if polarity == "bright" else ~bright)
        mask = inside = remove_small_objects(mask, max_size=19)
    distance = gaussian(ndimage.distance_transform_edt(inside), 1, preserve_range=True)
    peaks = peak_local_max(
        distance, min_distance=5, labels=ndimage.label(mask)[0], exclude_border=False
    )
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, seeds, mask=mask)
