"""Prediction of many files, one after the other or several at a time: `predict_files`."""

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.arguments import as_path, given
from napari_segkit.config import (
    BatchConfig,
    ClusterConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    TileConfig,
)
from napari_segkit.config._schema import as_config, to_dict
from napari_segkit.error_messages import plain_message
from napari_segkit.io.channel_files import group_channels
from napari_segkit.io.output_paths import require_inputs_kept
from napari_segkit.jobs.existing_results import ExistingResults, skipped_text, split_existing
from napari_segkit.jobs.output_files import plan_files
from napari_segkit.jobs.output_options import OutputOptions
from napari_segkit.jobs.predict import ImagePrediction, ImageResult, predict_each
from napari_segkit.steps import Failure, Step, map_steps

from .inputs import find_files, say_labels
from .measurement_file import MeasurementFile, check_measurements, earlier_rows
from .one_file import FileSettings, PredictedFile, file_steps
from .processes import FileJob, predict_in_processes

if TYPE_CHECKING:
    from pandas import DataFrame

    from napari_segkit.segmenter import Segmenter

AnyPath = str | PathLike[str]
Writing = Callable[[], AbstractContextManager[object]]


def _error_text(error: BaseException) -> str:
    return plain_message(error, lower="predict smaller images")


@dataclass(frozen=True, eq=False)
class PredictedFiles:
    """What became of many files.

    Parameters
    ----------
    files : dict
        The files that were written for each image, labels first, by its folder and name.
    errors : dict
        Why an image could not be predicted, by its folder and name.
    skipped : tuple of str
        Images whose results were there before.
    table : pandas.DataFrame or None
        Measurements, if they were asked for.
    """

    files: Mapping[str, tuple[Path, ...]]
    errors: Mapping[str, BaseException]
    skipped: tuple[str, ...] = ()
    table: "DataFrame | None" = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Files that are predicted with one model, and how.

    Parameters
    ----------
    segmenter : Segmenter
        Holds the model.
    jobs : sequence of (ImageFiles, Path)
        Images, each with the file that its labels are written to.
    settings : FileSettings
        How each is predicted, and what is written.
    config : BatchConfig
        How many at a time.
    skipped : sequence of str
        Names of images whose results are there.
    measurements : Path or None
        The table of measurements.
    writing : callable
        Its context is entered to write the files of an image, unless there are several processes.
    describe : callable
        An error as the table of measurements tells it.
    """

    segmenter: "Segmenter"
    jobs: Sequence[FileJob]
    settings: FileSettings
    config: BatchConfig = field(default_factory=BatchConfig)
    skipped: Sequence[str] = ()
    measurements: Path | None = None
    writing: Writing = nullcontext
    describe: Callable[[BaseException], str] = _error_text

    def check(self, inputs: Sequence[Path] = ()) -> None:
        """Refuse, before any work, a table that cannot be written, and processes of a cluster."""
        cluster, processes = self.settings.cluster, self.config.processes
        if processes > 1 and cluster is not None and cluster.scheduler is not None:
            raise ValueError(
                f"processes={processes} and scheduler={given(cluster.scheduler)} were both given, "
                "but the workers of a cluster share each file: leave one of them out."
            )
        if self.measurements is not None:
            read = [*inputs, *(path for source, _ in self.jobs for path in source.paths)]
            require_inputs_kept([self.measurements], read)
            self._require_own_name(self.measurements)
            output = self.settings.output
            check_measurements(
                self.measurements, overwrite=output.overwrite, goes_on=output.skip_existing
            )

    def steps(self) -> Generator[Step, object, PredictedFiles]:
        """Predict all files; one that fails is told, and the rest goes on."""
        files: dict[str, tuple[Path, ...]] = {}
        errors: dict[str, BaseException] = {}

        def note(step: Step) -> Step:
            if isinstance(step, Failure):
                errors[step.part] = step.error
                table.add({"image": step.part, "error": self.describe(step.error)})
            elif isinstance(step, ImageResult):
                files[step.result.name] = step.result.files
                table.add(step.result.row)
            return step

        with self._table() as table:
            yield from map_steps(self._work(), note)
        measured = table.table if self.settings.is_measured else None
        return PredictedFiles(files, errors, tuple(self.skipped), measured)

    def _require_own_name(self, table: Path) -> None:
        """Refuse a table of measurements that is also a file of a result."""
        objects = self.segmenter.ready().predicts_objects
        for _, target in self.jobs:
            files = self.settings.output.files(target, objects=objects)
            if table.resolve() in {file.resolve() for file in files}:
                raise ValueError(
                    f"{table} is the table of the objects in {target}: choose another name for the "
                    "measurements."
                )

    def _work(self) -> Generator[Step, object, int]:
        processes = min(self.config.processes, len(self.jobs))
        if processes > 1:
            return predict_in_processes(self.segmenter, self.jobs, self.settings, processes)
        predictions = [
            ImagePrediction[PredictedFile](
                source.name,
                file_steps(self.segmenter, source, target, self.settings, self.writing),
            )
            for source, target in self.jobs
        ]
        return predict_each(predictions)

    def _table(self) -> MeasurementFile:
        path = self.measurements
        if path is None or not self.settings.output.skip_existing:
            return MeasurementFile(path)
        rows = earlier_rows(path, {source.name for source, _ in self.jobs})
        if missing := len(set(self.skipped) - {str(row["image"]) for row in rows}):
            warnings.warn(
                f"{missing} of the skipped images have no measurements in {path.name}: overwrite "
                "the results to measure all.",
                UserWarning,
                stacklevel=3,
            )
        return MeasurementFile(path, rows)


def predict_files(
    segmenter: "Segmenter",
    images: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    tile: TileConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    objects: ObjectConfig | None = None,
    refine: RefineConfig | None = None,
    config: PredictConfig | None = None,
    batch: BatchConfig | None = None,
    cluster: ClusterConfig | None = None,
    probabilities: bool = False,
    suffix: str | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    measurements: AnyPath | None = None,
) -> Generator[Step, object, PredictedFiles]:
    """Predict image files one after the other, and write the results into a folder.

    A generator: ``drain(predict_files(...))`` runs it to its end, ``session(viewer).run(...)`` in
    the background. An image that fails is told by a `Failure` step, and the rest goes on.
    ``send(Finish())``, a command of `napari_segkit.steps`, ends it; what is written stays.

    Parameters
    ----------
    segmenter : Segmenter
        Holds the trained model.
    images : path or sequence of paths
        Image files, folders with their sub-folders, patterns such as ``"plate/*/*.tif"``, or a CSV
        list with the column images.
    out : path
        Folder of the results. Sub-folders of a folder of images are made there, too, and labels
        have the name of their image. For a single image also a file.
    tile, axes, spacing, objects, refine, config
        As in `Segmenter.predict` and `Segmenter.predict_objects`.
    batch : BatchConfig, optional
        How many files are predicted at the same time.
    cluster : ClusterConfig, optional
        The Dask cluster that predicts each image. None: this machine.
    probabilities : bool
        Also write probabilities, into a folder next to the labels.
    suffix : str, optional
        Format, such as "png" or "zarr". None: "nii.gz" for medical volumes, "tif" for others.
    overwrite : bool
        Replace files that exist. Otherwise an image whose results exist is an error.
    skip_existing : bool
        Leave out images whose results are there.
    measurements : path, optional
        CSV file with a row for each image, those that a person should look at first: what failed,
        then by the worse of the ranks in "uncertainty_mean", the mean uncertainty (entropy unless
        `config` asks for another one), and "intensity_distance", how far the 1st and 99th
        percentile of the intensities are from those of the training images, where 1 is the contrast
        of these. Then areas or volumes of each class in world units, and numbers of its objects or
        connected components; of a time series means over the frames.

    Yields
    ------
    Step
        Progress; an `ImageResult` for each image that is written.

    Returns
    -------
    PredictedFiles
        What was written, what failed, what was skipped, and the measurements.

    Raises
    ------
    ValueError
        Before any work, if there is no image, or the results would replace one.
    """
    given = [images] if isinstance(images, str | PathLike) else list(images)
    model = segmenter.ready()
    config = as_config("config", config, PredictConfig)
    made = OutputOptions(
        objects=as_config("objects", objects, ObjectConfig),
        probabilities=probabilities,
        uncertainty=config.uncertainty is not None,
        overwrite=overwrite,
        skip_existing=skip_existing,
        may_be_zarr=True,
    )
    files_of = partial(made.files, objects=model.predicts_objects)
    found = say_labels(find_files(given, out))
    found = group_channels(found, model.channels, axes=axes, like=model.axes)
    jobs = plan_files(given, found, out, suffix, files_of)
    refine = segmenter.refine if refine is None else refine
    existing = existing_results(segmenter, refine, config, made) if skip_existing else None
    left, skipped = _without_existing(jobs, existing)
    settings = FileSettings(
        made,
        as_config("tile", tile, TileConfig),
        config,
        refine=refine,
        axes=axes,
        spacing=spacing,
        cluster=as_config("cluster", cluster, ClusterConfig),
        existing=existing,
        is_measured=measurements is not None,
    )
    work = Batch(
        segmenter,
        left,
        settings,
        as_config("batch", batch, BatchConfig),
        [source.name for source, _ in skipped],
        None if measurements is None else as_path("measurements", measurements),
    )
    work.check()
    return (yield from work.steps())


def _without_existing(
    jobs: Sequence[FileJob], existing: ExistingResults | None
) -> tuple[Sequence[FileJob], Sequence[FileJob]]:
    """The jobs whose results are missing, and the others, of which a warning tells."""
    if existing is None:
        return jobs, ()
    left, done = split_existing(jobs, existing)
    if done:
        said = skipped_text(done, len(jobs), existing)
        warnings.warn(" ".join(filter(None, said)), UserWarning, stacklevel=3)
    return left, done


def existing_results(
    segmenter: "Segmenter",
    refine: RefineConfig,
    config: PredictConfig,
    output: OutputOptions,
    asked: Mapping[str, object] | None = None,
) -> ExistingResults:
    """Results of earlier runs, and what their records say if they were made in this way."""
    from napari_segkit.devices import choose
    from napari_segkit.models.precision import used_precision

    model, objects = segmenter.ready(), segmenter.ready().predicts_objects
    precision = used_precision(model.info, config.precision, choose(segmenter.device))
    settings = {
        "model": {"id": model.identity},
        "refine": None if refine == RefineConfig() else to_dict(refine),
        "flips": config.flips,
        "three_axes": config.three_axes,
        "passes": config.passes,
        "precision": precision,
        "resample": config.resample,
        "level": config.level,
        **output.provenance(objects=objects),
        **(asked or {}),
    }
    further: dict[str, Mapping[str, object]] = {
        "uncertainty": {"uncertainty": config.uncertainty},
        "overlays": {"overlay": output.overlay},
    }
    return ExistingResults(partial(output.files, objects=objects), settings, further)
