"""Writer of results to files: labels, probabilities, tables of objects, masks of classes."""

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config.pictures import Style
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.class_values import class_values
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.pictures import Overlay, draw_plane, overlay_of_classes
from napari_segkit.images.types import AnyArray
from napari_segkit.io.coco.panoptic_files import panoptic_content
from napari_segkit.io.filenames import ending, stem
from napari_segkit.io.files import labels_content, probabilities_content
from napari_segkit.io.output_paths import unused_path, warn_renamed
from napari_segkit.io.pictures import picture_content
from napari_segkit.io.replace_file import Content, ExistsError, write_together
from napari_segkit.io.writers import FileMetadata
from napari_segkit.label_result import LabelResult

from .output_files import (
    is_written,
    new_folders,
    overlay_file,
    probabilities_file,
    uncertainty_file,
)
from .output_options import MAX_PNG_VALUE, OutputOptions

if TYPE_CHECKING:
    from napari_segkit.instances.results import Objects
    from napari_segkit.trained_model import TrainedModel


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
        """Write everything, complete or not at all; gives the files, labels first.

        If a file has appeared since the check, it stays, and the results get unused names; to skip
        existing files, only the missing ones are written. More objects than a PNG can hold go into
        a TIFF of an unused name. Both are said in a warning.
        """
        while True:
            target = self._free_target(result)
            contents = self._contents(result, target)
            with suppress(ExistsError), ExitStack() as folders:  # taken in this very moment
                for file in contents:
                    folders.enter_context(new_folders(file))
                write_together(self._to_write(contents), overwrite=self.output.overwrite)
                if target != self.target:
                    warn_renamed(self.target, target)
                return tuple(contents)

    def _free_target(self, result: LabelResult) -> Path:
        """The target, or an unused name if one of its files has appeared."""
        if self.output.may_exist:
            return self.target
        files = partial(self.output.files, objects=result.objects is not None)
        return unused_path(self.target, files)

    def _to_write(self, contents: Mapping[Path, Content]) -> dict[Path, Content]:
        """What is written: all, or what is missing, such as a file that a killed run left empty."""
        if not self.output.skip_existing:
            return dict(contents)
        for file in contents:
            if file.is_file() and not (is_written(file) or file.is_symlink()):
                file.unlink()
        return {f: c for f, c in contents.items() if not os.path.lexists(f)}

    def _contents(self, result: LabelResult, target: Path) -> dict[Path, Content]:
        """What is written into each file, labels first."""
        provenance = result.provenance if self.provenance is None else self.provenance
        chosen = self.output.provenance(objects=result.objects is not None)
        record = {**provenance, **self.details, **chosen}
        if result.objects is None or self.output.masks.changes_values:
            contents = self._class_contents(result, target, record)
        else:
            contents = self._object_contents(result.objects, target, record)
        return {**contents, **self._further_contents(result, target, record)}

    def _further_contents(
        self, result: LabelResult, target: Path, record: dict[str, object]
    ) -> dict[Path, Content]:
        """Probabilities, uncertainty and picture, if there are any."""
        contents: dict[Path, Content] = {}
        axes = self.image.label_axes
        if result.probabilities is not None:
            file = probabilities_file(target)
            metadata = self._metadata(f"C{axes}", record, result.classes)
            contents[file] = probabilities_content(file, result.probabilities, metadata)
        if result.uncertainty is not None:
            file = uncertainty_file(target)
            metadata = self._metadata(axes, record, ())
            contents[file] = probabilities_content(file, result.uncertainty, metadata)
        if self.output.overlay is not None:
            picture = draw_plane(self.image, self._overlay(result, self.output.overlay))
            drawn = record | {"overlay": self.output.overlay}
            contents[overlay_file(target)] = picture_content(picture, drawn)
        return contents

    def _overlay(self, result: LabelResult, style: Style) -> Overlay:
        """What is drawn: the labels that are written; a class called background is not cut out."""
        if result.objects is not None and not self.output.masks.changes_values:
            return Overlay(result.objects.labels, {}, style)
        labels, classes = self._written_classes(result)
        return overlay_of_classes(labels, classes, style)

    def _class_contents(
        self, result: LabelResult, target: Path, record: dict[str, object]
    ) -> dict[Path, Content]:
        labels, classes = self._written_classes(result)
        return {target: self._labels_content(target, labels, record, classes)}

    def _written_classes(self, result: LabelResult) -> tuple[AnyArray, Sequence[LabelClass]]:
        """Class values, or those asked for instead, and their classes."""
        labels = result.labels if result.objects is None else result.objects.combined()
        classes = result.classes
        if self.output.masks.changes_values:
            values = class_values(result.classes, self.output.masks)
            labels, classes = values.apply(labels), values.classes
        return labels, classes

    def _labels_content(
        self,
        file: Path,
        labels: AnyArray,
        record: dict[str, object],
        classes: Sequence[LabelClass] = (),
    ) -> Content:
        """Labels, with the classes of their values unless these are ids."""
        return labels_content(file, labels, self._metadata(self.image.label_axes, record, classes))

    def _metadata(
        self, axes: str, record: dict[str, object], classes: Sequence[LabelClass]
    ) -> FileMetadata:
        image = self.image
        return FileMetadata(
            axes,
            image.spacing,
            record,
            image.metadata.get("nifti"),
            unit=image.unit,
            place=image.metadata.get("geotiff", ()),
            classes=tuple(classes),
            palette=self.output.masks.palette,
        )

    def _object_contents(
        self, objects: "Objects", target: Path, record: dict[str, object]
    ) -> dict[Path, Content]:
        """Objects and their table."""
        table = self.output.table_file(target)
        if self.output.panoptic:
            return panoptic_content(
                target,
                objects.labels,
                objects.table,
                table,
                categories=self.categories,
                provenance=record,
            )
        text = objects.table.to_csv(index=False).encode()
        labels = _file_for_count(target, len(objects))
        return {
            labels: self._labels_content(labels, _ids(objects.labels), record),
            table: lambda file: file.write(text),
        }


def panoptic_categories(model: "TrainedModel") -> dict[str, str]:
    """Whether each class is "thing" or "stuff", for the COCO panoptic format."""
    categories = {c.name: "thing" for c in model.classes[1:]}
    return categories | {c.name: "stuff" for c in model.all_classes[len(model.classes) :]}


def _file_for_count(target: Path, objects: int) -> Path:
    """The target, or an unused TIFF name if it is a PNG that cannot hold so many objects."""
    if ending(target) != ".png" or objects <= MAX_PNG_VALUE:
        return target
    tiff = unused_path(target.with_name(f"{stem(target)}.tif"))
    warnings.warn(
        f"There are {objects} objects, and a PNG holds {MAX_PNG_VALUE} at most: their labels are "
        f"written as {tiff} instead.",
        UserWarning,
        stacklevel=4,
    )
    return tiff


def _ids(labels: AnyArray) -> AnyArray:
    """Instance ids as uint16, as long as they fit, so that the type rarely depends on the count."""
    return labels.astype(np.uint16 if labels.max(initial=0) <= MAX_PNG_VALUE else np.uint32)
