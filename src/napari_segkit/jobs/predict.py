"""Prediction as a job, and the choice among predicted objects."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from napari_segkit.config import (
    ClusterConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    TileConfig,
)
from napari_segkit.images.types import ImageSource
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Failure, Finish, Finished, Job, Step

if TYPE_CHECKING:
    from napari_segkit.inference.sink import Sink
    from napari_segkit.segmenter import Segmenter

T = TypeVar("T")


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
    cluster: ClusterConfig | None = None,
    sink: "Sink | None" = None,
    out: Path | None = None,
    overwrite: bool = False,
) -> Job[LabelResult]:
    """Predict an image tile by tile, with the arguments of `Segmenter.predict_tiles`.

    `Finish` ends it with what is done.
    """
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
        cluster=cluster,
        sink=sink,
        out=out,
        overwrite=overwrite,
    )
    return Job(f"Predict {getattr(image, 'name', 'image')}", steps, Finish())


PARTS = 1000  # steps of each image, whatever the number of its tiles


def _nothing(_: object) -> None:
    """The result needs no preparation."""


class ImagePrediction(NamedTuple, Generic[T]):
    """One of several predictions; `prepare` is called with its result, where it was made."""

    name: str
    steps: Generator[Step, object, T]
    prepare: Callable[[T], object] = _nothing


@dataclass(frozen=True)
class ImageStep(Step):
    """Progress of one of several predictions."""

    text: str  # such as "Image 2 of 3 (cells), tile 4 of 9"


@dataclass(frozen=True)
class ImageResult(ImageStep):
    """One of several predictions is complete."""

    number: int  # counted from 0
    result: Any  # LabelResult, or what was written of it

    is_event: ClassVar[bool] = True


def predict_each(predictions: Sequence[ImagePrediction[T]]) -> Generator[Step, object, int]:
    """Predict one image after the other; return how many were predicted.

    One that fails is told, and the rest goes on. `Finish` ends it with the tiles that are done, or
    without the image whose part is no result.
    """
    total, predicted = PARTS * len(predictions), 0
    for number, prediction in enumerate(predictions):
        done, is_finishing = PARTS * (number + 1), False
        try:
            result, is_finishing = yield from _predict_image(prediction, number, len(predictions))
            prediction.prepare(result)
            yield ImageResult(done, total, f"{prediction.name} is predicted", number, result)
            predicted += 1
        except Finished:
            break
        except (Exception, SystemExit) as error:  # noqa: BLE001  the others do not depend on it
            yield Failure(done, total, error, prediction.name)
        if is_finishing:
            break
    return predicted


def _predict_image(
    prediction: ImagePrediction[T], number: int, count: int
) -> Generator[Step, object, tuple[T, bool]]:
    """Predict one of several images; also return whether the work is to end now."""
    command, is_finishing = None, False
    with closing(prediction.steps) as steps:
        while True:
            try:
                step = steps.send(command)
            except StopIteration as end:
                return end.value, is_finishing
            command = yield _image_step(step, number, prediction.name, count)
            is_finishing = is_finishing or isinstance(command, Finish)


def _image_step(step: Step, number: int, name: str, count: int) -> Step:
    if isinstance(step, Failure):
        return replace(step, part=name)
    done = PARTS * number + PARTS * step.done // max(step.total, 1)
    image = name if count == 1 else f"Image {number + 1} of {count} ({name})"
    text = f"{image}, tile {step.done} of {step.total}"
    return ImageStep(done, PARTS * count, text)


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
