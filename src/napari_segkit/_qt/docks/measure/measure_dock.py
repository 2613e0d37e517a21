"""Dock that measures Labels layers, without a truth."""

from functools import partial
from pathlib import Path

from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Dock, Note, show_row, stack
from napari_segkit._qt.widgets.frame_table import NO_ROW, FrameTable
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.images.classes import default_color
from napari_segkit.io.table_files import check_table_path, table_text, write_text

from .canvas_link import CanvasLink
from .layer_measurement import LayerMeasurement, measure_layers
from .measure_inputs import MeasureInputs
from .plot_panel import PlotPanel
from .table_rows import shown_rows, summary_of, text_of

MEASURE_TIP = "<p>Measure the labels in the background, block by block.</p>"
TABLE_TIP = (
    "<p>Click a row to move the canvas there, or a label on the canvas to select its row. Click "
    "the name of a column to sort.</p>"
)
COPY_TIP = "<p>Copy all columns to the clipboard as CSV, for a spreadsheet.</p>"
SAVE_TIP = "<p>Save all columns as a CSV file.</p>"
OUT_OF_DATE = "Out of date: {} Press Measure again."
CSV = "Tables (*.csv *.tsv *.txt)"


class MeasureDock(Dock):
    """Sizes, intensities, shapes and neighbours of the labels of a layer, or of several."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.result: LayerMeasurement | None = None
        self.inputs = MeasureInputs(self.session, self)
        self.panel = PlotPanel(self.viewer.theme)
        self.table = FrameTable(TABLE_TIP, (), text_of)
        self.summary = Note()
        self.copy_button = QPushButton("Copy table", toolTip=COPY_TIP)
        self.save_button = QPushButton("Save table …", toolTip=SAVE_TIP)
        self.bar = RunBar(
            self.session, "Measure", tooltip=MEASURE_TIP, unit="Block", code=self.inputs.code
        )
        self.link = CanvasLink(self.session, self)
        self._watches: list[LayerWatcher] = []
        self._problem = ""  # why the result is out of date
        self._fingerprints = LatestCall(self, wait_ms=200)
        self._saving = LatestCall(self)
        self._lay_out()
        self._connect()
        self.state.request()

    def measure(self) -> None:
        """Measure the chosen layers in the background."""
        chosen = self.inputs.chosen()
        labels = [snapshot(each.labels) for each in chosen]
        images = [None if each.image is None else snapshot(each.image) for each in chosen]
        self.bar.run(measure_layers(labels, images, self.inputs.record()))

    def csv(self) -> str:
        """The table as CSV with a header line."""
        return "" if self.result is None else self.result.measured.table.to_csv(index=False)

    def save(self, path: Path) -> None:
        """Save the table in the background."""
        if self.result is not None:
            self._saving.submit(partial(_save, path, self.result))

    def select_row(self, row: int) -> None:
        """Select a row of the table and mark it in the plot; -1: none."""
        self.table.select(row)
        self.panel.select(None if row == NO_ROW else row)

    @property
    def stale(self) -> str | None:
        """Message if the measurements no longer match the layers and options."""
        if self.result is None:
            return None
        if self.result.inputs != self.inputs.record():
            return OUT_OF_DATE.format("The layers or options have changed.")
        return self._problem or None

    def _lay_out(self) -> None:
        inputs = self.inputs
        self.add_group(
            "Labels to measure",
            labels=inputs.follower,
            image=inputs.image,
            axes=inputs.axes,
            _place=inputs.place,
            layers=inputs.layers,
            _form=inputs.form,
        )
        buttons = QWidget()
        stack(buttons, (self.copy_button, self.save_button))
        self.results = self.add_group(
            "Measurements",
            _plot=self.panel,
            _table=self.table,
            _summary=self.summary,
            _save=buttons,
        )
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.inputs.changed.connect(self.state.request)
        self.viewer.events.theme.connect(self._on_theme)
        self.table.chosen.connect(self._on_row)
        self.panel.chosen.connect(self._on_row)
        self.link.picked.connect(self.select_row)
        self._fingerprints.returned.connect(self._on_fingerprints)
        self._fingerprints.errored.connect(self._on_unknown)
        self.copy_button.clicked.connect(self._on_copy)
        self.save_button.clicked.connect(self._on_save)
        self._saving.returned.connect(lambda path: self.bar.show_status(f"Saved as {path}."))
        self._saving.errored.connect(self._on_save_error)
        self.bar.pressed.connect(self.measure)
        self.bar.returned.connect(self._on_result)

    def _on_result(self, result: LayerMeasurement) -> None:
        self.result = self.link.result = result
        self._problem = ""
        self._watch(result)
        table = result.measured.table
        self.table.show_frame(shown_rows(table), self._class_colors(result))
        self.table.resizeColumnsToContents()
        self.panel.show_table(table, self._color)
        self.bar.show_status("")
        self.state.request()
        self.scroll_to(self.results)

    def _class_colors(self, result: LayerMeasurement) -> dict[str, str]:
        """Colours of the first column: of classes, as their layer shows them."""
        table = result.measured.table
        if result.config.by != "class" or table.empty:
            return {}
        rows = table.drop_duplicates("class").index
        return {str(result.value(row)): self._color(row) for row in rows}

    def _color(self, row: int) -> str:
        """Colour of the label of a row."""
        result = self.result
        layer = None if result is None else self.link.layers()[result.source(row)]
        value = 0 if result is None else result.value(row)
        if layer is None or (result is not None and result.config.by == "component"):
            return default_color(value)
        return next(c.color for c in read_classes(layer, [value]) if c.value == value)

    def _watch(self, result: LayerMeasurement) -> None:
        """Watch the pixels of the layers that were measured, instead of earlier ones."""
        for watch in self._watches:
            watch.watch(None)
            watch.deleteLater()
        self._watches = []
        for layer in filter(None, self.link.layers()):
            watch = LayerWatcher(self.viewer, self)
            watch.watch(layer)
            watch.painted.connect(self._on_painted)
            watch.redrawn.connect(self._on_redrawn)
            self._watches.append(watch)

    def _on_row(self, row: int) -> None:
        self.select_row(row)
        self.link.show(row)

    def _on_painted(self) -> None:
        self._problem = OUT_OF_DATE.format("The labels have changed.")
        self.state.request()
        self._on_redrawn()

    def _on_redrawn(self) -> None:
        """Compare fingerprints in the background: an undo may have restored the layers."""
        layers = [watch.layer for watch in self._watches if watch.layer is not None]
        self._fingerprints.submit(lambda: tuple(fingerprint(layer.data) for layer in layers))

    def _on_fingerprints(self, current: tuple[str, ...]) -> None:
        same = self.result is not None and current == self.result.fingerprints
        self._problem = "" if same else OUT_OF_DATE.format("The labels have changed.")
        self.state.request()

    def _on_unknown(self, error: BaseException) -> None:
        """Say that the measurements may be out of date."""
        self._problem = error_text(error, "Comparing the layers")
        self.state.request()

    def _on_copy(self) -> None:
        python_snippets.copy(self.csv())
        self.bar.show_status("Table copied to the clipboard as CSV.")

    def _on_save(self) -> None:
        name = f"{self.inputs.labels.value or 'labels'} measured.csv"
        path = QFileDialog.getSaveFileName(self, "Save the table", name, CSV)[0]
        if path:
            self.save(Path(path))

    def _on_save_error(self, error: BaseException) -> None:
        self.bar.show_status(error_text(error, "Saving the table"))

    def _on_theme(self, event: Event) -> None:
        if isalive(self):
            self.panel.set_theme(event.value)

    def _update_state(self) -> None:
        stale, has_rows = self.stale, self.result is not None
        self.bar.set_reason(self.inputs.missing())
        self.results.setVisible(has_rows)
        self.copy_button.setEnabled(has_rows and stale is None)
        self.save_button.setEnabled(has_rows and stale is None)
        show_row(self.inputs.axes, len(self.inputs.axes.choices) > 2)
        if self.result is not None:
            self.table.setEnabled(stale is None)
            self.panel.setEnabled(stale is None)
            self.summary.setText("\n".join(filter(None, [stale, summary_of(self.result)])))


def _save(path: Path, result: LayerMeasurement) -> Path:
    """Save a table; the dialog has asked about the file that was named, without an added ending."""
    file = path if path.suffix else path.with_suffix(".csv")
    overwrite = file == path
    text = table_text(check_table_path(file, overwrite=overwrite), result.measured.table)
    write_text(text, file, overwrite=overwrite)
    return file
