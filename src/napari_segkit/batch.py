"""Files through a model: what is read, what is written where, one file's way through it."""

from collections.abc import Generator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import TileConfig
from .data.files import (
    check_target,
    file_orientation,
    read_image,
    read_labels,
    write_labels,
    write_probabilities,
)
from .data.folders import by_stem, is_folder
from .data.images import Image
from .data.names import NIFTI, ending, stem

if TYPE_CHECKING:
    from .prediction.semantic import TileStep
    from .segmenter import Segmenter

AnyPath = str | PathLike[str]


def read_pairs(
    pairs: Sequence[tuple[Path, Path]],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> tuple[list[Image], list[Any]]:
    """Read images and their labels, for training.

    Parameters
    ----------
    pairs : sequence of tuple
        Image file and label file, as `pair_files` gives them.
    axes, spacing
        As in `read_image`.

    Returns
    -------
    tuple
        List of images and list of labels; labels of a NIfTI file that lie another way than
        their image are turned.
    """
    read = [_read_pair(image, labels, axes, spacing) for image, labels in pairs]
    return [image for image, _ in read], [labels for _, labels in read]


def plan(source: AnyPath, output: AnyPath, suffix: str | None = None) -> list[tuple[Path, Path]]:
    """Name the label files that belong to image files.

    Parameters
    ----------
    source : path
        An image file or a folder of them.
    output : path
        Where the labels go: a file, or a folder (made where it is missing), in which they get
        the images' names.
    suffix : str, optional
        Ending of the names in a folder, such as "png". None: nii.gz for a NIfTI image, tif for
        any other.

    Returns
    -------
    list of tuple
        Image file and label file.

    Raises
    ------
    ValueError
        If the folder holds no image, two of one name, or is the output folder itself.
    """
    images, labels = Path(source), Path(output)
    if not is_folder(images):
        inside = labels / _named(images, suffix)
        return [(images, inside if labels.is_dir() else labels)]
    if labels.resolve() == images.resolve():
        raise ValueError(f"{labels} holds the images: choose another folder for the results.")
    files = by_stem(images)
    labels.mkdir(parents=True, exist_ok=True)
    return [(file, labels / _named(file, suffix)) for file in files.values()]


def predict_file_tiles(
    segmenter: "Segmenter",
    source: Path,
    target: Path,
    tile: TileConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    probabilities: bool = False,
    overwrite: bool = False,
) -> Generator["TileStep", None, None]:
    """Predict an image file and write its labels, tile by tile.

    Parameters
    ----------
    segmenter : Segmenter
        Trained.
    source, target : Path
        Image file and label file.
    tile, axes, spacing
        As in ``Segmenter.predict``; axes and spacing None: what the file says.
    probabilities : bool
        Write the probabilities of all classes too, into a folder of that name beside the labels.
    overwrite : bool
        Replace files that exist.

    Yields
    ------
    TileStep
        After each batch of tiles.

    Raises
    ------
    ValueError
        If the image cannot be read or used, or a file may not be written; nothing is then.
    """
    maps, trained = _maps(target), segmenter.trained
    check_target(target, overwrite=overwrite)
    known: dict[str, Any] = {"like": trained.axes, "channels": trained.channels} if trained else {}
    image = read_image(source, axes, spacing, **known)
    highest = max(trained.values) if trained else 0
    check_target(target, overwrite=overwrite, axes=image.label_axes, highest=highest)
    if probabilities:
        maps.parent.mkdir(exist_ok=True)
        check_target(maps, overwrite=overwrite, probabilities=True)
    found = yield from segmenter.predict_tiles(image, tile, probabilities=probabilities)
    about: dict[str, Any] = {
        "spacing": image.spacing,
        "provenance": found.provenance | {"file": source.name},
        "header": image.metadata.get("nifti"),
        "overwrite": overwrite,
    }
    write_labels(target, found.labels, axes=image.label_axes, **about)
    if found.probabilities is not None:
        write_probabilities(maps, found.probabilities, axes="C" + image.label_axes, **about)


def _named(image: Path, suffix: str | None) -> str:
    usual = "nii.gz" if ending(image) in NIFTI else "tif"
    return f"{stem(image)}.{suffix or usual}"


def _maps(target: Path) -> Path:
    """Where the probabilities go; a PNG cannot hold them."""
    kind = ending(target) if ending(target) in (".npy", *NIFTI) else ".tif"
    return target.parent / "probabilities" / f"{stem(target)}{kind}"


def _read_pair(
    image_file: Path, labels_file: Path, axes: str | None, spacing: Sequence[float] | None
) -> tuple[Image, Any]:
    labels = read_labels(labels_file, orientation=file_orientation(image_file))
    return read_image(image_file, axes, spacing, labels_shape=labels.shape), labels
