"""The groups of rows by the name that the command takes."""

from .case import Group
from .rows import crf, distances, instances, metrics, pixels, superpixels, tiles, volumes

GROUPS: dict[str, Group] = {
    "crf": crf.TIME,
    "crf-error": crf.ERRORS,
    "pixels": pixels.GROUP,
    "tiles": tiles.GROUP,
    "superpixels": superpixels.GROUP,
    "metrics": metrics.GROUP,
    "distances": distances.GROUP,
    "instances": instances.GROUP,
    "volumes": volumes.GROUP,
}
