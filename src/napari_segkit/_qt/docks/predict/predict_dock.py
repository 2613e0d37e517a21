"""Dock that predicts an image with the model of the session."""

import weakref
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal

from napari_segkit._qt.layers.belonging import rank_of
from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit._qt.session.followed_view import FollowedView
from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.axes_choice import AxesChoice
from napari_segkit._qt.widgets.device_line import DeviceLine
from napari_segkit._qt.widgets.dock import Dock, Note, show_row, validation_error
from napari_segkit._qt.widgets.following import follow_image
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.gui_messages import SMALLER_TILES, error_text
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.model_summary import summary
from napari_segkit._qt.widgets.refine_form import RefineForm, cleanup_classes, unit_of
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit._qt.widgets.section import Section
from napari_segkit.config import (
    BatchConfig,
    ClusterConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    TileConfig,
)
from napari_segkit.config._schema import to_python
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.channels import may_stand_for
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.model_input import require_model_input
from napari_segkit.jobs.batch.predict_files import PredictedFiles, predict_files
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Finish, Job

from .class_masks import MASKS, MASKS_TIP, ClassMasks
from .files_panel import FilesPanel
from .image_options import ImageOptions
from .network_form import NetworkForm
from .objects_panel import ObjectsPanel, output_kind
from .picture_row import PictureRow
from .probabilities_row import ProbabilitiesRow
from .where import Place, WhereChoice
from .write_to import WriteTo

IMAGE_TIP = "<p>Image layer to predict.</p>"
PREDICT_TIP = (
    "<p>Predict the image and write the result to a Labels layer. Press again to stop: the tiles "
    "that are done are kept, and the next press predicts the rest.</p>"
)
NO_PROBABILITIES = (
    "Where the view is followed, no probabilities are kept: untick Keep probabilities, or predict "
    "what is in view."
)
STOPPED = "Stopped: what is finished is kept beside the folder, and the next press goes on with it."
CLASS_KINDS = ("prediction", "refined")
RESULT_KINDS = (*CLASS_KINDS, "objects", "panoptic")


class PredictDock(Dock):
    """Predict an image with the model of the session."""

    written = Signal(object)  # Labels layer of a prediction, or of newly filtered objects

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.model = Note(rich=True)
        self.image = LayerChoice(self.viewer, "image", tooltip=IMAGE_TIP)
        self.follower = follow_image(self.session, self.image)
        self.where = WhereChoice(self.session)
        self.write_to = WriteTo()
        self.files = FilesPanel()
        self.axes = AxesChoice(self.session.chosen_axes)
        self.options = ImageOptions(self.session)
        self.form = Form(TileConfig)
        self.network = NetworkForm()
        self.cluster = Form(ClusterConfig)
        self.objects = ObjectsPanel(self.session)
        self.masks = ClassMasks(self.session)
        self.masks_section = Section(MASKS, self.masks, MASKS_TIP)
        self.refine = RefineForm()
        self.probabilities = ProbabilitiesRow(self.session)
        self.picture = PictureRow(self.session, self._shown_layers, self.axes.resolved)
        self._model_settings = RefineConfig()
        self.device = DeviceLine()
        self.bar = RunBar(
            self.session,
            "Predict",
            tooltip=PREDICT_TIP,
            unit="Tile",
            code=self.code,
            lower=SMALLER_TILES,
        )
        self._lay_out()
        self._connect()
        self.follower.follow()
        self._on_where()
        self._on_segmenter()
        self._watch_again()

    @property
    def predicts_objects(self) -> bool:
        """Whether the model gives objects instead of classes only."""
        return output_kind(self.session.segmenter).has_objects

    def predict(self) -> None:
        """Predict the chosen image in the background."""
        try:
            task = self._start()
        except ValueError as error:
            self.bar.show_status(error_text(error, "Predict"))
            return
        task.written.connect(self._on_written)
        self.bar.follow(task)

    def _start(self) -> Task:
        if self.where.follows:
            return self._follow_view()
        if self.where.is_files:
            return self._predict_files()
        return self._predict_several() if self.where.is_several else self._predict_image()

    def _follow_view(self) -> Task:
        if self.probabilities.keep.value:
            raise ValueError(NO_PROBABILITIES)
        followed = self.session.follow_view(
            self.options.source,
            self.form.value,
            axes=self.axes.resolved(),
            refine=self.refine_settings(),
            config=self._config(),
        )
        self._watch(followed)
        assert followed.task is not None
        return followed.task

    def _watch(self, followed: FollowedView) -> None:
        """Follow what this or an earlier dock has begun, with other models, too."""
        followed.started.connect(self.bar.follow, Qt.ConnectionType.UniqueConnection)
        followed.refused.connect(self._on_refused, Qt.ConnectionType.UniqueConnection)

    def _watch_again(self) -> None:
        followed = self.session.followed
        if followed is not None and followed.task is not None:
            self.where.place.value = Place.FOLLOW
            self._watch(followed)
            self.bar.follow(followed.task)

    def _on_refused(self, error: ValueError) -> None:
        self._on_message(error_text(error, "Predict"))

    def _predict_files(self) -> Task:
        """Predict files into a folder."""
        steps = predict_files(
            self.session.segmenter,
            self.files.given,
            self.files.folder,
            self.form.value,
            objects=self.objects.config() if self.predicts_objects else None,
            refine=self.refine_settings(),
            config=self._config(),
            batch=self.files.form.value,
            cluster=self.cluster.value,
            probabilities=self.probabilities.keep.value,
            skip_existing=self.files.skip.value,
            measurements=self.files.measurements,
        )
        task = self.session.run(Job("Predict files", steps, Finish()))
        self.files.follow(task)
        return task

    def _predict_image(self) -> Task:
        return self.session.predict(
            self.options.source,
            self.form.value,
            axes=self.axes.resolved(),
            objects=self.objects.config() if self.predicts_objects else None,
            refine=self.refine_settings(),
            config=self._config(),
            probabilities=self.probabilities.keep.value,
            cluster=self.cluster.value,
            region=self._region(),
            out=self.write_to.folder,
            overwrite=self.write_to.overwrite.value,
        )

    def _predict_several(self) -> Task:
        """Predict the selected images."""
        return self.session.predict_layers(
            self.where.images,
            self.form.value,
            axes=self._axes_of_several(),
            objects=self.objects.config() if self.predicts_objects else None,
            refine=self.refine_settings(),
            config=self._config(),
            probabilities=self.probabilities.keep.value,
            cluster=self.cluster.value,
        )

    def _axes_of_several(self) -> list[str | None]:
        """Axes of the selected images; those that are shown hold for the chosen image."""
        chosen, proposed = self.image.value, self.session.chosen_axes.proposed
        return [self.axes.resolved() if x is chosen else proposed(x) for x in self.where.images]

    def _config(self) -> PredictConfig:
        """How the network is applied, to which level, and at which pixel size."""
        config = self.options.config(self.network.value)
        is_one = not (self.where.is_several or self.where.is_files)
        return config if is_one else replace(config, level=0)

    def _region(self) -> object:
        """What is predicted of the image; None: all. ValueError if that is nothing."""
        image, trained = self.options.place, self.session.segmenter.trained
        if image is None:
            return None
        given = as_image(image, self.axes.resolved(), level=self.options.level.value)
        return self.where.region(image, given, trained.ndim if trained else 2)

    def refine_settings(self) -> RefineConfig | None:
        """Refinement settings; None to use those stored with the model."""
        chosen = self.refine.value
        return None if chosen == self._model_settings else chosen

    def code(self) -> str:
        """Python code that does the same as the button."""
        if self.where.is_files:
            return self._files_code()
        several, follows = self.where.is_several, self.where.follows
        images = [python_snippets.layer(x) for x in self.where.images]
        image = f"[{', '.join(images)}]" if several else self.options.code()
        arguments = f"{image}, {to_python(self.form.value)}"
        if several:
            arguments += python_snippets.keywords(axes=self._axes_of_several())
        else:
            arguments += python_snippets.keywords(axes=self.axes.value)
            arguments += self._region_code()
            arguments += self.write_to.code() * self.where.is_one_result
        arguments += self._settings_code()
        arguments += ", probabilities=True" * (self.probabilities.keep.value and not follows)
        verb = "follow_view" if follows else "predict_layers" if several else "predict"
        return python_snippets.with_import(f"session(viewer).{verb}({arguments})")

    def _files_code(self) -> str:
        """Python code that predicts the files."""
        files = self.files
        images = files.given[0] if len(files.given) == 1 else files.given
        arguments = f"session(viewer).segmenter, {images!r}, {files.folder!r}"
        arguments += f", {to_python(self.form.value)}{self._settings_code()}"
        if (batch := files.form.value) != BatchConfig():
            arguments += f", batch={to_python(batch)}"
        arguments += ", probabilities=True" * self.probabilities.keep.value
        arguments += ", skip_existing=True" * files.skip.value
        if files.measurements is not None:
            arguments += f", measurements={str(files.measurements)!r}"
        return python_snippets.with_import(f"session(viewer).run(predict_files({arguments}))")

    def _settings_code(self) -> str:
        """Arguments of objects, refinement and network where they are not the model's."""
        arguments, objects = "", self.objects.form.value
        if self.predicts_objects and not self.where.follows and objects != ObjectConfig():
            arguments += f", objects={to_python(objects)}"
        if (settings := self.refine_settings()) is not None:
            arguments += f", refine={to_python(settings)}"
        if (config := self._config()) != PredictConfig():
            arguments += f", config={to_python(config)}"
        if self.cluster.value != ClusterConfig() and not self.where.follows:
            arguments += f", cluster={to_python(self.cluster.value)}"
        return arguments

    def _region_code(self) -> str:
        region = self._region()
        if isinstance(region, Layer):
            return f", region={python_snippets.layer(region)}"
        return python_snippets.keywords(region=region)

    def _lay_out(self) -> None:
        self.add_group("Model", _model=self.model)
        self.add_group(
            "Image",
            image=self.follower,
            axes=self.axes,
            where=self.where,
            write_to=self.write_to,
            _files=self.files,
            _options=self.options,
        )
        self.group = self.add_group("Objects", _objects=self.objects)
        self.add_group("Refine", _form=self.refine, _probabilities=self.probabilities)
        self.add_group("Tiles", opened=False, _form=self.form, device=self.device)
        self.add_group("Network", opened=False, _form=self.network)
        self.add_group("Cluster", opened=False, _form=self.cluster)
        self.result = self.add_group("Result", _masks=self.masks_section)
        self.add_group("Picture", opened=False, _row=self.picture)
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.image.changed.connect(self._on_image)
        self.image.changed.connect(lambda: self._on_message(""))
        self.axes.changed.connect(self._on_axes)
        self.where.changed.connect(self._on_where)
        self.write_to.changed.connect(self.state.request)
        self.files.changed.connect(self.state.request)
        self.options.changed.connect(self.state.request)
        self.form.changed.connect(self.state.request)
        self.network.changed.connect(self.state.request)
        self.cluster.changed.connect(self.state.request)
        self.objects.changed.connect(self.state.request)
        self.objects.message.connect(self._on_message)
        self.refine.changed.connect(self.state.request)
        self.probabilities.message.connect(self._on_message)
        self.picture.message.connect(self._on_message)
        self.objects.written.connect(self.written)
        self.masks.written.connect(self._show_written)  # they are for other programs
        self.masks.failed.connect(self._on_message)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.bar.pressed.connect(self.predict)
        self.bar.returned.connect(self._on_returned)

    def _on_image(self) -> None:
        trained = self.session.segmenter.trained
        like, channels = (trained.axes, trained.channels) if trained else (None, None)
        self.axes.set_image(self.image.value, like=like, channels=channels)
        self._show_model_settings()
        self._on_axes()

    def _on_axes(self) -> None:
        model = self.session.segmenter.trained
        self.options.show_image(self.image.value, self.axes.resolved(), model)
        self.state.request()

    def _on_where(self) -> None:
        for row in (self.follower, self.axes):
            show_row(row, not self.where.is_files)
        show_row(self.write_to, self.where.is_one_result)
        self.files.setVisible(self.where.is_files)
        self.options.setVisible(not self.where.is_files)
        self.options.of_one.setVisible(not self.where.is_several)
        self.state.request()

    def _on_segmenter(self) -> None:
        self.device.show_device(self.session.segmenter.device)
        self.model.setText(summary(self.session.segmenter))
        self.objects.set_segmenter(self.session.segmenter)
        self.group.setVisible(self.predicts_objects)
        self.result.setVisible(not self.predicts_objects)
        self._on_image()

    def _show_model_settings(self) -> None:
        """Show the refinement settings of another model."""
        segmenter, image = self.session.segmenter, self.image.value
        self.refine.clean.set_classes(cleanup_classes(segmenter), unit_of(image))
        if segmenter.refine != self._model_settings:
            self._model_settings = segmenter.refine
            self.refine.value = self._model_settings

    def _on_returned(self, result: object) -> None:
        if isinstance(result, int):
            self.bar.show_status(f"{result} of the selected images are predicted.")
        if isinstance(result, PredictedFiles):
            self.bar.show_status(self.files.summary(result))
        if isinstance(result, LabelResult):
            self._tell_of_stop(result)

    def _tell_of_stop(self, result: LabelResult) -> None:
        if result.is_partial and not isinstance(result.labels, np.ndarray):
            self.bar.show_status(STOPPED)
        elif result.predicted is not None and not result.predicted.pixels:
            self.bar.show_status("Stopped before any part of the image was complete.")

    def _on_written(self, layer: Labels) -> None:
        self._show_written(layer)
        self.written.emit(layer)

    def _show_written(self, layer: Labels) -> None:
        self.bar.show_status(self.session.written_note(layer))
        self.state.request()

    def _on_layer_removed(self) -> None:
        if isalive(self):
            self.state.request()
        super()._on_layer_removed()

    def _on_message(self, text: str) -> None:
        if not self.bar.is_running:
            self.bar.show_status(text)

    def _missing(self) -> str | None:
        """Message if prediction cannot start."""
        if not self.session.segmenter.can_predict:
            return "Train or load a model first."
        problem = self.files.problem if self.where.is_files else self._image_problem()
        problem = problem or self.form.problem or self.refine.problem or self.cluster.problem
        problem = problem or self.network.problem_with(self.session.segmenter.trained)
        return problem or (self.objects.problem if self.predicts_objects else None)

    def _image_problem(self) -> str | None:
        """Why the chosen layers cannot be predicted."""
        if self.image.value is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        if self.where.is_several:
            return None
        problem = self.write_to.problem if self.where.is_one_result else None
        problem = self.axes.problem or self.options.problem or problem
        return problem or self._mismatch(self.image.value)

    def _mismatch(self, image: Image) -> str | None:
        """Why the image does not suit the model, None if it does."""
        model = self.session.segmenter.trained
        if model is None or self.options.channels.layers:
            return None
        given = as_image(image, self.axes.resolved(), like=model.axes, channels=model.channels)
        if may_stand_for(given, model.channels, model.axes):
            return None
        asked = model.channels, model.ndim, model.spec.slices
        return validation_error(lambda: require_model_input(given, *asked))

    def _update_state(self) -> None:
        self.bar.set_reason(self._missing())
        self.picture.update_state()
        layer = self._result_layer(CLASS_KINDS)
        if layer is None or not isinstance(layer.data, np.ndarray):  # masks are made in memory
            self.masks.set_classes(None, ())
        else:
            values = [c.value for c in LayerMetadata.of(layer).classes]
            shown = read_classes(layer, values)
            self.masks.set_classes(weakref.ref(layer), [c for c in shown if c.value in values])

    def _shown_layers(self) -> tuple[Image, Labels] | None:
        """The image and its last result."""
        labels = self._result_layer(RESULT_KINDS)
        return None if labels is None else (self.image.value, labels)

    def _result_layer(self, kinds: Collection[str]) -> Labels | None:
        """The last layer of the image that is a result of these kinds."""
        image = self.image.value
        labels = (x for x in reversed(self.viewer.layers) if isinstance(x, Labels))
        results = (x for x in labels if LayerMetadata.of(x).kind in kinds)
        belongs = (x for x in results if image and rank_of(self.session, x, image) is not None)
        return next(belongs, None)
