"""The Train dock."""

from dataclasses import replace
from typing import TYPE_CHECKING

from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.compat import isalive

from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit._qt.live.live_box import LiveBox
from napari_segkit._qt.live.live_training import LiveData, LiveTraining, watched_rows
from napari_segkit._qt.session.interrupted import FoundTraining, kept, new_spare
from napari_segkit._qt.session.training_rows import label_snapshots, snapshots_of
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.device_line import DeviceLine
from napari_segkit._qt.widgets.dock import Dock, Note, show_row, validation_error
from napari_segkit._qt.widgets.gui_messages import SMALLER_TILES
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.model_estimate import large_image
from napari_segkit._qt.widgets.model_summary import title, training_summary
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.config import TrainConfig
from napari_segkit.config._schema import to_python
from napari_segkit.images.axes_image import AxesImage, as_image, without_pixels
from napari_segkit.models import model_info
from napari_segkit.segmenter import Segmenter, Start
from napari_segkit.steps import Finish, Job, Step
from napari_segkit.suggestion.suggest import Suggestion
from napari_segkit.training.events import TrainStep, ValidationStep
from napari_segkit.training.validation_history import validations_of
from napari_segkit.training_set import TrainingRow, TrainingSet

from .annotation_panel import AnnotationPanel
from .corrections_row import CorrectionsRow
from .cross_validation_box import CrossValidationBox
from .data_pictures import Data, augmentation_button, pairs_button
from .memory_line import MemoryLine
from .model_check import ModelCheck
from .next_place import NextPlace
from .predict_button import PredictButton
from .random_weights_button import RandomWeightsButton
from .start_choice import StartChoice
from .step_text import describe_end, describe_step
from .suggest_box import SuggestBox
from .train_form import TrainForm
from .training_offer import TrainingOffer
from .training_record import recorded
from .training_set_panel import TrainingSetPanel, train_set
from .training_view import TrainingView

if TYPE_CHECKING:
    from napari_segkit._qt.session.spare_models import SpareFile
    from napari_segkit.trained_model import TrainedModel

IMAGE = "The image to train on."
LABELS = "The Labels layer with your annotation of the image."
TRAIN = "Train the current model on these labels. Press again to stop and keep the model."


class TrainDock(Dock):
    """Train the session's model on an image and the labels painted on it."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.data = ImageAndLabels(self.session, self)
        self.annotation_panel = panel = AnnotationPanel(self.session, self.data, self)
        self.annotation, self.classes = panel.annotation, panel.classes
        self.label_stats = panel.label_stats
        self.training_set = TrainingSetPanel(self.session, self.data, panel)
        self.corrections = CorrectionsRow(self.session, self.data, panel)
        images = self.training_set.next_image
        self.next_place = NextPlace(self.session, self.data, panel, images)
        self.form = TrainForm(self.session)
        self.start = StartChoice(self.session)
        self.offer = TrainingOffer(self.session, self.resume)
        self.device, self.memory = DeviceLine(), MemoryLine(self.session)
        self.predict_button = PredictButton(self.session)
        self.random_button = RandomWeightsButton(self.session)
        self.bar = RunBar(
            self.session, "Train", tooltip=TRAIN, code=self.code, lower=SMALLER_TILES, pausable=True
        )
        self.live = LiveBox(self.session)
        self.folds = CrossValidationBox(self.session, self._data, self._cross_validation_code)
        self.suggestion = SuggestBox(self.session, self._data, self._use_suggestion)
        self.next_place.model = self._newest_model
        self.view = TrainingView(self.session)
        self.curve = self.view.loss
        self.pairs = pairs_button(self._data)
        self.augmentation = augmentation_button(self._data)
        self.model = Note(rich=True)
        self.check = ModelCheck(self.session, self)
        self._last: TrainStep | None = None
        self._config = self.session.config  # of the training
        self._spare: SpareFile | None = None  # its state
        self._lay_out()
        self._connect()
        self._on_segmenter()

    def config(self) -> TrainConfig:
        """All training options of the dock; ValueError if they are inconsistent."""
        return replace(self.form.value, **self.label_stats.semantics.value)

    def set_config(self, config: TrainConfig) -> None:
        self.form.value = config
        self.label_stats.semantics.set_value(config.unlabelled, config.labels_are)

    def _use_suggestion(self, found: Suggestion) -> None:
        """Set a model and settings that were suggested; a trained model stays until it is trained.

        What labels mean comes last: another kind of model brings back what was chosen for it.
        """
        segmenter = self.session.segmenter
        if segmenter.spec != found.spec:
            segmenter.spec = found.spec
            self.session.segmenter_changed.emit()
        self.set_config(found.config)

    def resume(self) -> None:
        """Go on with the training that an earlier window has left."""
        missing = self._missing_data()
        if missing is not None:
            self.bar.show_status(missing)
        elif (found := self.session.interrupted.take()) is not None:
            self._resume(found)

    def _resume(self, found: FoundTraining) -> None:
        """Go on with a training that did not end, with its model and settings."""
        segmenter, previous = self.session.segmenter, self.session.segmenter.trained
        if found.spec != segmenter.spec:
            segmenter = Segmenter.of_state(found.spare.path, device=segmenter.device)
            segmenter.previous = previous
            self.session.segmenter = segmenter
        if found.config.is_endless:
            self._train_live(found=found)
        else:
            self.set_config(found.config)
            self._train(found)

    def train(self) -> None:
        """Train on copies of the layers, from what was chosen to start from."""
        if self._missing_data() is not None:
            return
        if self.start.value == "stopped" and (stopped := self.session.interrupted.take_stopped()):
            self._resume(stopped)
        else:
            self._train()

    def _train(self, found: FoundTraining | None = None) -> None:
        """Train, or go on with a training that did not end."""
        start = self.start.start if found is None else None
        self._begin(self.config(), start=start, found=found)

    def _train_live(
        self, earlier: LiveTraining | None = None, found: FoundTraining | None = None
    ) -> None:
        """Train while labels are painted, perhaps with what an earlier such training learned."""
        image, labels, axes = self.data.layers
        missing = self._missing_data() or self.data.missing()
        if missing is not None or image is None or labels is None or axes is None:
            self.live.status.setText(missing or "")
            return
        if found is None:
            start = self.start.start if earlier is None else earlier.start
            copies = self._begin(self.config().live(), start=start)
        else:
            copies = self._begin(found.config, start=None, found=found)
        rows = watched_rows(self.session.viewer, copies)
        self.live.follow(LiveData(image, labels, axes, rows), earlier)

    def _begin(
        self,
        config: TrainConfig,
        *,
        start: Start | None,
        found: FoundTraining | None = None,
    ) -> TrainingSet:
        """Begin a training; gives what it is trained on."""
        self.classes.pin_colors()
        copies, axes = self._copies()
        steps = train_set(
            self.session.segmenter,
            copies,
            config if found is None else None,
            axes=axes,
            resume=None if found is None else found.spare.path,
            start=start,
        )
        self.session.interrupted.forget_stopped()
        self._last, self._config, self._spare = None, config, None
        trained_on = [row.image for row in copies.with_role("train")]
        images = [image if isinstance(image, Snapshot) else None for image in trained_on]
        self.view.start(images, axes, self.classes.classes)
        steps = recorded(self.session, label_snapshots(copies), steps)
        is_quick = model_info(self.session.segmenter.spec.name).training == "pixels"
        if not is_quick:
            self._spare = new_spare() if found is None else found.spare
            steps = kept(steps, self._spare)
        self.settings.set_open(False)  # room for the curve
        finish = Finish() if config.is_endless else None
        self.bar.run(Job(f"Train on {self._data_name()}", steps, finish))
        return copies

    def _copies(self) -> tuple[TrainingSet, str | None]:
        """What is trained on, and its axes unless each image has its own."""
        if self.training_set.is_used:
            return snapshots_of(self.session, self.session.training_set), None
        image, labels, axes = self.data.layers
        object_classes = self.annotation.class_layer()
        row = TrainingRow(
            snapshot(image),
            snapshot(labels),
            object_classes=None if object_classes is None else snapshot(object_classes),
            regions=self.annotation.outlines(labels),
        )
        return TrainingSet([row]), axes

    def _image(self) -> AxesImage | None:
        """An image as large as those that are trained on, or larger, without its pixels."""
        image, _, axes = self.data.layers
        if self.training_set.is_used:
            return large_image(len(self.training_set.axes()))
        return None if image is None else without_pixels(as_image(image, axes))

    def _data_name(self) -> str:
        is_set, labels = self.training_set.is_used, self.data.labels.value
        return self.training_set.count_text() if is_set or labels is None else labels.name

    def code(self) -> str:
        """Python code for the same training."""
        start = python_snippets.keywords(start=self.start.start)
        axes = python_snippets.keywords(axes=self.data.axes.value)
        config = to_python(self.config())
        arguments = f"{self.data.code()}, {config}{axes}{start}{self.annotation.code()}"
        if self.training_set.is_used:
            arguments = f"session(viewer).training_set, config={config}{start}"
        steps = f"session(viewer).segmenter.train_epochs({arguments})"
        return python_snippets.with_import(f"session(viewer).run({steps}, title='Train')")

    def _cross_validation_code(self, folds: str) -> str:
        """Python code for a cross-validation."""
        config, axes = to_python(self.config()), ""
        training_set = "session(viewer).training_set"
        if not self.training_set.is_used:
            row = f"TrainingRow({self.data.code()}{self.annotation.code()})"
            training_set = f"TrainingSet([{row}])"
            axes = python_snippets.keywords(axes=self.data.axes.value)
        steps = (
            f"cross_validations(session(viewer).segmenter.spec, {training_set}, {config}, {folds}"
            f"{axes})"
        )
        return python_snippets.with_import(f"session(viewer).run({steps}, title='Cross-validate')")

    def _lay_out(self) -> None:
        self.groups.insertWidget(0, self.offer)  # in view whatever is closed
        self.data.image.tooltip = IMAGE
        self.data.labels.tooltip = LABELS
        self.add_group(
            "Image and labels",
            image=self.data.follower,
            axes=self.data.axes,
            labels=self.data.labels,
            _place=self.data.place,
            _new=self.data.new_button,
        )
        self.groups.insertWidget(self.groups.count() - 1, self.training_set)
        self.training_set.content().layout().addWidget(self.pairs)
        self.training_set.take_drops_on(self)
        self.add_group("Suggestion", _box=self.suggestion)
        self.annotation_panel.group = self.add_group("Classes", **self.annotation_panel.rows())
        self.add_group("Corrections", opened=False, _row=self.corrections)
        self.settings = self.add_group(
            "Training",
            opened=False,
            model=self.model,
            start_from=self.start,
            _form=self.form,
            device=self.device,
            _memory=self.memory,
        )
        self.form.augment.native.layout().addWidget(self.augmentation)
        self.add_group("Cross-validation", opened=False, _box=self.folds)
        self.footer.addWidget(self.live)
        self.footer.addWidget(self.next_place)
        self.footer.addWidget(self.bar)
        self.footer.addWidget(self.predict_button)
        self.footer.addWidget(self.label_stats.remedies)
        self.footer.addWidget(self.random_button)
        self.footer.addWidget(self.view)

    def _data(self) -> Data:
        """What a training would read; ValueError if it is not complete."""
        if missing := self._missing_data():
            raise ValueError(missing)
        training_set, axes = self._copies()
        return training_set, self.config(), self.session.segmenter.spec, axes

    def _connect(self) -> None:
        self.annotation_panel.changed.connect(self.state.request)
        self.annotation_panel.message.connect(self.bar.show_status)
        self.data.changed.connect(self._clear_status)
        self.data.changed.connect(self.suggestion.clear)
        self.data.painted.connect(self.suggestion.outdate)
        self.training_set.changed.connect(self.state.request)
        self.form.changed.connect(self.state.request)
        self.check.changed.connect(self.state.request)
        self.random_button.clicked.connect(self._on_pressed)
        self.live.switched_on.connect(self._train_live)
        self.live.ended.connect(self._on_live_ended)
        self.data.changed.connect(self._follow_live)
        self.label_stats.semantics.changed.connect(self._follow_semantics)
        self.session.training_set_changed.connect(self._on_training_set)
        self.session.training_set_changed.connect(self.suggestion.clear)
        self.viewer.events.theme.connect(self._on_theme)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.interrupted.changed.connect(self._show_start)
        self.bar.pressed.connect(self._on_pressed)
        self.bar.yielded.connect(self._on_step)
        self.bar.returned.connect(self._on_trained)
        self.bar.errored.connect(self.random_button.offer)
        self.bar.errored.connect(self.training_set.show_error)
        self.bar.errored.connect(self.session.interrupted.search_again)
        self.bar.stopped.connect(self._on_stopped)
        self.bar.finished.connect(self._on_segmenter)
        self.bar.finished.connect(self.settings.restore)

    def _on_pressed(self) -> None:
        self.train()

    def _on_segmenter(self) -> None:
        segmenter = self.session.segmenter
        self.device.show_device(segmenter.device)
        self.model.setText(
            "<br>".join(filter(None, [title(segmenter), training_summary(segmenter)]))
        )
        self.annotation_panel.follow_model()
        self._show_start()
        self.state.request()
        if not self.bar.is_running:
            trained = segmenter.trained
            validations = [] if trained is None else validations_of(trained)
            self.view.show_history(segmenter.history, validations, segmenter.classes)

    def _show_start(self) -> None:
        """Ask what to start from where there is a choice; also called as the window is closed."""
        if isalive(self.start.native):
            show_row(self.start, len(self.start) > 1)

    def _clear_status(self) -> None:
        """Drop what was said of a training on other labels."""
        if not self.bar.is_running:
            self.bar.show_status("")

    def _on_theme(self, event: Event) -> None:
        if isalive(self):
            self.view.set_theme(event.value)

    def _on_step(self, step: Step) -> None:
        if isinstance(step, ValidationStep):
            self.view.add_validation(step)
            self.next_place.update_state()  # a live training has a model by now
            return
        is_live = self._config.is_endless  # the switch tells where it is
        if not isinstance(step, TrainStep):
            if type(step) is Step and not is_live:  # pixel classifiers first compute features
                self.bar.show_status(f"Step {step.done} of {step.total}")
            return
        self._last = step
        self.view.add_step(step)
        if not is_live:
            self.bar.show_status(describe_step(step, self._config))

    def _on_live_ended(self, live: LiveTraining) -> None:
        """Begin again where the layers or classes have changed; else go on from this model."""
        if live.starts_anew:
            self._train_live(live)
        elif "current" in self.start.choices:
            self.start.value = "current"

    def _newest_model(self) -> "TrainedModel | None":
        """The model of a live training as it is by now, or that of the session."""
        live = self.live.live
        return (live and live.model) or self.session.segmenter.trained

    def _follow_live(self) -> None:
        """Show another image of the training set; an image of its own is trained on anew."""
        live, (image, labels, axes) = self.live.live, self.data.layers
        is_open = live is not None and live.data.image in self.viewer.layers
        if live is None or not is_open:
            return
        if image is live.data.image:
            if not (labels in (None, live.data.labels) or self.training_set.is_used):
                live.restart("Other labels were chosen")
            return
        if image is None or labels is None or axes is None:
            live.stop("The image has changed: Live ends, and the model is kept.")
        elif self.training_set.is_used:
            live.show_image(image, labels, axes)
        else:
            live.restart("The image has changed")

    def _follow_semantics(self) -> None:
        """Train anew where a person says that labels mean something else."""
        live, before = self.live.live, self._config
        is_other = self.label_stats.semantics.value != {
            "unlabelled": before.unlabelled,
            "labels_are": before.labels_are,
        }
        if live is not None and is_other and not self.training_set.is_used:
            live.restart("What the labels mean has changed")

    def _on_training_set(self) -> None:
        if self.live.live is not None:
            self.live.live.restart("The training set has changed")

    def _on_trained(self) -> None:
        self.view.finish()
        if self._config.is_endless:
            after = f" after {self._last.done} steps" if self._last else ""
            self.bar.show_status(f"Live ended{after}. The model is kept.")
            return
        ended = describe_end(self._last, self._config, self.view.validations)
        self.bar.show_status(f"{ended} Apply the model in the Predict dock.")

    def _on_stopped(self) -> None:
        if self.session.segmenter.is_trained:
            self.view.finish()
            self.bar.show_status("Stopped. The model keeps what it has learned so far.")
        if self._spare is not None:
            session = self.session
            session.interrupted.keep_stopped(self._spare, session.segmenter.spec, self._config)

    def _missing_data(self) -> str | None:
        """Why there is nothing to train on, None if there is."""
        return self.training_set.missing() if self.training_set.is_used else self.data.missing()

    def _missing(self) -> str | None:
        """Why training cannot start, None if it can."""
        missing, axes = self._missing_data(), self.data.layers[2] or ""
        if self.training_set.is_used:
            axes = self.training_set.axes()
        else:
            missing = missing or self.annotation_panel.missing()
        if missing is None:
            missing = self.check.problem(axes)
        return missing or validation_error(lambda: self.config().require_end())

    def _update_state(self) -> None:
        missing = self._missing()
        self.bar.set_reason(missing)
        self.live.set_reason(missing)
        self.folds.bar.set_reason(missing)
        self.bar.button.setVisible(not self.live.is_on)
        if missing is None and not self.bar.is_running:
            self.memory.show_training(self._image(), self.config())
        self.pairs.setVisible(self.training_set.is_used)
        on = f" on {self.training_set.count_text()}" if self.training_set.is_used else ""
        self.bar.set_text(f"Train{on}")
        remedies = self.label_stats.remedies
        remedies.setVisible(bool(remedies.offered) and not self.bar.is_running)
