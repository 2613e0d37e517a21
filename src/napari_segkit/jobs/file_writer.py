"""Writer of results to files: labels, probabilities, tables of objects, masks of classes."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import ObjectConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass, values_of
from napari_segkit.images.types import AnyArray
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.filenames import ending, stem
from napari_segkit.io.files import (
    check_output_file,
    check_output_path,
    write_labels,
    write_probabilities,
)
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.io.writers import FileMetadata
from napari_segkit.label_result import LabelResult

from .output_files import check_probabilities_file, probabilities_file

if TYPE_CHECKING:
    from napari_segkit.instances.results import Objects
    from napari_segkit.trained_model import TrainedModel

MAX_PNG_VALUE = 2**16 - 1


@dataclass(frozen=True)
class OutputOptions:
    """What to write of a result."""

    objects: ObjectConfig = field(default_factory=ObjectConfig)
    masks: tuple[str, ...] | None = None  # classes to write as masks, not objects; (): all classes
    one_mask: bool = False  # one mask of value 1 for all these classes
    panoptic: bool = False  # COCO panoptic format: PNG and JSON
    probabilities: bool = False  # also write probabilities, into a folder next to the labels
    overwrite: bool = False

    def check(self, model: "TrainedModel") -> None:
        """Raise ValueError where a model cannot give this output."""
        if not model.predicts_objects and (self.masks is not None or self.panoptic):
            output = "The COCO panoptic format" if self.panoptic else "A mask per class"
            raise ValueError(
                f"{output} needs a model that predicts objects, but {model.spec.name} was "
                "trained to predict classes only: leave it out, or choose another model."
            )
        if self.masks is not None and self.panoptic:
            raise ValueError(
                "Masks of classes hold no objects, and the COCO panoptic format needs them: choose "
                "one of the two."
            )
        self.mask_values(model.all_classes)

    def mask_values(self, classes: tuple[LabelClass, ...]) -> list[int]:
        """Label values of the classes to write as masks; ValueError for an unknown class."""
        return list(values_of(self.masks or [c.value for c in classes[1:]], classes[1:]))

    def check_files(self, target: Path, model: "TrainedModel") -> None:
        """Check what is known of the files before an image is read."""
        self.check(model)
        check_output_file(target, overwrite=self.overwrite)
        if self.panoptic and ending(target) != ".png":
            raise ValueError(
                f"{target} cannot hold the COCO panoptic format: choose a name ending in .png."
            )
        if model.predicts_objects and (table := self.table_file(target)):
            check_output_path(table, overwrite=self.overwrite)

    def check_format(self, target: Path, model: "TrainedModel", image: AxesImage) -> None:
        """Check that the format can hold the axes and class values of a prediction."""
        axes, highest = image.label_axes, max(model.values)
        if self.panoptic and len(axes) != 2:
            raise ValueError(
                f"{image.name} has the axes {image.axes}, and the COCO panoptic format is 2D: "
                "choose another format."
            )
        if model.predicts_objects:
            highest = 0 if self.masks is None else max(self.mask_values(model.all_classes))
        self.check_labels(target, image, 1 if self.one_mask else highest)

    def check_labels(self, target: Path, image: AxesImage, highest: int = 0) -> None:
        """Check that the files can hold the axes and the highest value of labels."""
        check_output_file(target, overwrite=self.overwrite, axes=image.label_axes, highest=highest)
        if self.probabilities:
            check_probabilities_file(target, overwrite=self.overwrite)

    def table_file(self, target: Path) -> Path | None:
        """CSV or JSON file that describes objects; None for masks."""
        if self.panoptic:
            return target.with_suffix(".json")
        return target.with_name(f"{stem(target)}.csv") if self.masks is None else None

    def object_provenance(self, objects: "Objects") -> dict[str, object]:
        """What the files record of these options."""
        record: dict[str, object] = {"objects": to_dict(self.objects)}
        if self.masks is None:
            return record
        return record | {"masks": self.mask_values(objects.classes), "one_mask": self.one_mask}


@dataclass(frozen=True)
class FileWriter:
    """Writes a result with the axes, spacing and NIfTI header of its image."""

    target: Path
    image: AxesImage
    output: OutputOptions
    details: Mapping[str, object] = field(default_factory=dict)  # added to the provenance
    provenance: Mapping[str, object] | None = None  # instead of that of the result
    categories: Mapping[str, str] = field(default_factory=dict)  # see `panoptic_categories`

    def prepare(self, result: LabelResult) -> None:
        """Files need no preparation."""

    def write(self, result: LabelResult) -> tuple[Path, ...]:
        """Write everything; gives the files, labels first.

        More objects than a PNG can hold go into a TIFF of an unused name, with a warning.
        """
        provenance = result.provenance if self.provenance is None else self.provenance
        record = {**provenance, **self.details}
        if result.objects is None:
            self._write_labels(self.target, result.labels, record)
            files = [self.target]
        else:
            record |= self.output.object_provenance(result.objects)
            files = self._write_objects(result.objects, record)
        if result.probabilities is not None:
            files.append(probabilities_file(self.target))
            metadata = self._metadata(f"C{self.image.label_axes}", record)
            write_probabilities(
                files[-1], result.probabilities, metadata, overwrite=self.output.overwrite
            )
        return tuple(files)

    def _write_labels(self, file: Path, labels: AnyArray, record: dict[str, object]) -> None:
        metadata = self._metadata(self.image.label_axes, record)
        write_labels(file, labels, metadata, overwrite=self.output.overwrite)

    def _metadata(self, axes: str, record: dict[str, object]) -> FileMetadata:
        image = self.image
        return FileMetadata(
            axes,
            image.spacing,
            record,
            image.metadata.get("nifti"),
            unit=image.unit,
            place=image.metadata.get("geotiff", ()),
        )

    def _write_objects(self, objects: "Objects", record: dict[str, object]) -> list[Path]:
        """Write objects with their table, or masks of classes; gives the files."""
        target, table = self.target, self.output.table_file(self.target)
        if table is None:
            values = self.output.mask_values(objects.classes)
            masks = objects.combined(values, as_one=self.output.one_mask)
            self._write_labels(target, masks, record)
            return [target]
        if self.output.panoptic:
            write_panoptic(
                target,
                objects.labels,
                objects.table,
                categories=self.categories,
                provenance=record,
                overwrite=self.output.overwrite,
            )
            return [target, table]
        with atomic_write(table) as opened:  # the table appears only if the labels can be written
            opened.write(objects.table.to_csv(index=False).encode())
            target = _file_for_count(target, len(objects))
            self._write_labels(target, _ids(objects.labels), record)
        return [target, table]


def panoptic_categories(model: "TrainedModel") -> dict[str, str]:
    """Whether each class is "thing" or "stuff", for the COCO panoptic format."""
    categories = {c.name: "thing" for c in model.classes[1:]}
    return categories | {c.name: "stuff" for c in model.all_classes[len(model.classes) :]}


def _file_for_count(target: Path, objects: int) -> Path:
    """The target, or an unused TIFF name if it is a PNG that cannot hold so many objects."""
    if ending(target) != ".png" or objects <= MAX_PNG_VALUE:
        return target
    tiff = target.with_name(f"{stem(target)}.tif")
    for number in count(2):
        if not tiff.exists():
            break
        tiff = target.with_name(f"{stem(target)}-{number}.tif")
    warnings.warn(
        f"There are {objects} objects, and a PNG holds {MAX_PNG_VALUE} at most: their labels are "
        f"written as {tiff} instead.",
        UserWarning,
        stacklevel=3,
    )
    return tiff


def _ids(labels: AnyArray) -> AnyArray:
    """Instance ids as uint16, as long as they fit, so that the type rarely depends on the count."""
    return labels.astype(np.uint16 if labels.max(initial=0) <= MAX_PNG_VALUE else np.uint32)
