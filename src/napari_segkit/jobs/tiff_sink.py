"""Tiled BigTIFF files of a prediction that does not fit into memory."""

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit.config import PredictConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage, reorient_image
from napari_segkit.images.classes import LabelClass
from napari_segkit.inference.memory import fits_memory
from napari_segkit.inference.plan import TilePlan, unmeasured_plan
from napari_segkit.inference.zarr_sink import ZarrSink
from napari_segkit.instances.results import Objects
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.writers import FileMetadata
from napari_segkit.io.zarr.result_paths import explain_write_errors, part_folder, remove_folder
from napari_segkit.io.zarr.to_tiff import write_tiff_pyramid
from napari_segkit.io.zarr.writer import write_coarse_levels
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Step

from .output_files import probabilities_file, uncertainty_file

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


class TiffSink(ZarrSink):
    """Collects a prediction in a hidden zarr folder beside the TIFF files that are made of it.

    The same prediction goes on with the folder where a process was stopped or killed.
    """

    _classes: Sequence[LabelClass] = ()

    def start(self, plan: TilePlan) -> None:
        """Make the arrays, or go on with those of the same prediction; else ValueError."""
        self._classes = plan.model.all_classes
        super().start(plan)

    def finish(self, objects: Objects | None) -> Generator[Step, None, None]:
        """Make the coarse levels; the arrays stay where they are until the files are made."""
        yield from write_coarse_levels(self.result)

    def write_files(
        self, result: LabelResult, *, uncertainty: bool
    ) -> Generator[Step, None, tuple[Path, ...]]:
        """Make the files, which get their names when all are complete; gives them, labels first."""
        folder, files = part_folder(self.target), self._contents(uncertainty=uncertainty)
        with closing(self._open_journal()):
            parts = {file: folder / f"{n}{file.suffix}" for n, file in enumerate(files)}
            for file, (stored, metadata) in files.items():
                if not parts[file].exists():  # else it was complete when a process was killed
                    levels = self.result.levels(stored)
                    yield from write_tiff_pyramid(parts[file], levels, metadata)
            for file in files:
                check_output_path(file, overwrite=self._overwrite, new_folder=True)
            with explain_write_errors(self.target):
                for file, part in parts.items():
                    file.parent.mkdir(exist_ok=True)
                    part.replace(file)
            self._write_table(result.objects)
        remove_folder(folder)
        tables = () if result.objects is None else (self.table,)
        return (self.target, *tables, *[file for file in files if file != self.target])

    def _check(self) -> None:
        check_output_path(self.target, overwrite=self._overwrite)
        self._check_table()

    def _contents(self, *, uncertainty: bool) -> dict[Path, tuple[Any, FileMetadata]]:
        """The array of each file and what is stored with it; the labels get their name last."""
        result, axes = self.result, self._image.label_axes
        files = {}
        if result.probabilities is not None:
            maps = self._metadata(result.probability_axes, self._classes)
            files[probabilities_file(self.target)] = (result.probabilities, maps)
        if uncertainty:
            values = (result.uncertainty, self._metadata(axes, ()))
            files[uncertainty_file(self.target)] = values
        classes = self._classes if self._objects is None else ()
        return files | {self.target: (result.labels, self._metadata(axes, classes))}

    def _metadata(self, axes: str, classes: Sequence[LabelClass]) -> FileMetadata:
        image = self._image
        return FileMetadata(
            axes,
            image.spacing,
            self.result.record,
            unit=image.unit,
            place=image.metadata.get("geotiff", ()),
            classes=tuple(classes),
        )


def is_too_large(
    model: "TrainedModel",
    image: AxesImage,
    tile: TileConfig,
    config: PredictConfig,
    *,
    probabilities: bool,
) -> bool:
    """Whether a prediction does not fit into memory but can go through a folder."""
    oriented = reorient_image(image, model.orientation)
    try:
        plan = unmeasured_plan(model, oriented, tile, config, None)
    except ValueError:  # the prediction makes it suit the model, or says why it does not
        return False
    return not fits_memory(plan, probabilities=probabilities)
