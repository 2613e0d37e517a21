"""Maps of where a prediction and its truth differ, with a legend."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import Connectivity, EvaluateConfig, LabelsAre, MetricsKind
from napari_segkit.config._schema import change
from napari_segkit.images.classes import LabelClass, class_names
from napari_segkit.images.types import Labels
from napari_segkit.steps import Step, drain

from .comparable import comparable
from .contingency import VOID, contingency_table
from .kinds import KINDS
from .label_pair import LabelPair, as_pairs
from .left_out import NO_LIMITS, CountedPixels, Limits, TrainedOn
from .metric import THRESHOLDS, LabelSource
from .object_errors import INVENTED, MATCHED, MERGED, MISSED, SPLIT, ObjectErrors
from .panoptic_counts import SegmentTable, read_segments
from .report import NO_CLASS_MAP
from .slab_reader import align_arrays, get_labels, slabs
from .worst_places import ErrorPlace, worst_places

Values: TypeAlias = NDArray[np.uint8]
HIT, FALSE_POSITIVE, FALSE_NEGATIVE, WRONG_CLASS = 1, 2, 3, 4
GREEN, BLUE, ORANGE, YELLOW, PINK = "#009e73", "#56b4e9", "#d55e00", "#f0e442", "#cc79a7"
CLASS_LEGEND = (
    LabelClass(HIT, "hit", GREEN),
    LabelClass(FALSE_POSITIVE, "false positive", ORANGE),
    LabelClass(FALSE_NEGATIVE, "false negative", BLUE),
    LabelClass(WRONG_CLASS, "wrong class", YELLOW),
)
OBJECT_LEGEND = (
    LabelClass(MATCHED, "matched", GREEN),
    LabelClass(MISSED, "missed", BLUE),
    LabelClass(INVENTED, "invented", ORANGE),
    LabelClass(SPLIT, "split", YELLOW),
    LabelClass(MERGED, "merged", PINK),
)


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """Where a prediction and its truth differ.

    Parameters
    ----------
    values : ndarray of uint8
        What the prediction is at each pixel, in the shape of the truth: 0 where nothing is (both
        are background, or the truth is unlabelled), else one of the values of `classes`.
    classes : tuple of LabelClass
        The legend: value, name and colour. Of pixels "hit", "false positive" (only the prediction
        has a class), "false negative" (only the truth has one) and "wrong class". Of objects
        "matched", "missed", "invented", "split" (of a true object, two predicted ones lie in it
        with more than half of their pixels) and "merged" (more than half of each of two true
        objects lies in one predicted object).
    objects : ObjectErrors or None
        What became of each object, for kind="instance"; ``objects.table`` has a row for each.
    """

    values: Values
    classes: tuple[LabelClass, ...]
    objects: ObjectErrors | None = None

    @cached_property
    def pixels(self) -> dict[str, int]:
        """Name of each value of the legend -> its pixels."""
        counts = np.bincount(self.values.ravel(), minlength=len(self.classes) + 1)
        return {c.name: int(counts[c.value]) for c in self.classes}

    def worst_places(self, most: int = 100) -> list[ErrorPlace]:
        """The largest connected errors, largest first, each with its box, value and pixels."""
        return worst_places(self.values, [c.value for c in self.classes[1:]], most)


def error_map(
    prediction: LabelSource,
    truth: LabelSource,
    *,
    kind: MetricsKind = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    connectivity: Connectivity = "full",
    class_map: Mapping[int, int] = NO_CLASS_MAP,
    threshold: float = 0.5,
    by_index: bool = False,
    region: object = None,
    unseen_by: TrainedOn | None = None,
    images: object = None,
) -> ErrorMap:
    """Show where a prediction differs from the truth.

    Parameters
    ----------
    prediction, truth : array-like, napari Labels layer or objects
        As in `evaluate`.
    kind : {"semantic", "instance", "panoptic"}
        "semantic" compares the classes of pixels: the background is the class called so, or 0
        unless that is unlabelled. "instance" tells what became of each object. "panoptic" compares
        the classes of the segments, pixel by pixel.
    unlabelled, labels_are, connectivity, class_map, by_index, region, unseen_by, images
        As in `evaluate`; what does not count there is 0 in the map.
    threshold : float
        Objects match if their IoU is at least this; for kind="instance".

    Returns
    -------
    ErrorMap
        ``.values``, a map with the legend ``.classes``; ``.pixels`` counts each,
        ``.worst_places()`` lists the largest errors, and ``.objects.table`` has a row for each
        object.

    Raises
    ------
    ValueError
        As in `evaluate`.

    Examples
    --------
    >>> errors = error_map(prediction, truth)
    >>> viewer.add_labels(errors.values, colormap={c.value: c.color for c in errors.classes})
    """
    options = {
        "kind": kind,
        "unlabelled": unlabelled,
        "labels_are": labels_are,
        "connectivity": connectivity,
        "class_map": class_map,
        "by_index": by_index,
        "thresholds": (threshold,) if kind == "instance" else None,
    }
    config = change(EvaluateConfig(), options)
    pairs = as_pairs(prediction, truth, images)
    if len(pairs) > 1:
        raise ValueError(f"The lists hold {len(pairs)} images: give one prediction and its truth.")
    return drain(find_errors(pairs[0], config, Limits(region, unseen_by)))


def find_errors(
    pair: LabelPair, config: EvaluateConfig, limits: Limits = NO_LIMITS
) -> Generator[Step, None, ErrorMap]:
    """Map the errors block by block: the generator behind `error_map`."""
    (pair,) = comparable([pair], config)
    blocks = _Blocks(pair, config, limits)
    if config.kind == "instance":
        return (yield from _object_errors(blocks, config.thresholds))
    if config.kind == "panoptic":
        tables = read_segments(pair.prediction, "prediction"), read_segments(pair.truth, "truth")
        paint = partial(paint_segments, *tables)
    else:
        paint = partial(paint_classes, background_of(pair, config), blocks.void)
    values = np.zeros(blocks.shape, np.uint8)
    for done, (core, prediction, truth) in enumerate(blocks, 1):
        values[core] = paint(prediction, truth)
        yield Step(done, len(blocks))
    return ErrorMap(values, CLASS_LEGEND)


def _object_errors(
    blocks: "_Blocks", thresholds: Sequence[float] | None
) -> Generator[Step, None, ErrorMap]:
    """Match the objects of all blocks, then paint them."""
    nothing, total = np.zeros(0, np.int64), 2 * len(blocks)
    shared = contingency_table(nothing, nothing)
    for done, (_, prediction, truth) in enumerate(blocks, 1):
        shared += contingency_table(prediction, truth)
        yield Step(done, total)
    objects = ObjectErrors.of(shared, min(thresholds or THRESHOLDS), len(blocks.shape))
    values = np.zeros(blocks.shape, np.uint8)
    for done, (core, prediction, truth) in enumerate(blocks, len(blocks) + 1):
        values[core] = objects.paint(prediction, truth, core.start)
        yield Step(done, total)
    return ErrorMap(values, OBJECT_LEGEND, objects)


class _Blocks:
    """The blocks of a pair along the first axis, each with its prediction and its truth.

    What does not count is `void` in the truth.
    """

    def __init__(self, pair: LabelPair, config: EvaluateConfig, limits: Limits) -> None:
        prediction, truth = align_arrays(pair.prediction, pair.truth)
        read = KINDS[config.kind].read
        self.shape = tuple(truth.shape)
        self._slabs = slabs(prediction, truth)
        self._truth = read(truth, "truth", config)
        self._prediction = read(prediction, "prediction", config)
        self._pixels = CountedPixels(pair.truth, pair.image, limits)
        self.void = self._pixels.value_for(self._truth.unlabelled)

    def __len__(self) -> int:
        return len(self._slabs)

    def __iter__(self) -> Iterator[tuple[slice, Labels, Labels]]:
        for slab in self._slabs:
            truth = self._pixels.mark(self._truth.read((slab,)), (slab,), self.void)
            yield slab, self._prediction.read((slab,)), truth


def background_of(pair: LabelPair, config: EvaluateConfig) -> int | None:
    """The class of the truth that is called background, or 0 if it is one; else None."""
    same: dict[int, int] = {}
    for source, values in ((pair.truth, same), (pair.prediction, config.values_of_truth())):
        names = class_names(getattr(get_labels(source), "features", None))
        for value, name in names.items():
            if name.lower() == "background" and value != config.unlabelled:
                return values.get(value, value)
    return None if config.unlabelled == 0 else 0


def paint_classes(
    background: int | None, unlabelled: int | None, prediction: Labels, truth: Labels
) -> Values:
    """Compare the class of each pixel."""
    is_right = prediction == truth
    values = np.where(is_right, HIT, WRONG_CLASS).astype(np.uint8)
    if background is not None:
        is_background = truth == background
        values[is_background] = FALSE_POSITIVE
        values[is_background & is_right] = 0
        values[(prediction == background) & ~is_right] = FALSE_NEGATIVE
    if unlabelled is not None:
        values[truth == unlabelled] = 0
    return values


def paint_segments(
    predicted: SegmentTable, true: SegmentTable, prediction: Labels, truth: Labels
) -> Values:
    """Compare the class of the segment at each pixel; what is not annotated is left out."""
    numbers = {"": 0}
    classes = [
        _class_numbers(ids, table, numbers)
        for ids, table in ((prediction, predicted), (truth, true))
    ]
    values = paint_classes(0, None, *classes)
    values[np.isin(truth, [VOID, *true.crowds])] = 0
    return values


def _class_numbers(ids: Labels, table: SegmentTable, numbers: dict[str, int]) -> Labels:
    """A number for the class of each segment, the same for equal names."""
    present, index = np.unique(ids, return_inverse=True)
    of_ids = [
        numbers.setdefault(name, len(numbers))
        for name in table.class_names(present.astype(np.int64))
    ]
    return np.asarray(of_ids)[index].reshape(ids.shape)
