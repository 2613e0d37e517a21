"""Compare several models or predictions with one truth."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from math import nan, prod
from operator import add
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from napari_segkit.arguments import require_optional
from napari_segkit.config import EvaluateConfig, RefineConfig
from napari_segkit.config._schema import as_config
from napari_segkit.evaluation.metric import LabelSource, Metric
from napari_segkit.evaluation.report import LabelPair, Report, evaluate_pairs
from napari_segkit.evaluation.slab_reader import get_labels, pixel_spacing
from napari_segkit.images.axes_image import SPATIAL, AxesImage, full_resolution
from napari_segkit.images.class_labels import ClassLabels
from napari_segkit.images.classes import LabelClass
from napari_segkit.io.training_files import opened
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Step, drain, map_steps
from napari_segkit.versions import versions

from .cases import Images, Truth, cases_of
from .comparison import Comparison
from .entries import Compared, Entry, entries_of
from .preparation import Counted, Preparation, prepare
from .repeat import Repeat, script_of, settings_of
from .tables import MEGABYTE, Cost
from .unseen import marked

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


def compare(
    compared: Mapping[str, Compared] | Sequence[Compared],
    truth: Truth,
    images: Images | None = None,
    config: EvaluateConfig | None = None,
    *,
    refine: RefineConfig | None = None,
    groups: Sequence[str] | None = None,
    device: str = "auto",
) -> Comparison:
    """Compare several models or predictions with one truth, or with a list of them.

    Pixels that one of the models was trained on, or validated with, count for none of them, as far
    as the models record them; images are recognised by their pixels.

    Parameters
    ----------
    compared : dict or sequence of models and predictions
        A model is a `Segmenter` or the path of a model file. A prediction is one array, layer or
        result of `predict_objects`, or a list of them with one for each truth; or the path of a
        file or folder, whose files are found by the names of the truths. The keys of a dict are
        the names in the table; those of a sequence come from methods, files and layers.
    truth : array-like, napari Labels layer, list of them, path-like or TrainingSet
        As in `evaluate`; or a file, folder or pattern; or a set of images and labels, of which all
        rows with labels are compared, whatever their role.
    images : array-like, napari Image layer, list of them or path-like, optional
        The image of each truth, which models predict. None: there are only predictions, or the
        truth is a TrainingSet.
    config : EvaluateConfig, optional
        Which metrics, of which pixels. None: the defaults, classes pixel by pixel.
    refine : RefineConfig, optional
        Each model is compared twice: without any refinement, and with this one, such as
        ``RefineConfig("crf")``. None: with its own settings.
    groups : sequence of str, optional
        A name for each truth of what it shares with others, such as its subject: intervals and
        tests are then over groups. None: those of the TrainingSet, or each image is its own.
    device : str
        The device for model files, as in `Segmenter`.

    Returns
    -------
    Comparison
        ``.table()``, ``.tests()``, ``.reports`` (name -> report), ``.to_html(file)``.

    Raises
    ------
    ValueError
        If names or numbers of predictions and truths do not fit, a model does not suit the images
        or the metrics, or the models have learned from all that is labelled.

    Examples
    --------
    >>> compare({"small": "small.segkit", "large": "large.segkit"}, "masks/", "images/")
    """
    return drain(
        comparisons(compared, truth, images, config, refine=refine, groups=groups, device=device)
    )


def comparisons(
    compared: Mapping[str, Compared] | Sequence[Compared],
    truth: Truth,
    images: Images | None = None,
    config: EvaluateConfig | None = None,
    *,
    refine: RefineConfig | None = None,
    groups: Sequence[str] | None = None,
    device: str = "auto",
    command: str = "",
) -> Generator[Step, object, Comparison]:
    """Compare model by model and image by image: the generator behind `compare`.

    `command` is the command line that asks for it, for the page; the other arguments as there.
    """
    config = as_config("config", config, EvaluateConfig)
    require_optional("refine", refine, RefineConfig)
    cases = cases_of(truth, images, groups)
    entries = entries_of(compared, cases, config, refine, device)
    models = list(dict.fromkeys(e.segmenter for e in entries if e.segmenter is not None))
    total = PARTS * len(cases) * (len(entries) + 1)
    prepared = yield from map_steps(
        prepare(cases, models, config), lambda s: _step(PARTS * s.done, total, "Reading", s)
    )
    reports: dict[str, Report[Metric]] = {}
    costs: dict[str, Cost] = {}
    for number, entry in enumerate(entries, 1):
        timer, start = _Timer(), PARTS * len(cases) * number
        reports[entry.name] = yield from _evaluate(entry, prepared, timer, start, total)
        costs[entry.name] = _cost(entry, timer)
    return Comparison(
        reports,
        costs,
        prepared.config,
        prepared.views,
        _classes_shown(entries),
        Repeat(
            command,
            script_of(compared, truth, images, config, refine),
            {e.name: settings_of(e.segmenter.ready(), e.refine) for e in entries if e.segmenter},
            versions(),
            _device(entries),
        ),
        prepared.notes,
    )


def _step(done: int, total: int, what: str, step: Step) -> CompareStep:
    return CompareStep(done, total, f"{what}: image {step.done} of {step.total}")


def _evaluate(
    entry: Entry, prepared: Preparation, timer: _Timer, start: int, total: int
) -> Generator[Step, object, Report[Metric]]:
    """The report of one model or prediction on all images."""
    reports, count = [], len(prepared.images)
    for number, counted in enumerate(prepared.images):
        done, text = start + PARTS * number, f"{entry.name}: image {number + 1} of {count}"
        steps = _evaluate_image(entry, counted, prepared.config, timer)
        convert = partial(_part_of, done=done, total=total, text=text)
        reports.append((yield from map_steps(steps, convert)))
    if entry.segmenter is not None:
        entry.segmenter.ready().network.cpu()  # the next one needs the memory of the device
    return reduce(add, reports)


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
    yield PredictedStep(
        0, 1, "", entry.name, counted.number, full_resolution(get_labels(prediction))
    )
    if counted.view is not None and counted.window is not None:
        counted.view.predictions[entry.name] = counted.window.of(prediction)
    own = replace(config, spacing=config.spacing or _spacing(image, truth))
    counting = marked(truth, counted.mask, config.unlabelled)
    pair = LabelPair(prediction, counting, case.name, group=case.group or None)
    return (yield from evaluate_pairs([pair], own))


def _predict(
    entry: Entry, image: Any, config: EvaluateConfig, timer: _Timer
) -> Generator[Step, object, LabelSource]:
    """Labels with the classes of the model, or objects with their table."""
    assert entry.segmenter is not None
    steps = entry.segmenter.predict_tiles(image, spacing=config.spacing, refine=entry.refine)
    result, seconds = yield from _timed(steps)
    timer.runs.append((seconds, prod(result.labels.shape)))
    metadata = {} if isinstance(image, AxesImage) else dict(getattr(image, "metadata", {}))
    labels = ClassLabels(result.labels, _classes(result), entry.name, metadata)
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


def _classes(result: LabelResult) -> tuple[LabelClass, ...]:
    """Classes of label values; of object ids there are none."""
    return result.classes if result.objects is None else ()


def _spacing(image: Any, truth: LabelSource) -> tuple[float, ...]:
    """Pixel size of an image file along Z Y X, or that of the truth's layer."""
    labels = get_labels(truth)
    if not isinstance(image, AxesImage):
        return pixel_spacing(labels, full_resolution(labels, "truth").ndim, None)
    return image.spacing[-len(set(image.axes) & set(SPATIAL)) :]


def _cost(entry: Entry, timer: _Timer) -> Cost:
    if entry.segmenter is None:
        return Cost()
    model = entry.segmenter.ready()
    networks = [m.network for m in (model, model.stuff) if m is not None]
    parameters = sum(_parameters(network) for network in networks)
    size = entry.file.stat().st_size / MEGABYTE if entry.file else nan
    return Cost(timer.seconds_per_megapixel, parameters, size)


def _parameters(network: "nn.Module") -> int:
    """Trained numbers; those of the pixel classifier are buffers."""
    numbers: list[Tensor] = [*network.parameters()] or [*network.buffers()]
    return sum(each.numel() for each in numbers)


def _classes_shown(entries: Sequence[Entry]) -> tuple[LabelClass, ...]:
    """The classes of the first model that predicts classes."""
    models = (e.segmenter.ready() for e in entries if e.segmenter is not None)
    return next((m.classes for m in models if not m.predicts_objects), ())


def _device(entries: Sequence[Entry]) -> str:
    """Where the models predicted; "" if there are none."""
    from napari_segkit.devices import choose, describe

    devices = dict.fromkeys(
        str(choose(e.segmenter.device)) for e in entries if e.segmenter is not None
    )
    return "; ".join(map(describe, devices))
