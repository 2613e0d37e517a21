"""Damaged TIFF files, of which tifffile reads what is left and logs the rest."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_segkit.images.notes import say_note

SIGNS = re.compile(r"invalid (page|value) offset|corrupted|index out of range")
SAID = re.compile(r"OME series (failed to read|is missing)")  # in `tiff_series`


@contextmanager
def noting_damage(path: Path) -> Iterator[None]:
    """Say in a warning, and not in the log, that a file seems damaged, once it is read."""
    logger, signs = logging.getLogger("tifffile"), []

    def is_logged(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        sign = SIGNS.search(text)
        signs.extend([sign.group()] if sign else [])
        return not sign and not SAID.search(text)

    logger.addFilter(is_logged)
    try:
        yield
    finally:
        logger.removeFilter(is_logged)
    if signs:
        say_note(
            f"{path} seems to be cut off or damaged ({signs[0]}): pages or metadata are missing "
            "from what was read. Copy or export it again.",
            stacklevel=3,
        )
