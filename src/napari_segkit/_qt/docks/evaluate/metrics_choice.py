"""Choice of metrics and label semantics, with buttons to correct a wrong choice."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit._qt.widgets.question import Answers
from napari_segkit.config import EvaluateConfig, MetricsKind
from napari_segkit.evaluation.same_place import BY_INDEX
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.models import KINDS as MODEL_KINDS

KINDS: dict[MetricsKind, tuple[str, str]] = {
    "semantic": ("Classes, pixel by pixel", "IoU and Dice of each class."),
    "instance": (
        "Objects",
        "Objects are matched by overlap: F1, precision, recall and AP for each IoU threshold.",
    ),
    "panoptic": (
        "Panoptic segments",
        "Panoptic quality (PQ) of each class. The features of both layers need the columns index "
        "(label value), class, and kind (thing or stuff).",
    ),
}
REMEDIES = {
    "semantic": {
        "labels_are='objects'": "Merge all objects into one class",
        "labels_are='classes'": "The label values are classes",
        "kind='instance'": "Compare objects",
        BY_INDEX: "Compare pixel by pixel",
    },
    "instance": {
        "labels_are='classes'": "Each connected component is an object",
        "labels_are='objects'": "Each label value is one object",
        "kind='semantic'": "Compare classes, pixel by pixel",
        BY_INDEX: "Compare pixel by pixel",
    },
    "panoptic": {BY_INDEX: "Compare pixel by pixel"},
}
COLUMNS = {
    "overlap": ("IoU and Dice", "Overlap of each class."),
    "rates": (
        "Precision, recall, specificity",
        "How much of a class is found, of what is predicted is right, of the rest is left alone.",
    ),
    "distances": (
        "Boundary distances",
        "Boundary F1 and surface Dice (within one pixel), mean surface distance (ASSD) and "
        "Hausdorff distance (95 %), in world units. They take longer.",
    ),
    "volumes": ("Volumes", "Area or volume in world units, and its relative error."),
}
COLUMNS_TIP = "<p>Which metrics of classes the table shows.</p>"
KEYWORDS = ("kind", "unlabelled", "labels_are", "by_index", "distances")
NO_OTHERS: Mapping[str, Callable[[], object]] = {}
KIND_TIP = "<p>What to compare. Set from the layers until you choose.</p>"


class MetricsKindChoice(Choice[MetricsKind]):
    """Kind of metrics: suggested by the layers until the user chooses."""

    def __init__(self) -> None:
        kinds = [(text, kind) for kind, (text, _) in KINDS.items()]
        super().__init__(kinds, tooltip=KIND_TIP, tips=[tip for _, tip in KINDS.values()])
        self._layers: list[Layer] = []
        self._chosen: dict[tuple[str, ...], MetricsKind] = {}

    def restore_for(self, *layers: Layer | None) -> None:
        """Show the kind chosen for these layers, or the suggested one."""
        if self.by_hand:
            self._chosen[self._layer_ids()] = self.value
        self._layers = [x for x in layers if x is not None]
        chosen = self._chosen.get(self._layer_ids())
        self.suggest(chosen or suggested_kind(self._layers))
        self.by_hand = chosen is not None

    def update_suggestion(self) -> None:
        if not self.by_hand:
            self.suggest(suggested_kind(self._layers))

    def _layer_ids(self) -> tuple[str, ...]:
        return tuple(str(layer.unique_id) for layer in self._layers)


def suggested_kind(layers: Sequence[Layer]) -> MetricsKind:
    """Suggest a kind from layer metadata and feature columns; the first match decides."""
    for layer in layers:
        kind, features = LayerMetadata.of(layer).kind, layer.features
        if "kind" in features:
            return "panoptic"
        if kind in MODEL_KINDS and MODEL_KINDS[kind].has_objects:
            return MODEL_KINDS[kind].metrics
        if "score" in features:
            return "instance"
    return "semantic"


class MetricsChoice(QObject):
    """Options of an evaluation; a dock lays out the widgets."""

    changed = Signal()
    features_changed = Signal()  # of one of the layers
    remedy_applied = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._feature_events = Listener(self, self._on_features)
        self.kind = MetricsKindChoice()
        self.semantics = LabelSemantics(self, unlabelled=None)
        self.by_index = False  # although the layers do not lie on each other
        self.class_map: dict[int, int] = {}  # of values of the prediction to those of the truth
        texts = [(text, name) for name, (text, _) in COLUMNS.items()]
        self.columns = Choice(texts, tooltip=COLUMNS_TIP, tips=[tip for _, tip in COLUMNS.values()])
        self.remedies = Answers()
        self.columns.changed.connect(self._on_choice)
        self.kind.changed.connect(self._on_choice)
        self.semantics.changed.connect(self._on_choice)

    @property
    def value(self) -> EvaluateConfig:
        kind, semantics = self.kind.value, self.semantics.value
        class_map = {str(value): other for value, other in self.class_map.items()}
        return EvaluateConfig(
            kind,
            semantics["unlabelled"],
            "ask" if kind == "panoptic" else semantics["labels_are"],  # always segment ids
            by_index=self.by_index,
            class_map=class_map if kind == "semantic" else {},
            distances=self.shown == "distances",
        )

    def keywords(self) -> str:
        """The options as Python code, those that differ from the defaults."""
        value, default = self.value, EvaluateConfig()
        values = {name: getattr(value, name) for name in KEYWORDS}
        changed = {n: v for n, v in values.items() if v != getattr(default, n)}
        return python_snippets.keywords(**changed, class_map=value.values_of_truth() or None)

    @property
    def shown(self) -> str:
        """Which columns the table shows."""
        return self.columns.value if self.kind.value == "semantic" else self.kind.value

    def restore_for(self, *layers: Layer | None) -> None:
        """Show the options chosen for these layers, or their defaults."""
        self.by_index, self.class_map = False, {}
        self._feature_events.listen(e for x in layers for e in emitters_of(x, "features"))
        self.kind.restore_for(*layers)
        self.semantics.restore_for(*layers)
        self._on_choice()

    def show_remedies(
        self,
        error: BaseException | None = None,
        others: Mapping[str, Callable[[], object]] = NO_OTHERS,
    ) -> None:
        """Show buttons that correct an error, and `others`; hide them without one."""
        texts = REMEDIES.get(self.kind.value, {})
        proposed = [r for r in getattr(error, "remedies", ()) if r in texts]
        self.remedies.offer({texts[r]: partial(self._apply, r) for r in proposed} | {**others})

    def use_class_map(self, class_map: dict[int, int]) -> None:
        """Take values of the prediction as others of the truth."""
        self.class_map = class_map
        self._on_choice()
        self.remedy_applied.emit()

    def _on_features(self) -> None:
        self.kind.update_suggestion()
        self.features_changed.emit()

    def _on_choice(self) -> None:
        self.show_remedies()
        self.semantics.show_texts(objects=self.kind.value == "instance")
        self.columns.enabled = self.kind.value == "semantic"
        self.semantics.labels_are.enabled = self.kind.value != "panoptic"
        self.changed.emit()

    def _apply(self, remedy: str) -> None:
        self.by_index = self.by_index or remedy == BY_INDEX
        self.semantics.apply(remedy)
        for kind in KINDS:
            if remedy == f"kind={kind!r}":
                self.kind.value = kind
        self.remedy_applied.emit()
