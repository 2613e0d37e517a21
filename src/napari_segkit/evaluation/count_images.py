"""Count images slab by slab: a report for each pair of labels."""

from collections.abc import Generator, Mapping, Sequence
from itertools import count
from typing import Any

from napari_segkit.config import EvaluateConfig
from napari_segkit.images.types import LazyArray
from napari_segkit.steps import Step, map_steps

from .class_map import class_map_text, proposed_class_map
from .comparable import comparable
from .kinds import KINDS
from .label_pair import LabelPair
from .left_out import NO_LIMITS, CountedPixels, Limits
from .metric import THRESHOLDS, ImageInfo, Index
from .semantic import ClassConfusion, naming_notes
from .slab_reader import (
    align_arrays,
    pixel_spacing,
    slabs,
    which_are_space,
    with_halo,
)

SAME_NOTE = "Prediction and truth are one and the same array."


def report_images(
    pairs: Sequence[LabelPair], config: EvaluateConfig, limits: Limits = NO_LIMITS
) -> Generator[Step, None, list[Any]]:
    """Compare pairs block by block; a report for each."""
    pairs = comparable(pairs, config)
    arrays = [align_arrays(pair.prediction, pair.truth) for pair in pairs]
    cores = [[(slab,) for slab in slabs(*each)] for each in arrays]
    steps, total, reports = count(1), sum(map(len, cores)), []
    for each in zip(pairs, arrays, cores, strict=True):
        counting = _count_image(*each, config, limits)
        reports.append((yield from map_steps(counting, lambda _: Step(next(steps), total))))
    return reports


def _count_image(
    pair: LabelPair,
    arrays: tuple[LazyArray, LazyArray],
    cores: Sequence[Index],
    config: EvaluateConfig,
    limits: Limits,
) -> Generator[None, None, Any]:
    """Report on one image; yields after each slab, which is read once for all metrics."""
    kind, (prediction, truth), unlabelled = KINDS[config.kind], arrays, config.unlabelled
    read_truth = kind.read(truth, "truth", config)
    read_prediction = kind.read(prediction, "prediction", config)
    pixels = CountedPixels(pair.truth, pair.image, limits)
    void = pixels.value_for(read_truth.unlabelled)
    image = ImageInfo(
        pair.prediction,
        pair.truth,
        *_space(pair, truth.ndim, config),
        void,
        config.thresholds or THRESHOLDS,
        config.tolerance,
        config.values_of_truth(),
    )
    further = kind.extra + kind.distances * config.distances
    main, extra = kind.metric(image), tuple(metric(image) for metric in further)
    halo = max(metric.halo for metric in (main, *extra))
    for core in cores:
        outer, inner = with_halo(core, truth.shape, halo)
        predicted, true = read_prediction.read(outer), read_truth.read(outer)
        true = pixels.mark(true, outer, void)
        pixels.count(true[inner], core, void)
        for metric in (main, *extra):
            part, counted = with_halo(inner, true.shape, metric.halo)
            metric.update(predicted[part], true[part], counted)
        yield
    for metric in (main, *extra):
        metric.finish()
    same = (SAME_NOTE,) if prediction is truth else ()
    place = (f"Compared pixel by pixel, although {pair.apart}",) if pair.apart else ()
    naming = _class_notes(main, pair, image.class_map) if config.kind == "semantic" else ()
    notes = tuple(dict.fromkeys(same + place + naming + read_truth.notes + read_prediction.notes))
    return kind.report(
        main,
        extra,
        unlabelled,
        pair.name,
        notes,
        group=pair.group,
        not_counted=pixels.left_out,
    )


def _space(pair: LabelPair, ndim: int, config: EvaluateConfig) -> tuple[tuple[float, ...], int]:
    """World units between pixels, 1 along axes that are not space, and how many axes are space."""
    spacing = config.spacing or pair.spacing
    is_space = which_are_space(pair.truth, ndim, spacing)
    if config.distances and sorted(is_space) != [*is_space]:
        raise ValueError(
            f"{pair.name or 'The truth'} has a time axis that is not the first one: move it to the "
            "front in both labels to measure boundary distances."
        )
    sizes = pixel_spacing(pair.truth, ndim, spacing)
    known = zip(sizes, is_space, strict=True)
    return tuple(size if in_space else 1.0 for size, in_space in known), sum(is_space)


def _class_notes(
    counted: ClassConfusion, pair: LabelPair, class_map: Mapping[int, int]
) -> tuple[str, ...]:
    """Notes on classes that do not correspond, by their names or values, map or not."""
    proposed = proposed_class_map(counted, pair.prediction, pair.truth)
    others = {value: other for value, other in proposed.items() if value not in class_map}
    note = (f"Perhaps the same: {class_map_text(others)} of the truth (class_map).",)
    naming = () if class_map else naming_notes(pair.prediction, pair.truth)
    return naming + note * bool(others)
