"""What is compared: models and predictions, each with a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from napari_segkit.arguments import given
from napari_segkit.config import EvaluateConfig, RefineConfig
from napari_segkit.evaluation.label_pair import as_labels_list
from napari_segkit.evaluation.metric import LabelSource
from napari_segkit.images.types import is_layer
from napari_segkit.io.filenames import MODEL, AnyPath, shorten, stem
from napari_segkit.io.files import shared_colours
from napari_segkit.io.image_files import find_images
from napari_segkit.io.name_pairs import EVALUATION, pair_names
from napari_segkit.io.training_files import ImageFile, LabelFile
from napari_segkit.models import model_info
from napari_segkit.segmenter import Segmenter

from .cases import Case

Compared: TypeAlias = Segmenter | LabelSource | Sequence[LabelSource] | AnyPath
NO_REFINEMENT = RefineConfig()


@dataclass(frozen=True, eq=False)
class Entry:
    """One of those that are compared: a model, or predictions of all images."""

    name: str
    segmenter: Segmenter | None = None
    refine: RefineConfig | None = None  # of a model; None: its own settings
    predictions: tuple[Any, ...] = ()  # without a model: labels or files, one for each image
    file: Path | None = None  # of the model, or where the predictions are


def entries_of(
    compared: Mapping[str, Compared] | Sequence[Compared],
    cases: Sequence[Case],
    config: EvaluateConfig,
    refine: RefineConfig | None = None,
    device: str = "auto",
) -> list[Entry]:
    """Open and check what is compared; with `refine`, each model twice, without and with it."""
    entries = [_entry(*each, cases, device) for each in _named(compared)]
    for entry in entries:
        _require_suitable(entry, cases, config)
    if refine is None:
        return entries
    if not any(entry.segmenter for entry in entries):
        raise ValueError("refine is for models, and only predictions are given: leave it out.")
    label = refine.method or "clean-up"
    return [each for entry in entries for each in _with_and_without(entry, refine, label)]


def _named(compared: Any) -> list[tuple[str, Any]]:
    """Names and what they name; of a list, files and layers have names of their own."""
    if isinstance(compared, Mapping):
        named = [(str(name), each) for name, each in compared.items()]
    elif isinstance(compared, list | tuple):
        named = [(_name(each, n), each) for n, each in enumerate(compared)]
    else:
        raise TypeError(
            f"What is compared is {given(compared)}: give a dict of names and models or "
            "predictions, or a list of them."
        )
    if not named:
        raise ValueError("There is nothing to compare: give one or more models or predictions.")
    return _distinct(named)


def _distinct(named: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    taken: dict[str, Any] = {}
    for name, each in named:
        numbers = (f"{name} ({n})" for n in range(2, len(named) + 2))
        taken[next(x for x in (name, *numbers) if x not in taken)] = each
    return list(taken.items())


def _name(source: Any, number: int) -> str:
    if isinstance(source, Segmenter):
        return model_info(source.spec.name).title
    if isinstance(source, str | PathLike):
        return stem(Path(source)) or str(source)
    return str(source.name) if is_layer(source) else f"prediction {number + 1}"


def _entry(name: str, source: Any, cases: Sequence[Case], device: str) -> Entry:
    if isinstance(source, Segmenter):
        return Entry(name, source)
    if not isinstance(source, str | PathLike):
        return Entry(name, predictions=_in_memory(name, source, len(cases)))
    file = Path(source)
    if file.suffix.lower() == MODEL:
        return Entry(name, Segmenter.load(file, device=device), file=file)
    return Entry(name, predictions=_of_files(file, cases), file=file)


def _in_memory(name: str, source: Any, count: int) -> tuple[Any, ...]:
    several = as_labels_list(source)
    labels = [source] if several is None else several
    if len(labels) != count:
        raise ValueError(
            f"{name} holds {len(labels)} predictions for {count} truths: give one for each, in "
            "their order."
        )
    return tuple(labels)


def _of_files(place: Path, cases: Sequence[Case]) -> tuple[LabelFile, ...]:
    """The prediction of each truth, found by its name."""
    truths = [case.files for case in cases]
    known = [files for files in truths if files is not None]
    if len(known) < len(cases):
        raise ValueError(
            f"{place} is a file or folder of predictions, and the truth is in memory: give the "
            "truth as files, too."
        )
    found = find_images(place)
    if len(found) == len(known) == 1:
        pairs = [(found[0], known[0])]
    else:
        pairs, _ = pair_names(found, known, EVALUATION)
    prediction_of = {truth.path: prediction for prediction, truth in pairs}
    if missing := [files.name for files in known if files.path not in prediction_of]:
        raise ValueError(
            f"{place} has no prediction for {len(missing)} of {len(known)} truths: "
            f"{shorten(missing)}. Give files of matching names."
        )
    files = [prediction_of[truth.path] for truth in known]
    colours = shared_colours([truth.path for truth in known], [file.path for file in files])
    return tuple(
        LabelFile(file, _place(case), colours) for file, case in zip(files, cases, strict=True)
    )


def _place(case: Case) -> Path:
    """The file in whose orientation labels are compared."""
    file = case.image if isinstance(case.image, ImageFile) else case.truth
    return Path(file.paths[0])


def _require_suitable(entry: Entry, cases: Sequence[Case], config: EvaluateConfig) -> None:
    """Refuse a model without images, or of another kind than the metrics."""
    if entry.segmenter is None:
        return
    if any(case.image is None for case in cases):
        raise ValueError(f"{entry.name} is a model: give images that it can predict.")
    if config.kind != "semantic" and not entry.segmenter.ready().predicts_objects:
        raise ValueError(
            f"{entry.name} predicts classes only, and kind={config.kind!r} compares objects: "
            "compare classes with kind='semantic', or train it with objects='distance'."
        )


def _with_and_without(entry: Entry, refine: RefineConfig, label: str) -> list[Entry]:
    if entry.segmenter is None:
        return [entry]
    named = replace(entry, name=f"{entry.name} + {label}", refine=refine)
    return [replace(entry, refine=NO_REFINEMENT), named]
