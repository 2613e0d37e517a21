"""The groups of rows by the name that the command takes."""

from .case import Group
from .rows import crf, distances, metrics, pixels, superpixels

GROUPS: dict[str, Group] = {
    "crf": crf.TIME,
    "crf-error": crf.ERRORS,
    "pixels": pixels.GROUP,
    "superpixels": superpixels.GROUP,
    "metrics": metrics.GROUP,
    "distances": distances.GROUP,
}
