"""Files through a model: what is read, what is written where, one file's way through it."""

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import values_of
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.filenames import NIFTI, ending, stem
from napari_segkit.io.files import (
    check_target,
    file_orientation,
    read_image,
    read_labels,
    require_free,
    write_labels,
    write_probabilities,
)
from napari_segkit.io.folders import TrainingFiles, by_stem, is_folder
from napari_segkit.io.replace_file import replacing

if TYPE_CHECKING:
    from napari_segkit.inference.tiled import Prediction, TileStep
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained_model import TrainedModel

AnyPath = str | PathLike[str]
MOST_IN_PNG = 2**16 - 1


@dataclass(frozen=True)
class Results:
    """What is written of a prediction.

    Parameters
    ----------
    objects : ObjectConfig
        Which objects are kept, where the model gives objects.
    masks : tuple of str, optional
        Names or values of classes: their masks are written in place of the objects; of all classes
        where it is empty. None: each object has a number, and a table stands beside the labels.
    as_one : bool
        One mask for all these classes, of value 1; else each has its class's value.
    panoptic : bool
        Write the objects in the COCO panoptic format: a PNG and a JSON file beside it.
    probabilities : bool
        Write the probabilities of all classes too, into a folder of that name beside the labels.
    overwrite : bool
        Replace files that exist.
    """

    objects: ObjectConfig = field(default_factory=ObjectConfig)
    masks: tuple[str, ...] | None = None
    as_one: bool = False
    panoptic: bool = False
    probabilities: bool = False
    overwrite: bool = False

    def check(self, model: "TrainedModel") -> None:
        """Raise ValueError where a model cannot give what is to be written.

        Parameters
        ----------
        model : TrainedModel
            The model.
        """
        if model.kind == "semantic" and (self.masks is not None or self.panoptic):
            wanted = "the COCO panoptic format" if self.panoptic else "masks of chosen classes"
            raise ValueError(
                f"{wanted[0].upper()}{wanted[1:]}: that needs a model that gives objects, and "
                f"{model.spec.name} was trained to give classes only. Leave it out, or choose "
                "another model."
            )
        if self.masks is not None and self.panoptic:
            raise ValueError(
                "Masks of classes hold no objects, which the COCO panoptic format is for: choose "
                "one of the two."
            )
        self.values(model)

    def values(self, model: "TrainedModel") -> list[int]:
        """The values of the classes whose masks are written.

        Parameters
        ----------
        model : TrainedModel
            Its classes may be meant.

        Raises
        ------
        ValueError
            If it has no such class; the message lists those it has.
        """
        things = model.all_classes[1:]
        return list(values_of(self.masks or [c.value for c in things], things))

    def described(self, model: "TrainedModel") -> dict[str, Any]:
        """What the files say of these wishes; nothing where the model gives no objects."""
        if model.kind == "semantic":
            return {}
        kept: dict[str, Any] = {"objects": to_dict(self.objects)}
        if self.masks is None:
            return kept
        return kept | {"masks": self.values(model), "one_mask": self.as_one}


@dataclass(frozen=True)
class WrittenFiles:
    """What became of an image file.

    Parameters
    ----------
    prediction : Prediction
        What was predicted.
    files : tuple of Path
        What was written: the labels, then what belongs to them.
    """

    prediction: "Prediction"
    files: tuple[Path, ...]


def read_training(
    files: Sequence[TrainingFiles],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Read images and what belongs to them, for training.

    Parameters
    ----------
    files : sequence of TrainingFiles
        As `training_files` gives them.
    axes, spacing
        As in `read_image`.

    Returns
    -------
    dict
        What `Segmenter.train_epochs` takes under these names: "images" and "labels", and where
        there are such files "object_classes" and "regions"; a list each. What belongs to a NIfTI
        image and lies another way is turned.
    """
    given: dict[str, Any] = {
        "images": [],
        "labels": [],
        "object_classes": [_beside_image(f.classes, f.image) for f in files],
        "regions": [_beside_image(f.regions, f.image) for f in files],
    }
    for each in files:
        labels = _beside_image(each.labels, each.image)
        image = read_image(each.image, axes, spacing, labels_shape=labels.shape)
        given["images"].append(image)
        given["labels"].append(labels)
    return {name: read for name, read in given.items() if any(r is not None for r in read)}


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
        return [(images, labels / _named(images, suffix) if labels.is_dir() else labels)]
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
    results: Results | None = None,
) -> Generator["TileStep", None, WrittenFiles]:
    """Predict an image file and write its labels, tile by tile.

    Parameters
    ----------
    segmenter : Segmenter
        Trained.
    source, target : Path
        Image file and label file. A table of the objects goes beside the labels, as a CSV file of
        their name. Objects too many for a PNG go into a TIFF of a free name, with a
        warning.
    tile, axes, spacing
        As in ``Segmenter.predict``; axes and spacing None: what the file says.
    results : Results, optional
        What is written. None: the labels, with the table where there are objects.

    Yields
    ------
    TileStep
        After each batch of tiles.

    Returns
    -------
    WrittenFiles
        What was predicted, and the files.

    Raises
    ------
    ValueError
        If the image cannot be read or used, or a file may not be written; nothing is then.
    """
    wanted, model = results or Results(), segmenter.ready()
    _check_files(target, model, wanted)
    image = read_image(source, axes, spacing, like=model.axes, channels=model.channels)
    _check_fit(target, image, model, wanted)
    maps = check_maps(target, overwrite=wanted.overwrite) if wanted.probabilities else target
    found = yield from segmenter.predict_tiles(
        image, tile, probabilities=wanted.probabilities, objects=wanted.objects
    )
    about: dict[str, Any] = {
        "provenance": found.provenance | {"file": source.name} | wanted.described(model),
        "overwrite": wanted.overwrite,
    }
    place: dict[str, Any] = {"spacing": image.spacing, "header": image.metadata.get("nifti")}
    files, axes = [target], image.label_axes
    if found.objects is None:
        write_labels(target, found.labels, axes=axes, **place, **about)
    else:
        files = _write_objects(target, found, model, wanted, place | {"axes": axes}, about)
    if found.probabilities is not None:
        write_probabilities(maps, found.probabilities, axes=f"C{axes}", **place, **about)
        files.append(maps)
    return WrittenFiles(found, tuple(files))


def maps_beside(target: Path) -> Path:
    """The file for the probabilities that belong to labels.

    Parameters
    ----------
    target : Path
        Of the labels; as a PNG cannot hold probabilities, a TIFF stands in for it.

    Returns
    -------
    Path
        In the folder "probabilities" beside the labels.
    """
    kind = ending(target) if ending(target) in (".npy", *NIFTI) else ".tif"
    return target.parent / "probabilities" / f"{stem(target)}{kind}"


def check_maps(target: Path, *, overwrite: bool = False) -> Path:
    """Refuse a file for probabilities that could not be written, and make its folder.

    Parameters
    ----------
    target : Path
        Of the labels.
    overwrite : bool
        Whether it may be replaced.

    Returns
    -------
    Path
        As `maps_beside` gives it.

    Raises
    ------
    ValueError
        If it is there already.
    """
    maps = maps_beside(target)
    maps.parent.mkdir(exist_ok=True)
    return check_target(maps, overwrite=overwrite, probabilities=True)


def _check_files(target: Path, model: "TrainedModel", wanted: Results) -> None:
    """Refuse files that could not be written, before anything is read."""
    wanted.check(model)
    check_target(target, overwrite=wanted.overwrite)
    if wanted.panoptic and ending(target) != ".png":
        raise ValueError(
            f"{target} cannot hold the COCO panoptic format: choose a name ending in .png."
        )
    beside = _beside_labels(target, model, wanted)
    if beside:
        require_free(beside, overwrite=wanted.overwrite)


def _check_fit(target: Path, image: AxesImage, model: "TrainedModel", wanted: Results) -> None:
    """Refuse a file that could not hold what is predicted, as far as that is known before."""
    axes, highest = image.label_axes, max(model.values)
    if wanted.panoptic and len(axes) != 2:
        raise ValueError(
            f"{image.name} has the axes {image.axes}, and the COCO panoptic format is 2D: choose "
            "another format."
        )
    if model.kind != "semantic":
        highest = 0 if wanted.masks is None else max(wanted.values(model))
    highest = 1 if wanted.as_one else highest
    check_target(target, overwrite=wanted.overwrite, axes=axes, highest=highest)


def _write_objects(
    target: Path,
    found: "Prediction",
    model: "TrainedModel",
    wanted: Results,
    place: dict[str, Any],
    about: dict[str, Any],
) -> list[Path]:
    """Write objects with their table, or the masks of their classes; into which files."""
    objects: Any = found.objects
    beside: Any = _beside_labels(target, model, wanted)
    if wanted.panoptic:
        kinds = {c.name: "thing" for c in model.classes[1:]}
        kinds |= {c.name: "stuff" for c in model.all_classes[len(model.classes) :]}
        write_panoptic(target, objects.labels, objects.table, categories=kinds, **about)
        return [target, beside]
    if wanted.masks is not None:
        masks = objects.combined(wanted.values(model), as_one=wanted.as_one)
        write_labels(target, masks, **place, **about)
        return [target]
    with replacing(beside) as opened:  # it appears only where the labels could be written, too
        opened.write(objects.table.to_csv(index=False).encode())
        target = _roomy(target, len(objects))
        write_labels(target, _ids(objects.labels), **place, **about)
    return [target, beside]


def _roomy(target: Path, objects: int) -> Path:
    """A TIFF of a name that is free, where a PNG cannot hold so many objects."""
    if ending(target) != ".png" or objects <= MOST_IN_PNG:
        return target
    spare = target.with_name(f"{stem(target)}.tif")
    for number in count(2):
        if not spare.exists():
            break
        spare = target.with_name(f"{stem(target)}-{number}.tif")
    warnings.warn(
        f"{objects} objects were found, and a PNG holds {MOST_IN_PNG} at most: their labels are "
        f"written as {spare} instead.",
        UserWarning,
        stacklevel=3,
    )
    return spare


def _ids(labels: Any) -> Any:
    """Numbers of objects in a type that does not hang on how many there are, up to 65535."""
    return labels.astype(np.uint16 if labels.max(initial=0) <= MOST_IN_PNG else np.uint32)


def _beside_labels(target: Path, model: "TrainedModel", wanted: Results) -> Path | None:
    """The file that says what the labels are, where there is one."""
    if wanted.panoptic:
        return target.with_suffix(".json")
    tabled = model.kind != "semantic" and wanted.masks is None
    return target.with_name(f"{stem(target)}.csv") if tabled else None


def _named(image: Path, suffix: str | None) -> str:
    usual = "nii.gz" if ending(image) in NIFTI else "tif"
    return f"{stem(image)}.{suffix or usual}"


def _beside_image(file: Path | None, image: Path) -> Any:
    """What a file of labels holds, lying as its image does; None where there is none."""
    return None if file is None else read_labels(file, orientation=file_orientation(image))
