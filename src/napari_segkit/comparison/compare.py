"""Compare several models or predictions with one truth."""

from collections.abc import Container, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from napari_segkit.arguments import require_optional
from napari_segkit.config import EvaluateConfig, RefineConfig
from napari_segkit.config._schema import as_config
from napari_segkit.images.classes import LabelClass
from napari_segkit.io.filenames import shorten
from napari_segkit.steps import Finished, Step, drain, until_finish
from napari_segkit.versions import versions

from .cases import Images, Truth, cases_of
from .comparison import Comparison
from .entries import Compared, Entry, entries_of
from .evaluate_entry import PARTS, CompareStep, evaluate_entry
from .preparation import prepare
from .repeat import Repeat, script_of, settings_of

if TYPE_CHECKING:
    from napari_segkit.evaluation.metric import Metric
    from napari_segkit.evaluation.report import Report

    from .figures import Cost


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
        Which metrics, of which pixels. None: the defaults, classes pixel by pixel, of models that
        predict objects those of their objects.
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

    ``send(Finish())`` ends it with the models and predictions that are complete.

    `command` is the command line that asks for it, for the page; the other arguments as there.
    """
    config = as_config("config", config, EvaluateConfig)
    require_optional("refine", refine, RefineConfig)
    cases = cases_of(truth, images, groups)
    entries = entries_of(compared, cases, config, refine, device)
    models = list(dict.fromkeys(e.segmenter for e in entries if e.segmenter is not None))
    total = PARTS * len(cases) * (len(entries) + 1)
    reading = prepare(cases, models, config.unlabelled)
    reports: dict[str, Report[Metric]] = {}
    costs: dict[str, Cost] = {}
    try:
        prepared = yield from until_finish(reading, lambda step: _read_step(step, total))
        for number, entry in enumerate(entries, 1):
            start = PARTS * len(cases) * number
            evaluating = evaluate_entry(entry, prepared, config, start, total)
            found = yield from until_finish(evaluating, lambda step: step)
            reports[entry.name], costs[entry.name] = found
    except Finished:
        if not reports:
            raise ValueError("Nothing was compared yet when it was ended.") from None
    return Comparison(
        reports,
        costs,
        config,
        prepared.views_of(reports),
        _classes_shown(entries),
        Repeat(
            command,
            script_of(compared, truth, images, config, refine),
            {e.name: settings_of(e.segmenter.ready(), e.refine) for e in entries if e.segmenter},
            versions(),
            _device(entries),
        ),
        (*prepared.notes, *_notes(entries, reports)),
    )


def _read_step(step: Step, total: int) -> CompareStep:
    text = f"Reading: image {step.done} of {step.total}"
    return CompareStep(PARTS * step.done, total, text)


def _notes(entries: Sequence[Entry], compared: Container[str]) -> Iterator[str]:
    """What is missing, and which models may have seen the images."""
    if missing := [e.name for e in entries if e.name not in compared]:
        yield f"Ended early, without {shorten(missing)}."
    models = {e.name: e.segmenter for e in entries if e.name in compared and e.segmenter}
    if silent := [name for name, model in models.items() if not model.records_training]:
        yield (
            f"The metrics may rest on pixels that were trained on, as it is not recorded what "
            f"{shorten(silent)} learned from."
        )


def _classes_shown(entries: Sequence[Entry]) -> tuple[LabelClass, ...]:
    """The classes of the first model."""
    models = (e.segmenter.ready() for e in entries if e.segmenter is not None)
    return next((m.all_classes for m in models), ())


def _device(entries: Sequence[Entry]) -> str:
    """Where the models predicted; "" if there are none."""
    from napari_segkit.devices import choose, describe

    devices = dict.fromkeys(
        str(choose(e.segmenter.device)) for e in entries if e.segmenter is not None
    )
    return "; ".join(map(describe, devices))
