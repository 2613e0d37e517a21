"""Prediction of one file, from reading it to writing its results."""

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ClusterConfig, PredictConfig, RefineConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.io.channel_files import read_image_files
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.jobs.existing_results import ExistingResults
from napari_segkit.jobs.file_writer import FileWriter, panoptic_categories
from napari_segkit.jobs.output_files import new_folders
from napari_segkit.jobs.output_options import OutputOptions
from napari_segkit.jobs.predict import predict_job
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Step, until_finish

from .measurements import Row, measured

if TYPE_CHECKING:
    from napari_segkit.inference.zarr_sink import ZarrSink
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained_model import TrainedModel

ReadRegion = Callable[[AxesImage, Path], object]


@dataclass(frozen=True)
class FileSettings:
    """How each file is predicted, and what is written of it.

    Parameters
    ----------
    output : OutputOptions
        What is written.
    tile, config, refine, axes, spacing, cluster
        As in `Segmenter.predict_tiles`.
    region : callable, optional
        Gives the region of an image and its file.
    details : dict
        What the record of each file says besides.
    existing : ExistingResults, optional
        What was there before; files that were made otherwise are not completed.
    is_measured : bool
        Whether each result has a row of measurements.
    """

    output: OutputOptions
    tile: TileConfig = field(default_factory=TileConfig)
    config: PredictConfig = field(default_factory=PredictConfig)
    refine: RefineConfig | None = None
    axes: str | None = None
    spacing: Sequence[float] | None = None
    cluster: ClusterConfig | None = None
    region: ReadRegion | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    existing: ExistingResults | None = None
    is_measured: bool = False

    @property
    def predict_config(self) -> PredictConfig:
        """Measurements need the uncertainty, written or not."""
        how = self.config.uncertainty or ("entropy" if self.is_measured else None)
        return replace(self.config, uncertainty=how)


@dataclass(frozen=True)
class PredictedFile:
    """What became of one file."""

    name: str
    files: tuple[Path, ...]  # that were written, labels first
    objects: int | None  # None: the model predicts classes
    row: Row = field(default_factory=dict)  # measurements, if these are asked for


def file_steps(
    segmenter: "Segmenter",
    source: ImageFiles,
    target: Path,
    settings: FileSettings,
    writing: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Generator[Step, object, PredictedFile]:
    """Read, predict and write one file, tile by tile; `writing` is entered to write.

    `Finish` ends it without a result.
    """
    from napari_segkit.jobs.tiff_sink import TiffSink

    model, output = segmenter.ready(), settings.output
    with new_folders(target):
        if settings.existing is not None:
            settings.existing.require_own(target)
        output.check_files(target, objects=model.predicts_objects)
        image = _read(source, model, settings)
        output.check_format(target, model, image)
        details = {"file": source.name, **settings.details}
        sink = _sink(target, image, model, settings, details)
        job = predict_job(
            segmenter,
            image,
            settings.tile,
            objects=output.objects,
            refine=settings.refine,
            config=settings.predict_config,
            probabilities=output.probabilities,
            region=settings.region and settings.region(image, source.path),
            cluster=settings.cluster,
            sink=sink,
        )
        result = yield from until_finish(job.steps, lambda step: step)
        row: Row = {}
        if settings.is_measured:
            row = measured(result, image, model)
        files = output.files(target, objects=model.predicts_objects)
        if sink is None:
            categories = panoptic_categories(model)
            writer = FileWriter(target, image, output, details, categories=categories)
            with writing():
                files = writer.write(_asked_for(result, settings.config))
        elif isinstance(sink, TiffSink):
            steps = sink.write_files(result, uncertainty=output.uncertainty)
            files = yield from until_finish(steps, lambda step: step)
    objects = None if result.objects is None else len(result.objects)
    if row:
        row = {"image": source.name, "labels": str(files[0])} | row
    return PredictedFile(source.name, files, objects, row)


def _sink(
    target: Path,
    image: AxesImage,
    model: "TrainedModel",
    settings: FileSettings,
    details: Mapping[str, object],
) -> "ZarrSink | None":
    """What takes a result that goes to the disk piece by piece; None: it is made in memory."""
    from napari_segkit.inference.zarr_sink import ZarrSink
    from napari_segkit.jobs.tiff_sink import TiffSink, is_too_large

    output, config, kind = settings.output, settings.predict_config, ZarrSink
    if not output.is_zarr(target):
        kept, kind = output.probabilities, TiffSink
        if not (
            output.may_be_streamed(target)
            and is_too_large(model, image, settings.tile, config, probabilities=kept)
        ):
            return None
    return kind(
        target,
        image,
        keep_probabilities=output.probabilities,
        overwrite=output.overwrite,
        objects=output.objects if model.predicts_objects else None,
        details=details,
    )


def _asked_for(result: LabelResult, config: PredictConfig) -> LabelResult:
    """The result without the uncertainty that only the measurements needed."""
    if config.uncertainty is not None:
        return result
    provenance = {**result.provenance, "uncertainty": None}
    return replace(result, uncertainty=None, provenance=provenance)


def _read(source: ImageFiles, model: "TrainedModel", settings: FileSettings) -> AxesImage:
    """The image, with a warning of pixel sizes that are unknown."""
    image = read_image_files(
        source,
        settings.axes,
        settings.spacing,
        like=model.axes,
        channels=model.channels,
        level=settings.config.level,
    )
    if not settings.config.resample and (note := model.unknown_size_note(image)):
        warnings.warn(note, UserWarning, stacklevel=2)
    return image
