"""The dock that cuts an image into superpixels, and paints with them."""

from typing import TYPE_CHECKING, Any

from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Dock, problem_of
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit._qt.widgets.stack_choice import StackChoice
from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import to_python

from .superpixel_paint import SuperpixelPaint

if TYPE_CHECKING:
    import napari

EVERYWHERE = "the whole image"
INSIDE = "<p>Only where this Labels layer is painted, whatever the class.</p>"


class SuperpixelDock(Dock):
    """Make superpixels of an image, and give them classes by clicks and drags.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.data = ImageAndLabels(self.session, self)
        self.data.expect(objects=False)
        self.form = Form(SuperpixelConfig)
        self.stack = StackChoice(self.data.axes)
        self.mask = LayerChoice(self.viewer, "labels", none=EVERYWHERE)
        self.paint = SuperpixelPaint(self.session, self.data.labels, self)
        self.bar = RunBar(self.session, "Make superpixels")
        self._lay_out()
        self._connect()
        self._on_data()

    def make(self) -> None:
        """Cut the chosen image as it is now."""
        self.paint.put_away()
        image, mask = self.data.image.current_layer(), self.mask.current_layer()
        config, axes = self.form.value(), self.stack.resolved()
        task = self.session.superpixels(image, config, mask=mask, axes=axes)
        task.writer.written.connect(self._on_written)
        self.bar.follow(task)

    def code(self) -> str:
        """The Python that makes superpixels as the button does."""
        given = (
            f"{python_snippets.layer(self.data.image.current_layer())}, {to_python(self.form.value())}"
        )
        mask = self.mask.current_layer()
        inside = f", mask={python_snippets.layer(mask)}" if mask else ""
        more = python_snippets.keywords(axes=self.stack.named()) + inside
        return python_snippets.with_import(f"session(viewer).superpixels({given}{more})")

    def hideEvent(self, event: Any) -> None:
        """What a dock does to the canvas ends when it is hidden."""
        super().hideEvent(event)
        if not event.spontaneous():  # a window that is minimised hides nothing
            self.paint.put_away()

    def _lay_out(self) -> None:
        self.mask.setToolTip(INSIDE)
        self.group = self.add_group(
            "Superpixels",
            image=self.data.image,
            axes=self.data.axes,
            slices=self.stack,
            inside=self.mask,
            _form=self.form,
            _bar=self.bar,
        )
        self.add_group(
            "Paint",
            superpixels=self.paint.superpixels,
            labels=self.data.labels,
            _new=self.data.new_button,
            **{"class": self.paint.classes},
            _replace=self.paint.replace,
            _paint=self.paint.button,
            _note=self.paint.note,
        )

    def _connect(self) -> None:
        self.data.changed.connect(self._on_data)
        self.form.changed.connect(self._update_state)
        self.session.busy_changed.connect(self._update_state)
        self.bar.pressed.connect(self.make)
        self.bar.copy_pressed.connect(self._on_copy)
        self.bar.yielded.connect(self._on_step)

    def _on_data(self) -> None:
        form: Any = self.group.layout()
        self.stack.setVisible(self.stack.counts)
        form.labelForField(self.stack).setVisible(self.stack.counts)
        self._update_state()

    def _on_step(self, step: Any) -> None:
        self.bar.say(f"Tile {step.done} of {step.total}")

    def _on_written(self, layer: Any) -> None:
        self.paint.superpixels.suggest(layer)
        self.bar.say(f"{int(layer.data.max()):,} superpixels in the layer {layer.name!r}.")

    def _on_copy(self) -> None:
        self.bar.copy(self.code())

    def _missing(self) -> str | None:
        """Why nothing can be cut, in words."""
        if self.data.image.current_layer() is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        return self.data.axes.problem or problem_of(self.form.value)

    def _update_state(self) -> None:
        missing = self._missing()
        self.bar.set_reason(missing)
        self.bar.copy_button.setEnabled(missing is None)
