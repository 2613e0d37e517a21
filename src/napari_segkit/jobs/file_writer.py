"""Writer of results to files: labels, probabilities, tables of objects, masks of classes."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import MaskConfig, ObjectConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.class_values import class_values
from napari_segkit.images.classes import LabelClass
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
    masks: MaskConfig = field(default_factory=MaskConfig)
    panoptic: bool = False  # COCO panoptic format: PNG and JSON
    probabilities: bool = False  # also write probabilities, into a folder next to the labels
    overwrite: bool = False

    def check(self, model: "TrainedModel") -> None:
        """Raise ValueError where a model cannot give this output."""
        if not model.predicts_objects and self.panoptic:
            raise ValueError(
                "The COCO panoptic format needs a model that predicts objects, but "
                f"{model.spec.name} was trained to predict classes only: leave it out, or choose "
                "another model."
            )
        if self.masks.changes_values and self.panoptic:
            raise ValueError(
                "Masks of classes hold no objects, and the COCO panoptic format needs them: choose "
                "one of the two."
            )
        self.written_classes(model.all_classes)

    def check_files(self, target: Path, model: "TrainedModel") -> None:
        """Check what is known of the files before an image is read."""
        self.check(model)
        check_output_file(target, overwrite=self.overwrite)
        if self.panoptic and ending(target) != ".png":
            raise ValueError(
                f"{target} cannot hold the COCO panoptic format: choose a name ending in .png."
            )
        if model.predicts_objects and not self.masks.changes_values:
            check_output_path(self.table_file(target), overwrite=self.overwrite)

    def check_format(self, target: Path, model: "TrainedModel", image: AxesImage) -> None:
        """Check that the format can hold the axes and class values of a prediction."""
        if self.panoptic and len(image.label_axes) != 2:
            raise ValueError(
                f"{image.name} has the axes {image.axes}, and the COCO panoptic format is 2D: "
                "choose another format."
            )
        are_ids = model.predicts_objects and not self.masks.changes_values
        self.check_labels(target, image, () if are_ids else model.all_classes)

    def check_labels(
        self, target: Path, image: AxesImage, classes: Sequence[LabelClass] = ()
    ) -> None:
        """Check that the files can hold the axes of labels and the values of classes."""
        if self.masks.palette and (self.panoptic or ending(target) != ".png"):
            raise ValueError(
                f"{target} cannot have a palette of class colours: choose a PNG file of labels, or "
                "leave the palette out."
            )
        highest = max((c.value for c in self.written_classes(classes)), default=0)
        check_output_file(target, overwrite=self.overwrite, axes=image.label_axes, highest=highest)
        if self.probabilities:
            check_probabilities_file(target, overwrite=self.overwrite)

    def written_classes(self, classes: Sequence[LabelClass]) -> Sequence[LabelClass]:
        """The classes of the values that are written; ValueError for wrong masks or values."""
        changed = classes and self.masks.changes_values
        return class_values(classes, self.masks).classes if changed else classes

    def table_file(self, target: Path) -> Path:
        """CSV or JSON file that describes objects."""
        csv = target.with_name(f"{stem(target)}.csv")
        return target.with_suffix(".json") if self.panoptic else csv

    def provenance(self, *, objects: bool) -> dict[str, object]:
        """What the files record of these options."""
        record: dict[str, object] = {"objects": to_dict(self.objects)} if objects else {}
        return record | ({"masks": to_dict(self.masks)} if self.masks.changes_values else {})


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
        chosen = self.output.provenance(objects=result.objects is not None)
        record = {**provenance, **self.details, **chosen}
        if result.objects is None or self.output.masks.changes_values:
            self._write_classes(result, record)
            files = [self.target]
        else:
            files = self._write_objects(result.objects, record)
        if result.probabilities is not None:
            files.append(probabilities_file(self.target))
            metadata = self._metadata(f"C{self.image.label_axes}", record, result.classes)
            write_probabilities(
                files[-1], result.probabilities, metadata, overwrite=self.output.overwrite
            )
        return tuple(files)

    def _write_classes(self, result: LabelResult, record: dict[str, object]) -> None:
        """Write class values, or those asked for instead."""
        labels = result.labels if result.objects is None else result.objects.combined()
        if not self.output.masks.changes_values:
            self._write_labels(self.target, labels, record, result.classes)
            return
        values = class_values(result.classes, self.output.masks)
        self._write_labels(self.target, values.apply(labels), record, values.classes)

    def _write_labels(
        self,
        file: Path,
        labels: AnyArray,
        record: dict[str, object],
        classes: tuple[LabelClass, ...] = (),
    ) -> None:
        """Write labels, with the classes of their values unless these are ids."""
        metadata = self._metadata(self.image.label_axes, record, classes)
        write_labels(file, labels, metadata, overwrite=self.output.overwrite)

    def _metadata(
        self, axes: str, record: dict[str, object], classes: tuple[LabelClass, ...]
    ) -> FileMetadata:
        image = self.image
        return FileMetadata(
            axes,
            image.spacing,
            record,
            image.metadata.get("nifti"),
            unit=image.unit,
            place=image.metadata.get("geotiff", ()),
            classes=classes,
            palette=self.output.masks.palette,
        )

    def _write_objects(self, objects: "Objects", record: dict[str, object]) -> list[Path]:
        """Write objects with their table; gives the files."""
        target, table = self.target, self.output.table_file(self.target)
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
