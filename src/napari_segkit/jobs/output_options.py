"""What is written of a result, and which files that makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import MaskConfig, ObjectConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.config.pictures import Style
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.class_values import class_values
from napari_segkit.images.classes import LabelClass
from napari_segkit.io.filenames import WRITTEN_TIFF, ending, stem
from napari_segkit.io.files import check_output_file
from napari_segkit.io.output_paths import check_output_path, require_space

from .output_files import is_zarr_output, overlay_file, probabilities_file, uncertainty_file

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

MAX_PNG_VALUE = 2**16 - 1
FLOAT32 = 4  # bytes
UNCOMPRESSED = (".npy", ".nii")


@dataclass(frozen=True)
class OutputOptions:
    """What to write of a result."""

    objects: ObjectConfig = field(default_factory=ObjectConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    panoptic: bool = False  # COCO panoptic format: PNG and JSON
    probabilities: bool = False  # also write probabilities, into a folder next to the labels
    uncertainty: bool = False  # also write the uncertainty, into a folder next to the labels
    overlay: Style | None = None  # also write a picture, into a folder next to the labels
    overwrite: bool = False
    skip_existing: bool = False  # write only the files that are missing
    may_be_zarr: bool = False  # a target may be a zarr folder, with probabilities and all in it

    @property
    def may_exist(self) -> bool:
        """Whether files may exist before the work."""
        return self.overwrite or self.skip_existing

    def files(self, target: Path, *, objects: bool) -> tuple[Path, ...]:
        """All files of a result: labels, and those that describe them."""
        has_table = objects and not self.masks.changes_values
        table = (self.table_file(target),) if has_table else ()
        if self.is_zarr(target):
            return (target, *self._files_of_zarr(target, has_table=has_table))
        probabilities = (probabilities_file(target),) if self.probabilities else ()
        uncertainty = (uncertainty_file(target),) if self.uncertainty else ()
        overlay = (overlay_file(target),) if self.overlay else ()
        return (target, *table, *probabilities, *uncertainty, *overlay)

    def _files_of_zarr(self, target: Path, *, has_table: bool) -> list[Path]:
        """What is written with the labels of a zarr folder: a table beside it, the rest inside."""
        from napari_segkit.io.zarr.result_paths import table_file

        inside = {"probabilities": self.probabilities, "uncertainty": self.uncertainty}
        table = [table_file(target)] if has_table else []
        return [*table, *(target / name for name, is_asked in inside.items() if is_asked)]

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

    def check_files(self, target: Path, *, objects: bool) -> None:
        """Check what is known of the files before an image is read."""
        if self.is_zarr(target):
            self._check_zarr(target)
            return
        check_output_file(target, overwrite=self.may_exist)
        if self.panoptic and ending(target) != ".png":
            raise ValueError(
                f"{target} cannot hold the COCO panoptic format: choose a name ending in .png."
            )
        for file in self.files(target, objects=objects)[1:]:
            check_output_path(file, overwrite=self.may_exist, new_folder=True)

    def is_zarr(self, target: Path) -> bool:
        """Whether a result is written as a zarr folder."""
        return self.may_be_zarr and is_zarr_output(target)

    def may_be_streamed(self, target: Path) -> bool:
        """Whether a result larger than memory can be written: a TIFF of what was predicted."""
        changes = self.masks.changes_values or self.overlay
        return self.may_be_zarr and ending(target) in WRITTEN_TIFF and not changes

    def _check_zarr(self, target: Path) -> None:
        """Check a zarr folder, and that it can hold what is asked for."""
        from napari_segkit.io.zarr.result_paths import check_target

        if self.panoptic or self.masks.changes_values or self.overlay:
            raise ValueError(
                f"{target} holds labels, probabilities and uncertainty: leave pictures, the COCO "
                "format and values for other programs out, or choose another name."
            )
        check_target(target, overwrite=self.overwrite)

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
        if self.is_zarr(target):
            return
        highest = max((c.value for c in self.written_classes(classes)), default=0)
        check_output_file(target, overwrite=self.may_exist, axes=image.label_axes, highest=highest)
        self._check_space(target, image, max(len(classes), 2))

    def _check_space(self, target: Path, image: AxesImage, classes: int) -> None:
        """Check that the disk can hold what is written without compression."""
        pixels = prod(image.label_shape)
        maps = self.probabilities * classes + self.uncertainty
        size = pixels + maps * FLOAT32 * pixels
        if ending(target) in UNCOMPRESSED:
            require_space(target, size)

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
