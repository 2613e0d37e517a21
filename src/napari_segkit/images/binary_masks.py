"""Masks of 0 and 255, as other programs save them: with grey edges, or smeared by JPEG."""

import numpy as np

from .types import AnyArray
from .value_counts import chunks, count_small_values

RINGING = 8  # resampling and JPEG change even flat parts of a mask by up to this much
NEAR_EDGE = 9  # pixels of a window in which resampling blends both values
JPEG_NEAR_EDGE = 17  # JPEG does so in blocks of 8 by 8 pixels
MANY_GREYS = 6  # so many different ones between black and white are no classes ...
MOST_GREY = 0.3  # ... nor ids if they cover no more than this part of the pixels
LEAST_WHITE = 0.4  # ... and this part of the brighter half is white


def clean_grey_edges(values: AnyArray, unlabelled: int | None) -> AnyArray:
    """Threshold a 0/255 mask whose edges were blended by resampling; others are returned as is."""
    return threshold_mask(values) if has_grey_edges(values, unlabelled) else values


def threshold_mask(values: AnyArray) -> AnyArray:
    return np.where(values > 127, 255, 0).astype(np.uint8)


def has_grey_edges(values: AnyArray, unlabelled: int | None) -> bool:
    """Whether nearly all values between 0 and 255 are on an edge between the two."""
    if unlabelled == 255 or not values.size or not 255 - RINGING <= values.max() <= 255:
        return False
    if not any(((part > 0) & (part < 255)).any() for (part,) in chunks(values)):
        return False
    counts = count_small_values(values, 256)
    black, white = counts[: RINGING + 1].argmax(), 255 - RINGING + counts[255 - RINGING :].argmax()
    blended = counts.copy()
    blended[[black, white]] = 0
    if not (counts[black] and blended[:128].any() and blended[128:].any()):
        return False
    greys = counts[RINGING + 1 : 255 - RINGING]
    if not greys.any():  # edges that JPEG has kept; classes have such values far from edges, too
        return _is_near_edges(values, (values != black) & (values != white), JPEG_NEAR_EDGE)
    width = JPEG_NEAR_EDGE if _may_be_jpeg(counts, greys) else NEAR_EDGE
    return _is_near_edges(values, (values > RINGING) & (values < 255 - RINGING), width)


def is_smeared_mask(values: AnyArray) -> bool:
    """Whether JPEG may have made these values, not all of them 0 or 255, of a 0/255 mask."""
    if has_grey_edges(values, None):
        return True
    changed = (values > 0) & (values < 255)
    nearly_exact = (values <= RINGING) | (values >= 255 - RINGING)
    return bool(nearly_exact.all()) and _is_near_edges(values, changed, JPEG_NEAR_EDGE)


def _may_be_jpeg(counts: AnyArray, greys: AnyArray) -> bool:
    white = counts[255 - RINGING :].sum() / counts[128:].sum()
    covered = greys.sum() / counts.sum()
    return bool(
        np.count_nonzero(greys) >= MANY_GREYS and covered < MOST_GREY and white > LEAST_WHITE
    )


def _is_near_edges(values: AnyArray, grey: AnyArray, width: int) -> bool:
    """Whether the grey pixels have dark and bright pixels around them."""
    from scipy import ndimage

    window = (1,) * (values.ndim - 2) + (width, width)[-values.ndim :]
    near_white = ndimage.maximum_filter(values, window) > 127
    near_black = ndimage.minimum_filter(values, window) < 128
    return bool((near_white & near_black)[grey].mean() > 0.95)
