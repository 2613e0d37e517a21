"""The images of a batch: files, folders with their sub-folders, patterns and lists."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from napari_segkit.io.filenames import LISTS, AnyPath, shorten
from napari_segkit.io.folders import listed_images
from napari_segkit.io.image_files import ImageFiles, find_images
from napari_segkit.io.name_words import is_label


def find_files(given: Sequence[AnyPath], output: AnyPath) -> list[ImageFiles]:
    """Images of files, folders, patterns and lists, each once, without those among the results."""
    found: list[ImageFiles] = []
    for path in map(Path, given):
        is_list = path.suffix.lower() in LISTS and path.is_file()
        found += listed_images(path) if is_list else find_images(path, without=Path(output))
    return without_repeats(found)


def without_repeats(images: Sequence[ImageFiles]) -> list[ImageFiles]:
    """Each image once."""
    return list({tuple(p.absolute() for p in image.paths): image for image in images}.values())


def say_labels(images: list[ImageFiles]) -> list[ImageFiles]:
    """Warn of files that look like labels, because they are taken as images."""
    labels = [image.name for image in images if is_label(image)]
    if 0 < len(labels) < len(images):
        warnings.warn(
            f"{len(labels)} of {len(images)} files have names of labels and are taken as images: "
            f"{shorten(labels)}. A pattern in quotes chooses the images alone.",
            UserWarning,
            stacklevel=3,
        )
    return images
