"""Corrections and accepted parts of predictions become labels."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from napari.layers import Labels, Layer, Shapes

from napari_segkit._qt.layers.label_patches import paste, show_pasted_classes, take_back
from napari_segkit._qt.layers.layer_classes import can_erase
from napari_segkit._qt.layers.result_layers import PART
from napari_segkit._qt.layers.snapshots import shapes_snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.arguments import require_type, require_whole
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.corrections import (
    LabelPatch,
    accepted_inside,
    as_predicted,
    painted_corrections,
    require_fitting,
    shifted,
)
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.regions import Box, Part, Region, as_region
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.corrected_objects import accepted_objects, corrected_objects
from napari_segkit.instances.results import Objects
from napari_segkit.jobs.kept_prediction import KeptPrediction

from .background import call_once
from .runner import Runner
from .task import Task

CLASS_KINDS = ("prediction", "refined", "preview")  # whose values are those of classes
OBJECTS = "objects"  # the kind whose values are ids
NO_PREDICTION = "{} is no prediction of classes or objects: choose one."
NAMES = "TZYX"  # of the axes of labels; they only have to be as many


@dataclass(frozen=True)
class Corrections:
    """What becomes labels, and what the prediction gets back."""

    patches: list[LabelPatch]
    painted: list[LabelPatch]  # on the prediction
    before: list[LabelPatch]  # what was predicted there

    @property
    def pixels(self) -> int:
        """Number of pixels that become labels."""
        return sum(patch.pixels for patch in self.patches)

    @property
    def values(self) -> list[int]:
        """The label values that are given."""
        found = [np.unique(patch.values[patch.mask]) for patch in self.patches]
        return np.unique(np.concatenate(found)).tolist() if found else []


class CorrectionRunner(Runner):
    """Turns corrections of predictions into labels, also while other work runs."""

    def use_corrections(
        self,
        prediction: Labels,
        labels: Labels,
        *,
        unlabelled: int | None = 0,
        region: object = None,
    ) -> Task:
        """Turn what was painted on a prediction into labels.

        The pixels that were painted get their new class in the labels, over what these have there;
        of a prediction of objects, those that were painted on are taken whole, each with the id
        that it has in the labels or a free one. The prediction shows again what was predicted, so
        that the next one updates its layer. Each of the two layers takes it back in one step of
        undo.

        Parameters
        ----------
        prediction : napari.layers.Labels
            A layer that `predict` has written, and that was painted on.
        labels : napari.layers.Labels
            Labels of the same image, in memory.
        unlabelled : int or None
            The label value of pixels without a class. Where it was painted on the prediction
            nothing is done.
        region : slices, polygons, napari Shapes layer or mask, optional
            Limits the pixels. None: all.

        Returns
        -------
        Task
            Already running, beside other work. The signal ``task.returned`` sends the
            `Corrections`, with the number of ``pixels`` and their ``values``.

        Raises
        ------
        ValueError
            If it is not known what was predicted, or the layers do not fit each other.
        """
        prediction, labels = _two_labels(prediction, labels, unlabelled)
        if problem := self.no_corrections(prediction):
            raise ValueError(problem)
        _box(prediction, labels)
        within = None if region is None else _region(region, labels)
        objects, kept = self.objects_of(prediction), self.prediction_of(prediction)
        if objects is not None:
            call = partial(_painted_objects, prediction.data, labels, objects, unlabelled, within)
        else:
            assert kept is not None
            call = partial(_painted, prediction.data, kept, unlabelled, within)
        return self._paste(call, prediction, labels, only=None)

    def accept_inside(
        self,
        shapes: object,
        prediction: Labels,
        labels: Labels,
        *,
        unlabelled: int | None = 0,
        region: object = None,
    ) -> Task:
        """Turn a prediction into labels inside some shapes, where there are no labels yet.

        Parameters
        ----------
        shapes : napari.layers.Shapes, polygons, slices or mask
            What is right: rectangles, ellipses and polygons of a Shapes layer; those of a layer of
            two dimensions hold for all slices. Objects are taken whole, if most of one is inside.
        prediction : napari.layers.Labels
            A layer with a prediction, as it is now.
        labels : napari.layers.Labels
            Labels of the same image, in memory. Labelled pixels keep their value.
        unlabelled : int
            The label value of pixels without a class: those that are filled. None is refused.
        region : slices, polygons, napari Shapes layer or mask, optional
            Limits the pixels, for instance to a slice. None: all.

        Returns
        -------
        Task
            As of `use_corrections`.

        Raises
        ------
        ValueError
            If the prediction cannot be used, or the layers do not fit each other.
        """
        prediction, labels = _two_labels(prediction, labels, unlabelled)
        if problem := self.not_acceptable(prediction):
            raise ValueError(problem)
        kept, box = self.prediction_of(prediction), _box(prediction, labels)
        inside = _region(shapes, labels)
        within = None if region is None else _region(region, labels)
        if LayerMetadata.of(prediction).kind == OBJECTS:
            call = partial(_accepted_objects, prediction.data, labels, inside, unlabelled, within)
            return self._paste(call, prediction, labels, only=None)
        known = None if kept is None else kept.predicted
        call = partial(_accepted, prediction.data, labels, box, inside, known, unlabelled, within)
        return self._paste(call, prediction, labels, only=unlabelled)

    def no_corrections(self, prediction: Layer) -> str | None:
        """Why what was painted on a layer is not known, None if it is."""
        kind = LayerMetadata.of(prediction).kind
        if kind not in (*CLASS_KINDS, OBJECTS):
            return NO_PREDICTION.format(prediction.name)
        is_kept = (self.objects_of if kind == OBJECTS else self.prediction_of)(prediction)
        if is_kept is not None and can_erase(prediction):
            return None
        return (
            f"What was predicted for {prediction.name} is not kept, so what was painted on it "
            "cannot be told: predict the image again, or accept it inside shapes."
        )

    def not_acceptable(self, prediction: Layer) -> str | None:
        """Why a layer cannot be accepted, None if it can."""
        record = LayerMetadata.of(prediction)
        if record.kind not in ("", *CLASS_KINDS, OBJECTS):
            return NO_PREDICTION.format(prediction.name)
        is_part = PART in record.provenance and record.kind != OBJECTS
        if is_part and self.prediction_of(prediction) is None:
            return (
                f"{prediction.name} is predicted in part, and where is not known any more: predict "
                "the image again."
            )
        return None

    def _paste(
        self, call: "partial[Corrections]", prediction: Labels, labels: Labels, only: int | None
    ) -> Task:
        """Compute corrections in the background, then paste them."""
        task = Task(call_once(call), writer=_Paster(self, prediction, labels, only))
        task.setObjectName("Corrections")
        task.start()
        return task


class _Paster:
    """Pastes corrections on layers, on the window's thread."""

    def __init__(
        self, runner: Runner, prediction: Labels, labels: Labels, only: int | None
    ) -> None:
        self._runner, self._prediction = runner, prediction
        self._labels, self._only = labels, only

    def prepare(self, result: Corrections) -> None:
        """Check that the labels can hold the values."""
        require_fitting(result.patches, self._labels.data.dtype, self._labels.name)

    def write(self, result: Corrections) -> Labels | None:
        """Paste them, unless the labels are gone."""
        viewer, prediction, labels = self._runner.viewer, self._prediction, self._labels
        if viewer is None or labels not in viewer.layers or not result.patches:
            return None
        paste(labels, result.patches, self._only)
        record = LayerMetadata.of(prediction)
        if record.kind != OBJECTS:
            show_pasted_classes(labels, record.classes, result.values)
        if result.painted:
            take_back(prediction, result.painted, result.before)
        return labels


def _painted(
    prediction: AnyArray, kept: KeptPrediction, unlabelled: int | None, region: Region | None
) -> Corrections:
    """What was painted on a prediction, and what the prediction gets back."""
    predicted, known = kept.labels(), kept.predicted
    assert predicted is not None
    patches = painted_corrections(
        prediction, predicted, known, unlabelled=unlabelled, region=region
    )
    return Corrections(patches, patches, as_predicted(patches, predicted, known))


def _painted_objects(
    prediction: AnyArray,
    labels: Labels,
    objects: Objects,
    unlabelled: int | None,
    region: Region | None,
) -> Corrections:
    """The objects that were painted on, and what the prediction gets back."""
    painted = painted_corrections(prediction, objects.labels, None, unlabelled=None, region=region)
    before = as_predicted(painted, objects.labels, None)
    patches = corrected_objects(prediction, labels.data, painted, before, unlabelled)
    return Corrections(patches, painted, before)


def _accepted_objects(
    prediction: AnyArray,
    labels: Labels,
    inside: Region,
    unlabelled: int | None,
    region: Region | None,
) -> Corrections:
    """The objects that lie inside a region of the labels."""
    patches = accepted_objects(prediction, labels.data, inside, unlabelled)
    if region is not None:
        limited = [p._replace(mask=p.mask & region.within(p.box)) for p in patches]
        patches = [p for p in limited if p.pixels]
    return Corrections(patches, [], [])


def _accepted(
    prediction: AnyArray,
    labels: Labels,
    box: Box,
    inside: Region,
    known: Region | None,
    unlabelled: int | None,
    region: Region | None,
) -> Corrections:
    """A prediction that lies in a box of the labels, inside a region of the labels."""
    within = None if region is None else _part(region, box)
    patches = accepted_inside(
        prediction,
        labels.data[box],
        _part(inside, box),
        known,
        unlabelled=unlabelled,
        region=within,
    )
    return Corrections(shifted(patches, [side.start for side in box]), [], [])


def _part(region: Region, box: Box) -> Region:
    """The pixels of a region in a box, as a region of that box."""
    shape = tuple(side.stop - side.start for side in box)
    if shape == region.shape:
        return region
    whole = tuple(slice(0, n) for n in shape)
    return Region(region.axes, shape, (Part(whole, region.within(box)),))


def _two_labels(
    prediction: Labels, labels: Labels, unlabelled: int | None
) -> tuple[Labels, Labels]:
    """The layers themselves; TypeError or ValueError if they cannot be used."""
    prediction, labels = unwrapped(prediction), unwrapped(labels)
    require_type("prediction", prediction, Labels)
    require_type("labels", labels, Labels)
    if unlabelled is not None:
        require_whole("unlabelled", unlabelled, "one label value")
    if not can_erase(labels):
        raise ValueError(
            f"{labels.name} cannot be painted on: its pixels are not in memory, or painting is off."
        )
    return prediction, labels


def _region(given: object, layer: Labels) -> Region:
    """What is given of the pixels of a layer."""
    given = unwrapped(given)
    if isinstance(given, Shapes):
        given = shapes_snapshot(given)
    shape = layer.data.shape
    return as_region(given, AxesImage(layer.data, NAMES[-len(shape) :]), layer)


def _box(prediction: Labels, labels: Labels) -> Box:
    """The box of the labels that a prediction lies in: all of them, unless it is a preview."""
    shape, whole = prediction.data.shape, labels.data.shape
    is_part = LayerMetadata.of(prediction).kind == "preview" and len(shape) == len(whole)
    start = np.zeros(len(shape), int)
    if is_part:
        start = np.round(labels.world_to_data(prediction.data_to_world(start))).astype(int)
    box = tuple([slice(a, a + n) for a, n in zip(start.tolist(), shape, strict=True)])
    inside = is_part and all(s.start >= 0 and s.stop <= n for s, n in zip(box, whole, strict=True))
    if shape != whole and not inside:
        raise ValueError(
            f"{prediction.name} has the shape {shape}, but {labels.name} has {whole}: give layers "
            "of the same image, at the same level."
        )
    return box
