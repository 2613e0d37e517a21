"""Dock that computes superpixels and paints with them."""

from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtGui import QHideEvent

from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.axes_choice import StackChoice
from napari_segkit._qt.widgets.dock import Dock, show_row
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.config import SuperpixelConfig
from napari_segkit.config._schema import to_python
from napari_segkit.images.layer_metadata import LayerMetadata

from .superpixel_paint import SuperpixelPaint

NO_MASK = "the whole image"
COMPUTE_TIP = (
    "<p>Split the image into superpixels, small regions of similar pixels, and write them to a "
    "Labels layer. Press again to stop.</p>"
)
IMAGE_TIP = "<p>Image layer to split into superpixels.</p>"
LABELS_TIP = "<p>Labels layer to paint on.</p>"
MASK_TIP = "<p>Compute superpixels only where this Labels layer is not 0.</p>"


class SuperpixelDock(Dock):
    """Compute superpixels of an image, and label them by clicks and drags."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.data = ImageAndLabels(self.session, self)
        self.data.set_label_kind(objects=False)
        self.form = Form(SuperpixelConfig)
        self.stack = StackChoice(self.data.axes)
        self.mask = LayerChoice(self.viewer, "labels", none=NO_MASK, tooltip=MASK_TIP)
        self.data.other_roles = (self.mask,)
        self.paint = SuperpixelPaint(self.session, self.data.labels, self)
        self.bar = RunBar(
            self.session, "Compute superpixels", tooltip=COMPUTE_TIP, unit="Tile", code=self.code
        )
        self._lay_out()
        self._connect()
        self.paint.update_layers()  # after the layout: a note without a parent stays hidden
        self._on_data()

    def compute(self) -> None:
        """Compute superpixels of the chosen image in the background."""
        self.paint.stop_painting()
        image, mask = self.data.image.value, self.mask.value
        config, axes = self.form.value, self.stack.resolved()
        task = self.session.superpixels(image, config, mask=mask, axes=axes)
        task.written.connect(self._on_written)
        self.bar.follow(task)

    def code(self) -> str:
        """Python code that does the same as the button."""
        image = python_snippets.layer(self.data.image.value)
        arguments = f"{image}, {to_python(self.form.value)}"
        arguments += python_snippets.keywords(axes=self.stack.axes_argument())
        if (mask := self.mask.value) is not None:
            arguments += f", mask={python_snippets.layer(mask)}"
        return python_snippets.with_import(f"session(viewer).superpixels({arguments})")

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop painting when the dock is hidden."""
        super().hideEvent(event)
        if not event.spontaneous():  # keep it if the window is minimised
            self.paint.stop_painting()

    def _lay_out(self) -> None:
        self.data.image.tooltip = IMAGE_TIP
        self.data.labels.tooltip = LABELS_TIP
        self.add_group(
            "Superpixels",
            image=self.data.follower,
            axes=self.data.axes,
            slices=self.stack,
            mask=self.mask,
            _form=self.form,
            _bar=self.bar,
        )
        self.add_group(
            "Paint superpixels",
            superpixels=self.paint.superpixels,
            labels=self.data.labels,
            _place=self.data.place,
            _new=self.data.new_button,
            **{"class": self.paint.classes},
            _replace=self.paint.replace,
            _paint=self.paint.button,
            _note=self.paint.note,
        )

    def _connect(self) -> None:
        self.data.changed.connect(self._on_data)
        self.form.changed.connect(self.state.request)
        self.bar.pressed.connect(self.compute)

    def _on_data(self) -> None:
        show_row(self.stack, self.stack.is_relevant)
        self.state.request()

    def _on_written(self, layer: Labels) -> None:
        self.paint.superpixels.suggest(layer)
        count = LayerMetadata.of(layer).provenance["count"]
        self.bar.show_status(
            f"{count:,} superpixels in the layer {layer.name!r}. Computing again replaces them, "
            "unless you rename the layer."
        )

    def _missing(self) -> str | None:
        """Message if superpixels cannot be computed."""
        if self.data.image.value is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        return self.data.axes.problem or self.form.problem

    def _update_state(self) -> None:
        self.bar.set_reason(self._missing())
