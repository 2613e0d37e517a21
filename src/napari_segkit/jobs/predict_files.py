"""Predict image files with one model, and write labels, tables, masks and probabilities."""

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import values_of
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.filenames import ending, stem
from napari_segkit.io.files import check_output_file, check_output_path, read_image
from napari_segkit.io.replace_file import atomic_write

from .output_files import ResultWriter, check_probabilities_file, probabilities_file

if TYPE_CHECKING:
    from napari_segkit.inference.tiled import TileStep
    from napari_segkit.instances.results import Objects
    from napari_segkit.label_result import LabelResult
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained_model import TrainedModel

MAX_PNG_VALUE = 2**16 - 1


@dataclass(frozen=True)
class OutputOptions:
    """What to write of a prediction."""

    objects: ObjectConfig = field(default_factory=ObjectConfig)
    masks: tuple[str, ...] | None = None  # classes to write as masks, not objects; (): all classes
    one_mask: bool = False  # one mask of value 1 for all these classes
    panoptic: bool = False  # COCO panoptic format: PNG and JSON
    probabilities: bool = False  # also write probabilities, into a folder next to the labels
    overwrite: bool = False

    def check(self, model: "TrainedModel") -> None:
        """Raise ValueError where a model cannot give this output."""
        if model.kind == "semantic" and (self.masks is not None or self.panoptic):
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
        self.mask_values(model)

    def mask_values(self, model: "TrainedModel") -> list[int]:
        """Label values of the classes to write as masks; ValueError for an unknown class."""
        classes = model.all_classes[1:]
        return list(values_of(self.masks or [c.value for c in classes], classes))

    def provenance(self, model: "TrainedModel") -> dict[str, Any]:
        """What the files record of these options."""
        if model.kind == "semantic":
            return {}
        record: dict[str, Any] = {"objects": to_dict(self.objects)}
        if self.masks is None:
            return record
        return record | {"masks": self.mask_values(model), "one_mask": self.one_mask}


@dataclass(frozen=True)
class WrittenFiles:
    """A prediction and its files, labels first."""

    prediction: "LabelResult"
    files: tuple[Path, ...]


def predict_file_tiles(
    segmenter: "Segmenter",
    source: Path,
    target: Path,
    tile: TileConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    output: OutputOptions | None = None,
) -> Generator["TileStep", None, WrittenFiles]:
    """Predict an image file tile by tile and write its labels, with a CSV table of its objects.

    More objects than a PNG can hold go into a TIFF of an unused name, with a warning. Raises
    ValueError before any work if the image cannot be used or a file cannot be written.
    """
    output, model = output or OutputOptions(), segmenter.ready()
    _check_files(target, model, output)
    image = read_image(source, axes, spacing, like=model.axes, channels=model.channels)
    _check_format(target, image, model, output)
    if output.probabilities:
        check_probabilities_file(target, overwrite=output.overwrite)
    prediction = yield from segmenter.predict_tiles(
        image, tile, probabilities=output.probabilities, objects=output.objects
    )
    provenance = {
        **prediction.provenance,
        "file": source.name,
        **output.provenance(model),
    }
    writer = ResultWriter(image, provenance, output.overwrite)
    return WrittenFiles(prediction, tuple(_write(target, prediction, model, output, writer)))


def _check_files(target: Path, model: "TrainedModel", output: OutputOptions) -> None:
    """Check what is known before anything is read."""
    output.check(model)
    check_output_file(target, overwrite=output.overwrite)
    if output.panoptic and ending(target) != ".png":
        raise ValueError(
            f"{target} cannot hold the COCO panoptic format: choose a name ending in .png."
        )
    table = _table_file(target, model, output)
    if table:
        check_output_path(table, overwrite=output.overwrite)


def _check_format(
    target: Path, image: AxesImage, model: "TrainedModel", output: OutputOptions
) -> None:
    """Check that the file format can hold the axes and class values of the prediction."""
    axes, highest = image.label_axes, max(model.values)
    if output.panoptic and len(axes) != 2:
        raise ValueError(
            f"{image.name} has the axes {image.axes}, and the COCO panoptic format is 2D: choose "
            "another format."
        )
    if model.kind != "semantic":
        highest = 0 if output.masks is None else max(output.mask_values(model))
    highest = 1 if output.one_mask else highest
    check_output_file(target, overwrite=output.overwrite, axes=axes, highest=highest)


def _write(
    target: Path,
    prediction: "LabelResult",
    model: "TrainedModel",
    output: OutputOptions,
    writer: ResultWriter,
) -> list[Path]:
    """Write everything; gives the files."""
    if prediction.objects is None:
        writer.write_labels(target, prediction.labels)
        files = [target]
    else:
        files = _write_objects(target, prediction.objects, model, output, writer)
    if prediction.probabilities is not None:
        file = probabilities_file(target)
        writer.write_probabilities(file, prediction.probabilities)
        files.append(file)
    return files


def _write_objects(
    target: Path,
    objects: "Objects",
    model: "TrainedModel",
    output: OutputOptions,
    writer: ResultWriter,
) -> list[Path]:
    """Write objects with their table, or masks of classes; gives the files."""
    table = _table_file(target, model, output)
    if table is None:
        values = output.mask_values(model)
        writer.write_labels(target, objects.combined(values, as_one=output.one_mask))
        return [target]
    if output.panoptic:
        categories = {c.name: "thing" for c in model.classes[1:]}
        categories |= {c.name: "stuff" for c in model.all_classes[len(model.classes) :]}
        write_panoptic(
            target,
            objects.labels,
            objects.table,
            categories=categories,
            provenance=writer.provenance,
            overwrite=output.overwrite,
        )
        return [target, table]
    with atomic_write(table) as opened:  # the table appears only if the labels can be written
        opened.write(objects.table.to_csv(index=False).encode())
        target = _file_for_count(target, len(objects))
        writer.write_labels(target, _ids(objects.labels))
    return [target, table]


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


def _ids(labels: Any) -> Any:
    """Instance ids as uint16, as long as they fit, so that the type rarely depends on the count."""
    return labels.astype(np.uint16 if labels.max(initial=0) <= MAX_PNG_VALUE else np.uint32)


def _table_file(target: Path, model: "TrainedModel", output: OutputOptions) -> Path | None:
    """CSV or JSON file that describes the objects; None where labels stand alone."""
    if output.panoptic:
        return target.with_suffix(".json")
    has_table = model.kind != "semantic" and output.masks is None
    return target.with_name(f"{stem(target)}.csv") if has_table else None
