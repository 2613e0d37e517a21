"""One model or prediction on all images: predicted, timed and evaluated."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from math import nan, prod
from operator import add
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.left_out import NO_LIMITS, Limits
from napari_segkit.evaluation.metric import LabelSource, Metric
from napari_segkit.evaluation.report import LabelPair, Report, evaluate_pairs
from napari_segkit.evaluation.slab_reader import get_labels
from napari_segkit.images.axes_image import SPATIAL, AxesImage, full_resolution
from napari_segkit.images.class_labels import ClassLabels
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.types import AnyArray
from napari_segkit.io.training_files import opened
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Step, map_steps

from .entries import Entry
from .figures import MEGABYTE, Cost
from .preparation import Counted, Preparation

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import Tensor, nn

T = TypeVar("T")
PARTS = 100  # steps of each image, whatever the number of its tiles


@dataclass(frozen=True)
class CompareStep(Step):
    """Progress of a comparison."""

    text: str  # such as "U-Net: image 2 of 3"


@dataclass(frozen=True, eq=False)
class PredictedStep(CompareStep):
    """One of the compared has labelled an image."""

    name: str
    number: int  # of the image
    labels: Any

    is_event: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class _Segments:
    """Ids of segments where their image lies, and the table that names their classes."""

    labels: Any
    table: "DataFrame"


@dataclass(eq=False)
class _Timer:
    """Seconds and pixels of the predictions of one model; the first one prepares it."""

    runs: list[tuple[float, int]] = field(default_factory=list)

    @property
    def seconds_per_megapixel(self) -> float:
        counted = self.runs[1:] or self.runs
        pixels = sum(n for _, n in counted)
        return sum(s for s, _ in counted) / pixels * 1e6 if pixels else nan


def evaluate_entry(
    entry: Entry,
    prepared: Preparation,
    config: EvaluateConfig,
    start: int,
    total: int,
) -> Generator[Step, object, tuple[Report[Metric], Cost]]:
    """The report of one model or prediction on all images, and what it takes."""
    timer, reports, count = _Timer(), [], len(prepared.images)
    for number, counted in enumerate(prepared.images):
        done, text = start + PARTS * number, f"{entry.name}: image {number + 1} of {count}"
        steps = _evaluate_image(entry, counted, config, timer)
        convert = partial(_part_of, done=done, total=total, text=text)
        reports.append((yield from map_steps(steps, convert)))
    for network in _networks(entry):
        network.cpu()  # the next one needs the memory of the device
    return reduce(add, reports), _cost(entry, timer)


def _part_of(step: Step, *, done: int, total: int, text: str) -> CompareStep:
    done += PARTS * step.done // max(1, step.total)
    if isinstance(step, PredictedStep):
        return replace(step, done=done, total=total, text=text)
    return CompareStep(done, total, text)


def _evaluate_image(
    entry: Entry, counted: Counted, config: EvaluateConfig, timer: _Timer
) -> Generator[Step, object, Report[Metric]]:
    case, truth = counted.case, counted.case.open_truth()
    shape = full_resolution(get_labels(truth), "truth").shape
    if entry.segmenter is None:
        prediction, image = opened(entry.predictions[counted.number]), None
    else:
        image = case.open_image(shape)
        prediction = yield from _predict(entry, image, config, timer)
    labels = full_resolution(get_labels(prediction))
    yield PredictedStep(1, 1, "", entry.name, counted.number, labels)
    if counted.view is not None and counted.window is not None:
        counted.view.predictions[entry.name] = counted.window.of(prediction)
    limits = NO_LIMITS if counted.mask is None else Limits(region=~counted.mask)
    pair = LabelPair(
        prediction, truth, case.name, spacing=_spacing(image), group=case.group or None
    )
    return (yield from map_steps(evaluate_pairs([pair], config, limits), lambda _: Step(1, 1)))


def _predict(
    entry: Entry, image: Any, config: EvaluateConfig, timer: _Timer
) -> Generator[Step, object, LabelSource]:
    """Labels with the classes of the model, ids of objects, or segments with their table."""
    assert entry.segmenter is not None
    steps = entry.segmenter.predict_tiles(image, spacing=config.spacing, refine=entry.refine)
    result, seconds = yield from _timed(steps)
    timer.runs.append((seconds, prod(result.labels.shape)))
    metadata = {} if isinstance(image, AxesImage) else dict(getattr(image, "metadata", {}))
    values, classes = _values(result, config.kind)
    labels = ClassLabels(values, classes, entry.name, metadata)
    if config.kind == "panoptic" and result.objects is not None:
        return _Segments(labels, result.objects.table)
    return labels


def _timed(
    steps: Generator[Step, object, T],
) -> Generator[Step, object, tuple[T, float]]:
    """Pass steps on; also return the seconds they took, without the pauses between them."""
    seconds, command = 0.0, None
    with closing(steps):
        while True:
            began = perf_counter()
            try:
                step = steps.send(command)
            except StopIteration as end:
                return end.value, seconds + perf_counter() - began
            seconds += perf_counter() - began
            command = yield step


def _values(result: LabelResult, kind: str) -> tuple[AnyArray, tuple[LabelClass, ...]]:
    """Class values of the pixels, also of objects, with the classes; else ids of objects."""
    if result.objects is None:
        return result.labels, result.classes
    if kind == "semantic":
        return result.objects.class_labels, result.classes
    return result.labels, ()


def _spacing(image: Any) -> tuple[float, ...] | None:
    """Pixel size of an image file along Z Y X; None: that of the truth."""
    if not isinstance(image, AxesImage):
        return None
    return image.spacing[-len(set(image.axes) & set(SPATIAL)) :]


def _cost(entry: Entry, timer: _Timer) -> Cost:
    if entry.segmenter is None:
        return Cost()
    parameters = sum(_parameters(network) for network in _networks(entry))
    size = entry.file.stat().st_size / MEGABYTE if entry.file else nan
    return Cost(timer.seconds_per_megapixel, parameters, size)


def _networks(entry: Entry) -> "list[nn.Module]":
    """Networks of a model, two of a merged one."""
    if entry.segmenter is None:
        return []
    model = entry.segmenter.ready()
    return [each.network for each in (model, model.stuff) if each is not None]


def _parameters(network: "nn.Module") -> int:
    """Trained numbers; those of the pixel classifier are buffers."""
    numbers: list[Tensor] = [*network.parameters()] or [*network.buffers()]
    return sum(each.numel() for each in numbers)
