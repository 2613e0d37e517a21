"""A prediction made of a trained model, an image as a user gives it, and settings."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING

from .arguments import as_path, require_bool, require_optional
from .config import ClusterConfig, ObjectConfig, PredictConfig, TileConfig
from .config._schema import as_config
from .devices import choose
from .freed_memory import keeping_freed_memory
from .images.axes_image import AxesImage, reorient_image
from .images.channel_sources import as_one_image, placed
from .images.channels import say_notes, with_channels
from .images.intensity import Statistics
from .images.notes import say_note
from .images.regions import Region, as_region
from .images.types import is_layer
from .inference import predict_tiles_of
from .inference.request import PredictRequest
from .inference.zarr_sink import ZarrSink, predict_to_zarr
from .io.opened_files import with_file_notes
from .label_result import LabelResult
from .steps import Step
from .trained_model import TrainedModel

if TYPE_CHECKING:
    from .images.types import ImageSource
    from .inference.request import PredictTiles
    from .inference.sink import Sink


def predict_image(
    model: TrainedModel,
    image: "ImageSource",
    tile: TileConfig | None = None,
    *,
    device: str = "auto",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    probabilities: bool = False,
    statistics: Statistics | None = None,
    objects: ObjectConfig | None = None,
    config: PredictConfig | None = None,
    region: object = None,
    cluster: ClusterConfig | None = None,
    sink: "Sink | None" = None,
    out: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Generator[Step, object, LabelResult]:
    """Predict tile by tile, as `Segmenter.predict_tiles` does.

    Parameters
    ----------
    model : TrainedModel
        The model, with the refinement that is wanted.
    image, tile, axes, spacing, probabilities, statistics, objects, config, region, cluster, sink, \
out, overwrite
        As in `Segmenter.predict_tiles`.
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Yields
    ------
    Step
        Progress: a `TileStep` after each batch of tiles, a step after each block of coarse levels.

    Returns
    -------
    LabelResult
        In the orientation of the image.
    """
    tile = as_config("tile", tile, TileConfig)
    objects = as_config("objects", objects, ObjectConfig)
    require_bool("probabilities", probabilities)
    require_optional("statistics", statistics, Statistics)
    config = as_config("config", config, PredictConfig)
    cluster = as_config("cluster", cluster, ClusterConfig)
    require_bool("overwrite", overwrite)
    if sink is not None and out is not None:
        raise ValueError("sink and out were both given: leave one of them out.")
    axes_image = image_for(model, image, axes, spacing, config.level)
    wanted = None if region is None else as_region(region, axes_image, placed(image))
    chosen = choose(device)
    model.to(chosen)
    if out is not None:
        sink = ZarrSink(
            as_path("out", out),
            axes_image,
            keep_probabilities=probabilities,
            overwrite=overwrite,
            objects=objects if model.predicts_objects else None,
        )
    oriented = reorient_image(axes_image, model.orientation)
    request = PredictRequest(
        model,
        oriented,
        tile,
        chosen,
        probabilities=probabilities,
        statistics=statistics,
        objects=objects,
        config=config,
        sink=sink,
        region=wanted and wanted.reoriented(axes_image.orientation, oriented.orientation),
    )
    steps = _predict_tiles(model, cluster)(request)
    if isinstance(sink, ZarrSink):
        result = yield from predict_to_zarr(steps, sink)
    else:
        with keeping_freed_memory():
            predicted = yield from steps
        result = predicted.reoriented(oriented.orientation, axes_image.orientation)
    return _with_region(result, wanted)


def image_for(
    model: TrainedModel,
    image: "ImageSource",
    axes: str | None,
    spacing: Sequence[float] | None = None,
    level: int = 0,
) -> AxesImage:
    """An image with the channels and axes that a model takes.

    Parameters
    ----------
    model : TrainedModel
        The model.
    image : array-like or napari Image layer, or dict or list of them
        As in `Segmenter.predict`.
    axes : str or None
        One letter of "TCZYX" for each dimension. None: as in training.
    spacing : sequence of float, optional
        Pixel size in world units along Z Y X or Y X.
    level : int
        Of a multiscale image.

    Returns
    -------
    AxesImage
        In its own orientation.
    """
    if is_layer(image) and image.__class__.__name__ == "Labels":  # of napari
        say_note(
            f"{image.name} is a Labels layer, whose values are predicted as intensities: give "
            "an Image layer unless this is meant.",
            stacklevel=4,
        )
    named = named_image(model, image, axes, spacing, level)
    said = say_notes(with_file_notes(named, image))
    return with_channels(said, model.channels, model.axes)


def named_image(
    model: TrainedModel,
    image: "ImageSource",
    axes: str | None,
    spacing: Sequence[float] | None = None,
    level: int = 0,
) -> AxesImage:
    """An image with named axes, guessed after those of a model where they are unknown."""
    return as_one_image(
        image,
        axes,
        spacing,
        like=model.axes,
        channels=model.channels,
        names=model.channel_names,
        level=level,
    )


def _predict_tiles(model: TrainedModel, cluster: ClusterConfig) -> "PredictTiles":
    """What predicts tile by tile: this machine, or a cluster."""
    if cluster.scheduler is None:
        return predict_tiles_of(model)
    from .cluster.predict import predict_tiles

    return partial(predict_tiles, config=cluster)


def _with_region(result: LabelResult, region: Region | None) -> LabelResult:
    """Say in the provenance what was asked for, and where there are results if not everywhere."""
    record = dict(result.provenance)
    if region is not None:
        record["region"] = region.to_dict()
    if result.is_partial and result.predicted is not None:
        record["partial"] = result.predicted.to_dict()
    return replace(result, provenance=record)
