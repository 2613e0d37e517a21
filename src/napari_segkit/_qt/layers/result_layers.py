"""Labels layers for painting, and the writer of results."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from pandas import DataFrame

from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import ClassProbabilities, LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.levels import level_like, levels_of
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.jobs.kept_prediction import checksum
from napari_segkit.label_result import LabelResult

from .layer_classes import read_classes, show_classes
from .layer_registry import LayerRegistry
from .layer_watcher import EditCounter
from .prediction_look import add_prediction, dress
from .probability_layers import follow_prediction
from .result_makers import Maker
from .snapshots import (
    Placement,
    Snapshot,
    at_level,
    header_metadata,
    placement,
    snapshot,
    without_channels,
)
from .uncertainty_layers import show_uncertainty
from .unwrap_proxy import unwrapped

PREDICTION, SUPERPIXELS = "prediction", "superpixels"
PART = "predicted_part"  # key of the provenance of such a layer: a number below 1
PARTIAL = " (partial)"  # ends the name of a layer of which a part is predicted
SUPERPIXEL_OPACITY = 0.4
MAX_PAINTED = 2**28  # pixels of new labels of a pyramid
SUPERPIXEL_COLORS: dict[int | None, str] = {0: "transparent", None: "#ffd92f"}


def new_labels(
    viewer: ViewerModel, image: Image, axes: str | None = None, pixels: AnyArray | None = None
) -> Labels:
    """Add a Labels layer with the transforms and dimensions of an image, without C.

    `pixels` are its labels; None: an empty uint8 layer, of a pyramid on the finest level whose
    labels are not too many.
    """
    source = snapshot(unwrapped(image))
    level = _level_to_paint(source, axes) if pixels is None else level_like(source, pixels.shape)
    axes_image, source = as_image(source, axes, level=level), at_level(source, level)
    data = np.zeros(axes_image.label_shape, np.uint8) if pixels is None else pixels
    transform = placement(source, without_channels(source, axes_image.axes))
    metadata = LayerMetadata(source=source.unique_id).as_metadata() | header_metadata(source)
    name = f"{image.name} labels"
    return unwrapped(viewer).add_labels(data, name=name, metadata=metadata, **transform)


def _level_to_paint(source: Snapshot, axes: str | None) -> int:
    """The finest level with so few labels that they can be held and saved; 0 without levels."""
    count = len(levels_of(source) or (0,))
    images = (as_image(source, axes, level=level) for level in range(count))
    fitting = (level for level, x in enumerate(images) if prod(x.label_shape) <= MAX_PAINTED)
    return next(fitting, count - 1)


class LayerWriter:
    """Writes a result to the layer of the last such result of its source, or to a new layer.

    A layer that was painted on, renamed or copied since is left alone, and so is a layer of another
    model or of other refinement settings; a model that was trained again updates its layer. What is
    predicted in part replaces no whole prediction, and the name of its layer says so. An
    updated layer keeps its mode, and its colours and names of unchanged classes. Results of
    different kinds get different layers. `LayerRegistry.written_note` tells which it was. Make it
    on the window's thread when the work starts.

    Parameters
    ----------
    registry : LayerRegistry
        Of the viewer; a `Session` is one. Gets the objects and probabilities of the result.
    source : Snapshot
        Layer that the result is made from, with its transforms.
    kind : str
        Kind of result, such as "refined"; with objects it becomes "objects" or "panoptic". Only
        a "prediction" replaces the probabilities of the layer.
    name : str, optional
        Name of a new layer. None: the name of the source and the kind.
    colors_of : Labels, optional
        Layer whose class names and colours the result takes over.
    measured : bool
        Whether the features of objects include measurements.
    """

    def __init__(
        self,
        registry: LayerRegistry,
        source: Snapshot,
        kind: str = PREDICTION,
        *,
        name: str | None = None,
        colors_of: Labels | None = None,
        measured: bool = False,
    ) -> None:
        self._registry, self._source = registry, source
        self._kind, self._name = kind, name
        self._colors_of, self._measured = colors_of, measured
        self._prepared: _Prepared | None = None
        viewer = registry.viewer
        self._earlier = [
            _EarlierLayer(viewer, layer)
            for layer in (() if viewer is None else reversed(viewer.layers))
            if LayerMetadata.of(layer).source == source.unique_id and isinstance(layer, Labels)
        ]

    def prepare(self, result: LabelResult) -> None:
        """Read all pixels of the result and of the layer that it may replace; slow.

        Parameters
        ----------
        result : LabelResult
            As `write` will get it.
        """
        kind, labels, table = self._kind, result.labels, None
        if result.objects is not None:
            labels = labels.copy()  # the layer may be painted on, the objects stay
            table = result.objects.measured() if self._measured else result.objects.table
            kind = "panoptic" if "kind" in table else "objects"
        alike = [e for e in self._earlier if e.is_alike(kind, labels.ndim)]
        maker = Maker.of(result.provenance)
        others = [e for e in alike if not maker.may_replace(self._registry, e.maker)]
        part = _predicted_part(result)
        own = [e for e in alike if e not in others and (part == 1 or e.is_partial)]
        earlier = next((e for e in own if e.read()), None)
        first_other = others[-1] if others else None
        self._prepared = _Prepared(
            kind, labels, table, fingerprint(labels), maker, earlier, first_other, part
        )

    def write(self, result: LabelResult) -> Labels | None:
        """Show the result, on the window's thread.

        Parameters
        ----------
        result : LabelResult
            After `prepare`. Its labels have the dimensions of the source without C.

        Returns
        -------
        Labels or None
            The new or updated layer; None if the viewer is closed, or nothing is predicted.
        """
        prepared, self._prepared = self._prepared, None
        if self._registry.viewer is None or prepared is None or prepared.part == 0:
            return None
        before = {id(x) for x in self._registry.viewer.layers}
        layer = self._show(prepared, placement(self._source, self._kept_dimensions(result)))
        is_new = id(layer) not in before
        classes = self._classes(result)
        if prepared.table is None:
            show_classes(layer, classes)
        else:
            layer.features = prepared.table.copy()  # may be edited in napari's table
        provenance = dict(result.provenance)
        if result.objects is not None:
            provenance["objects"] = asdict(result.objects.config)
        if prepared.part < 1:
            provenance[PART] = prepared.part
        LayerMetadata(
            prepared.kind,
            self._source.unique_id,
            layer_identity(layer),
            classes,
            prepared.fingerprint,
            provenance,
        ).store(layer)
        self._keep(layer, result)
        self._registry.keep_written_note(layer, self._note(prepared, layer, is_new=is_new))
        return layer

    def _note(self, prepared: "_Prepared", layer: Labels, *, is_new: bool) -> str:
        """Where the result is, and what became of an earlier one."""
        earlier, other = prepared.earlier, prepared.other
        text = f"Written to the layer {layer.name!r}{_part_text(prepared.part)}"
        if is_new and other is not None:
            same = prepared.maker.is_same_model(self._registry, other.maker)
            made_by = "other settings" if same else "another model"
            text += f"; {other.layer.name!r} stays as that of {made_by}"
        elif not is_new and earlier is not None and earlier.maker.id != prepared.maker.id:
            text += ", in place of that of another training of this model"
        return f"{text}."

    def _show(self, prepared: "_Prepared", transform: Placement) -> Labels:
        """Replace the pixels of the earlier layer, or add a layer."""
        viewer, earlier, kind = self._registry.viewer, prepared.earlier, prepared.kind
        if earlier is not None and earlier.layer in viewer.layers and earlier.is_unchanged():
            earlier.layer.metadata.update(header_metadata(self._source))
            _replace_data(earlier.layer, prepared.labels, transform)
            if prepared.part == 1:
                earlier.layer.name = earlier.layer.name.removesuffix(PARTIAL)
            return earlier.layer
        title = "objects" if prepared.table is not None else kind
        name = self._name or f"{self._source.name} {title}"
        if prepared.other is not None:
            what = prepared.maker.description(self._registry, prepared.other.maker)
            name = f"{name} ({what})"
        if prepared.part < 1:
            name += PARTIAL
        record = LayerMetadata(kind, self._source.unique_id)
        layer = Labels(
            prepared.labels,
            name=name,
            # the docks read it when the layer is added
            metadata=record.as_metadata() | header_metadata(self._source),
            **transform,
        )
        if kind == SUPERPIXELS:
            layer.contour = 1  # keeps the image and painted labels visible
            layer.colormap = DirectLabelColormap(color_dict=SUPERPIXEL_COLORS)
            layer.opacity = SUPERPIXEL_OPACITY
            viewer.layers.append(layer)
        else:
            dress(layer)
            add_prediction(self._registry, layer, select=True)
        return layer

    def _classes(self, result: LabelResult) -> tuple[LabelClass, ...]:
        """The classes of the result, named and coloured as on the layer of `colors_of`."""
        layer, values = self._colors_of, {c.value for c in result.classes}
        if layer is None or layer not in self._registry.viewer.layers:
            return result.classes
        return tuple(c for c in read_classes(layer, values) if c.value in values)

    def _keep(self, layer: Labels, result: LabelResult) -> None:
        """Store the objects and the probabilities of a layer."""
        if result.objects is not None:
            self._registry.keep_objects(layer, result.objects)
        if self._kind != PREDICTION:  # objects that are selected again keep the probabilities
            return
        maps = None
        if result.probabilities is not None:
            maps = ClassProbabilities(result.probabilities, result.classes, result.axes)
        self._registry.keep_probabilities(layer, maps)
        follow_prediction(self._registry.viewer, layer, maps)
        show_uncertainty(self._registry.viewer, layer, result.uncertainty)

    def _kept_dimensions(self, result: LabelResult) -> list[int]:
        """Dimensions of the source that the labels have: all but C."""
        missing = self._source.ndim - result.labels.ndim
        image = result.provenance.get("image")
        if missing and isinstance(image, Mapping):
            return without_channels(self._source, image["axes"])
        return list(range(missing, self._source.ndim))


@dataclass(frozen=True)
class _Prepared:
    """What is computed of a result before it is shown."""

    kind: str
    labels: AnyArray  # become the layer's own array
    table: DataFrame | None  # features, with a row per object
    fingerprint: str
    maker: Maker
    earlier: "_EarlierLayer | None"  # may be updated
    other: "_EarlierLayer | None"  # the first one that something else has made
    part: float  # of the pixels that are predicted


class _EarlierLayer:
    """A layer that a result may replace, unless it is edited."""

    def __init__(self, viewer: ViewerModel, layer: Labels) -> None:
        self.layer = layer
        provenance = LayerMetadata.of(layer).provenance
        self.maker, self.is_partial = Maker.of(provenance), PART in provenance
        self._edits = EditCounter(viewer, layer)
        self._edits_when_read = 0

    def is_alike(self, kind: str, ndim: int) -> bool:
        """Whether it is of this kind, made here and not copied."""
        metadata = LayerMetadata.of(self.layer)
        own = metadata.layer[:1] == (str(self.layer.unique_id),)
        return own and (metadata.kind, self.layer.ndim) == (kind, ndim)

    def read(self) -> bool:
        """Whether it is as it was written; reads all its pixels."""
        self._edits_when_read = self._edits.count
        metadata, layer = LayerMetadata.of(self.layer), self.layer
        same_layer = metadata.layer == layer_identity(layer)
        return same_layer and metadata.fingerprint == fingerprint(layer.data)

    def is_unchanged(self) -> bool:
        """Whether it was neither edited nor renamed since it was read."""
        same_layer = LayerMetadata.of(self.layer).layer == layer_identity(self.layer)
        return same_layer and self._edits.count == self._edits_when_read


def _predicted_part(result: LabelResult) -> float:
    """Which part of the pixels is predicted, or was in the layer it is made of; 1: all."""
    predicted = result.predicted
    if predicted is None:
        return float(result.provenance.get(PART, 1.0))  # type: ignore[arg-type]
    return float(predicted.pixels) / result.labels.size


def _part_text(part: float) -> str:
    """Such as ", of which 12 % is predicted"; nothing of a whole prediction."""
    if part == 1:
        return ""
    percent = "less than 1" if part < 0.01 else str(int(100 * part))
    return f", of which {percent} % is predicted"


def fingerprint(labels: LazyArray) -> str:
    """A short text that changes with any pixel; slow for many pixels."""
    return f"{labels.dtype} {labels.shape} {checksum(labels):08x}"


def layer_identity(layer: Labels) -> tuple[str, str]:
    """What a duplicated or renamed layer does not share."""
    return str(layer.unique_id), layer.name


def _replace_data(layer: Labels, labels: AnyArray, transform: Placement) -> None:
    mode = layer.mode
    layer.data = labels
    for (name, value), before in zip(transform.items(), placement(layer).values(), strict=True):
        if not _equal(before, value):
            setattr(layer, name, value)
    layer.editable = False  # clears the undo history, which holds pixels of the old array
    layer.editable = True
    layer.mode = mode


def _equal(one: object, other: object) -> bool:
    return bool(np.all(one == other))
