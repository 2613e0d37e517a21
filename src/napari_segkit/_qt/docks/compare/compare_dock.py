"""Dock that compares models and predictions, and trains several methods to compare them."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox
from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_segkit._qt.layers.belonging import rank_of
from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit._qt.session.training_rows import copied_rows
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import Dock
from napari_segkit._qt.widgets.following import follow_image
from napari_segkit._qt.widgets.gui_messages import SMALLER_TILES
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit._qt.widgets.layer_choice import (
    LayerChoice,
    is_prediction,
    is_superpixels,
    is_truth,
)
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.comparison.compare import comparisons
from napari_segkit.comparison.comparison import Comparison
from napari_segkit.comparison.evaluate_entry import PredictedStep
from napari_segkit.comparison.train_and_compare import train_and_compare
from napari_segkit.comparison.trainings import TrainedStep, specs_of
from napari_segkit.config import EvaluateConfig, ModelSpec, RefineConfig, TrainConfig
from napari_segkit.models import predicts_objects
from napari_segkit.steps import Finish, Job, Step
from napari_segkit.training_set import TrainingRow, TrainingSet

from .compared_layers import ComparedLayers
from .compared_list import ComparedList
from .comparison_results import ComparisonResults
from .method_choice import TRAIN_TIP, MethodChoice

KINDS = [("Classes, pixel by pixel", "semantic"), ("Objects", "instance")]
KIND_TIP = "<p>What is compared; objects need models that predict objects.</p>"
PLACES = [("this image", False), ("all of the training set", True)]
PLACE_TIP = (
    "<p>The chosen image with its truth, or all labelled images of the training set. Pixels that "
    "one of the models was trained on count for none of them.</p>"
)
TRUTH_TIP = "<p>Labels layer with the ground truth, or with the labels of the training.</p>"
LABELS_TIP = "<p>Labels to train on, where the Train dock has no training set.</p>"
CRF_TIP = "<p>Compare each model without any refinement, and smoothed by a CRF.</p>"
FILES_TIP = "<p>Add model files to the list.</p>"
COMPARE_TIP = "<p>Predict with each model, and compare all with the truth.</p>"
NO_SET = "No image of the training set is labelled: choose this image instead."
MODELS = "Models (*.segkit)"


class CompareDock(Dock):
    """Compare several models or predictions with one truth, in numbers and in the same view."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.image = LayerChoice(self.viewer, "image")
        self.follower = follow_image(self.session, self.image)
        self.truth = LayerChoice(self.viewer, "labels", rank=self._rank_truth, tooltip=TRUTH_TIP)
        self.place: Choice[bool] = Choice(PLACES, tooltip=PLACE_TIP)
        self.kind: Choice[str] = Choice(KINDS, tooltip=KIND_TIP)
        self.semantics = LabelSemantics(self, unlabelled=None)
        self.compared = ComparedList(self.session)
        self.files_button = QPushButton("Add model files …", toolTip=FILES_TIP)
        self.crf = CheckBox(text="Also with CRF", tooltip=CRF_TIP)
        self.methods = MethodChoice()
        self.labels = LayerChoice(self.viewer, "labels", rank=self._rank_labels, tooltip=LABELS_TIP)
        self.label_semantics = LabelSemantics(self, unlabelled=0)
        self.results = ComparisonResults()
        self.shown = ComparedLayers(self.session, self)
        self.bar = RunBar(
            self.session, "Compare", tooltip=COMPARE_TIP, unit="Part", code=self.code,
            lower=SMALLER_TILES,
        )  # fmt: skip
        self._like: Snapshot | None = None  # the truth, where one image is compared
        self._compared: object = None  # what the results are of
        self._lay_out()
        self._connect()
        self._on_image()

    @property
    def config(self) -> EvaluateConfig:
        """Which metrics, of which pixels."""
        kind: Any = self.kind.value
        return EvaluateConfig(kind=kind, **self.semantics.value)

    def compare(self) -> None:
        """Compare what is ticked in the background."""
        if self._missing() is None:
            truth = self._truth()
            steps = comparisons(
                self.compared.ticked(),
                truth,
                None,
                self.config,
                refine=self._refine(),
                device=self.session.segmenter.device,
            )
            self._begin(truth)
            self.bar.run(Job("Compare", _with_table(steps), Finish()))

    def train_and_compare(self) -> None:
        """Train the ticked methods in the background, and compare them."""
        if (missing := self._missing_training()) is not None:
            self.bar.show_status(missing)
            return
        spec = self.session.segmenter.spec
        objects = spec.objects if predicts_objects(spec) else None
        truth = self._truth()
        steps = train_and_compare(
            specs_of(self.methods.ticked(), ModelSpec(objects=objects)),
            self._training_set(),
            self._training(),
            truth,
            self.config,
            refine=self._refine(),
            device=self.session.segmenter.device,
        )
        self._begin(truth)
        self.bar.run(Job("Train and compare", _with_table(steps), Finish()))

    def code(self) -> str:
        """Python code that does the same as the button."""
        image, truth = (python_snippets.layer(x) for x in (self.image.value, self.truth.value))
        named = ", ".join(f"{name!r}: ..." for name in self.compared.names())
        place = "session(viewer).training_set" if self.place.value else f"{truth}, {image}"
        kind, semantics = self.config.kind, self.semantics.value
        config = python_snippets.keywords(
            kind=None if kind == "semantic" else kind,
            unlabelled=semantics["unlabelled"],
            labels_are=None if semantics["labels_are"] == "ask" else semantics["labels_are"],
        ).removeprefix(", ")
        options = f", config=EvaluateConfig({config})" if config else ""
        refine = ', refine=RefineConfig("crf")' * self.crf.value
        return python_snippets.with_import(
            f"comparison = compare({{{named}}}, {place}{options}{refine})"
        )

    def _begin(self, truth: TrainingSet) -> None:
        self.shown.clear()
        labels = None if self.place.value else truth.rows[0].labels
        self._like = labels if isinstance(labels, Snapshot) else None
        self._compared = self._chosen()

    def _truth(self) -> TrainingSet:
        """Copies of the images with their truths."""
        rows = [self._row(self.truth.value)]
        if self.place.value:
            rows = [row for row in self.session.training_set.rows if row.labels is not None]
        return copied_rows(self.session, rows)

    def _row(self, labels: Layer | None) -> TrainingRow:
        image: Any = self.image.value
        return TrainingRow(image, labels)

    def _chosen(self) -> object:
        """All that a comparison depends on, but the pixels."""
        layers = self.image.value, self.truth.value
        options = self.place.value, self.config, self.crf.value
        return tuple(str(getattr(x, "unique_id", "")) for x in layers), options

    def _training_set(self) -> TrainingSet:
        if len(self.session.training_set):
            return copied_rows(self.session, self.session.training_set.rows)
        return copied_rows(self.session, [self._row(self.labels.value)])

    def _training(self) -> TrainConfig:
        """The Train dock's settings, with the time and the labels that are chosen here."""
        minutes = float(self.methods.minutes.value)
        return replace(
            self.session.config, epochs=None, minutes=minutes, **self.label_semantics.value
        )

    def _refine(self) -> RefineConfig | None:
        return RefineConfig("crf") if self.crf.value else None

    def _rank_truth(self, layer: Layer) -> int | None:
        """Rank as the default truth, lower is better; None: never."""
        if is_superpixels(layer) or not self._is_of_image(layer):
            return None
        return 0 if is_truth(layer) else 2 if is_prediction(layer) else 1

    def _rank_labels(self, layer: Layer) -> int | None:
        """Rank as the labels to train on, lower is better; None: never."""
        if is_superpixels(layer) or is_prediction(layer) or not self._is_of_image(layer):
            return None
        return 1 if is_truth(layer) else 0

    def _is_of_image(self, layer: Layer) -> bool:
        image = self.image.value
        return image is None or rank_of(self.session, layer, image) is not None

    def _lay_out(self) -> None:
        self.add_group(
            "Image and truth",
            images=self.place,
            image=self.follower,
            truth=self.truth,
            kind=self.kind,
            unlabelled=self.semantics.unlabelled,
            labels_are=self.semantics.labels_are,
        )
        self.add_group(
            "Models and predictions", _list=self.compared, _files=self.files_button, _crf=self.crf
        )
        self.add_group(
            "Train and compare",
            opened=False,
            _methods=self.methods,
            minutes_each=self.methods.minutes,
            labels=self.labels,
            unlabelled=self.label_semantics.unlabelled,
            labels_are=self.label_semantics.labels_are,
            _button=self.methods.button,
        )
        self.add_group("Comparison", _results=self.results, show=self.shown.choice)
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.image.changed.connect(self._on_image)
        self.place.changed.connect(self._on_image)
        self.truth.changed.connect(self._on_truth)
        self.labels.changed.connect(self._on_labels)
        layers = self.viewer.layers.events
        layers.inserted.connect(self._on_layers)
        layers.removed.connect(self._on_layers)
        self.session.segmenter_changed.connect(self._on_layers)
        self.session.training_set_changed.connect(self._on_layers)
        for signal in (self.compared.changed, self.methods.changed, self.semantics.changed):
            signal.connect(self.state.request)
        self.kind.changed.connect(self._on_kind)
        self.crf.changed.connect(self.state.request)
        self.files_button.clicked.connect(self._on_files)
        self.methods.button.clicked.connect(self.train_and_compare)
        self.bar.pressed.connect(self.compare)
        self.bar.yielded.connect(self._on_step)
        self.bar.returned.connect(self._on_result)

    def _on_image(self) -> None:
        self.truth.choose_default()
        self.labels.choose_default()
        self._on_layers()

    def _on_truth(self) -> None:
        self.semantics.restore_for(self.truth.value)
        self.state.request()

    def _on_labels(self) -> None:
        self.label_semantics.restore_for(self.labels.value)
        self.state.request()

    def _on_layers(self, _: object = None) -> None:
        self.compared.show_image(self.image.value, predictions=not self.place.value)
        self._on_truth()
        self._on_labels()

    def _on_kind(self) -> None:
        self.semantics.show_texts(objects=self.kind.value == "instance")
        self.state.request()

    def _on_files(self) -> None:
        files = QFileDialog.getOpenFileNames(self, "Add model files", "", MODELS)[0]
        self.compared.add_files([Path(file) for file in files])

    def _on_step(self, step: Step) -> None:
        """Keep a model that was trained, and show a prediction on the canvas."""
        if isinstance(step, TrainedStep):
            self.session.models.add(step.segmenter.ready())
            self.compared.update_list()
        elif isinstance(step, PredictedStep) and self._like is not None:
            self.shown.add(step.name, step.labels, self._like)

    def _on_result(self, comparison: Comparison) -> None:
        self.results.show_comparison(comparison, self.shown.colors)
        self.bar.show_status(f"Compared {len(comparison.reports)}.")
        self.state.request()
        self.scroll_to(self.results)

    def _missing(self) -> str | None:
        """Message if the comparison cannot start."""
        if not self.compared.names():
            return "Nothing is ticked: train a model, predict the image, or add model files."
        return self._missing_truth()

    def _missing_truth(self) -> str | None:
        if self.place.value:
            labelled = [row for row in self.session.training_set.rows if row.labels is not None]
            return (
                None if labelled else "The training set has no labelled image: choose this image."
            )
        if self.image.value is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        if self.truth.value is None:
            return f"No truth of {self.image.value.name}: open it, or choose its labels."
        return None

    def _missing_training(self) -> str | None:
        """Message if the trainings cannot start."""
        if not self.methods.ticked():
            return "No method is ticked: tick those to train."
        if not len(self.session.training_set) and self.labels.value is None:
            return "No labels to train on: choose labels, or fill the Train dock's training set."
        return self._missing_truth()

    def _update_state(self) -> None:
        self.bar.set_reason(self._missing())
        is_free = self.session.task is None
        self.methods.button.setEnabled(is_free and self._missing_training() is None)
        self.methods.button.setToolTip(self._missing_training() or TRAIN_TIP)
        self.results.mark(stale=self._compared != self._chosen())


def _with_table(
    steps: Generator[Step, Any, Comparison],
) -> Generator[Step, Any, Comparison]:
    """Pass steps on; the table is made where they run, as its draws take seconds."""
    comparison = yield from steps
    comparison.table()
    return comparison
