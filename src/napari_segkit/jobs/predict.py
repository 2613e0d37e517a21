"""Prediction as a job, and the choice among predicted objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segkit.config import ObjectConfig, PredictConfig, RefineConfig, TileConfig
from napari_segkit.images.types import ImageSource
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Job

if TYPE_CHECKING:
    from napari_segkit.inference.sink import Sink
    from napari_segkit.segmenter import Segmenter


def predict_job(
    segmenter: "Segmenter",
    image: ImageSource,
    tile: TileConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    objects: ObjectConfig | None = None,
    refine: RefineConfig | None = None,
    config: PredictConfig | None = None,
    probabilities: bool = False,
    region: object = None,
    sink: "Sink | None" = None,
) -> Job[LabelResult]:
    """Predict an image tile by tile, with the arguments of `Segmenter.predict_tiles`."""
    steps = segmenter.predict_tiles(
        image,
        tile,
        axes=axes,
        spacing=spacing,
        objects=objects,
        refine=refine,
        config=config,
        probabilities=probabilities,
        region=region,
        sink=sink,
    )
    return Job(f"Predict {getattr(image, 'name', 'image')}", steps)


@dataclass(frozen=True)
class ObjectSelection:
    """Objects selected from a prediction."""

    result: LabelResult
    before: Objects  # that they were selected from
    kept: int  # single objects, without stuff
    total: int  # predicted by the model

    @property
    def is_new(self) -> bool:
        """Whether others are selected than before."""
        return self.result.objects is not self.before


def select_objects(
    objects: Objects, config: ObjectConfig, prediction: LabelResult
) -> ObjectSelection:
    """Select among the predicted objects again; slow for large images.

    `prediction` gives what stays: axes, classes and provenance.
    """
    selected = objects if config == objects.config else objects.filtered(config)
    everything = replace(config, score=0.0, min_size=0.0, max_size=None, border=True)
    candidates, table = objects.candidates.select(everything), selected.table
    stuff = 0 if candidates.stuff is None else int(candidates.stuff.sum())
    kept = int((table["kind"] != "stuff").sum()) if "kind" in table else len(table)
    result = replace(prediction, labels=selected.labels, objects=selected)
    return ObjectSelection(result, objects, kept, len(candidates.scores) - stuff)
