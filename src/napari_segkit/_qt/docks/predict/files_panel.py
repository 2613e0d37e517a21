"""Files that are predicted into a folder, and those that failed."""

from pathlib import Path

from magicgui.widgets import CheckBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QHeaderView, QLineEdit, QPushButton, QWidget

from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.gui_messages import SMALLER_TILES, error_text
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable
from napari_segkit._qt.widgets.section import form_layout
from napari_segkit.config import BatchConfig
from napari_segkit.jobs.batch.predict_files import PredictedFiles
from napari_segkit.steps import Failure, Step

IMAGES_TIP = (
    "<p>Image files, folders with their sub-folders, patterns such as plate/*/*.tif, or a CSV list "
    "with the column images; several are separated by semicolons.</p>"
)
OUTPUT_TIP = (
    "<p>Folder of the results, which may be new. Labels have the names of their images, and "
    "sub-folders are made as among the images.</p>"
)
SKIP_TIP = "<p>Leave out images whose results are all there, to go on where it was stopped.</p>"
MEASURE_TIP = (
    "<p>Also write measurements.csv into the folder: a row for each image, those to look at first "
    "on top (mean uncertainty, distance of the intensities from those of the training), with areas "
    "or volumes of the classes and numbers of objects or components.</p>"
)
SEPARATOR = ";"
TABLE = "measurements.csv"
TABLE_HEIGHT = 120


class FilesPanel(QWidget):
    """Which files are predicted, where the results go, and what failed."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.images = QLineEdit(toolTip=IMAGES_TIP, placeholderText="files, folder or pattern")
        self.output = QLineEdit(toolTip=OUTPUT_TIP, placeholderText="folder")
        self.skip = CheckBox(text="Skip existing results", tooltip=SKIP_TIP)
        self.measure = CheckBox(text="Measurements", tooltip=MEASURE_TIP)
        self.form = Form(BatchConfig)
        self.failed = ReadOnlyTable(["Failed", "Why"])
        self.failed.setMaximumHeight(TABLE_HEIGHT)
        header = self.failed.horizontalHeader()  # the reason has the spare width
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.failed.hide()
        self._lay_out()
        for line in (self.images, self.output):
            line.textChanged.connect(lambda _: self.changed.emit())
        self.form.changed.connect(self.changed)

    @property
    def given(self) -> list[str]:
        """Files, folders and patterns of the images."""
        return [text.strip() for text in self.images.text().split(SEPARATOR) if text.strip()]

    @property
    def folder(self) -> str:
        """Folder of the results."""
        return self.output.text().strip()

    @property
    def measurements(self) -> Path | None:
        """Table of measurements, if it is asked for."""
        return Path(self.folder) / TABLE if self.measure.value else None

    @property
    def problem(self) -> str | None:
        """Why the prediction cannot start."""
        if not self.given:
            return "Choose files or a folder of images."
        return self.form.problem if self.folder else "Choose a folder for the results."

    def follow(self, task: Task) -> None:
        """List the files that fail."""
        self.failed.setRowCount(0)
        self.failed.hide()
        task.yielded.connect(self._on_step)

    def summary(self, result: PredictedFiles) -> str:
        """What became of the files."""
        count = len(result.files)
        said = (
            f"{count} {'image is' if count == 1 else 'images are'} predicted, into {self.folder}."
        )
        if result.skipped:
            said += f" {len(result.skipped)} results were there."
        return said + f" {len(result.errors)} failed." * bool(result.errors)

    def _lay_out(self) -> None:
        rows = form_layout(self)
        files, folder, output = QPushButton("Files …"), QPushButton("Folder …"), QPushButton("…")
        files.clicked.connect(self._choose_files)
        folder.clicked.connect(self._choose_folder)
        output.clicked.connect(self._choose_output)
        rows.addRow("Images", beside(self.images))
        rows.addRow("", beside(files, folder))
        rows.addRow("Results", beside(self.output, output))
        rows.addRow(beside(self.skip.native, self.measure.native))
        rows.addRow(self.form.native)
        rows.addRow(self.failed)

    def _choose_files(self) -> None:
        names = QFileDialog.getOpenFileNames(self, "Images, or a CSV list")[0]
        if names:
            self.images.setText(SEPARATOR.join(names))

    def _choose_folder(self) -> None:
        if name := QFileDialog.getExistingDirectory(self, "Folder of images"):
            self.images.setText(name)

    def _choose_output(self) -> None:
        if name := QFileDialog.getExistingDirectory(self, "Folder of the results"):
            self.output.setText(name)

    def _on_step(self, step: Step) -> None:
        if isinstance(step, Failure):
            row = self.failed.rowCount()
            self.failed.setRowCount(row + 1)
            why = error_text(step.error, "Predict", lower=SMALLER_TILES)
            self.failed.set_row(row, (step.part, why))
            self.failed.show()


def beside(*widgets: QWidget) -> QWidget:
    """Widgets in one row."""
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        line.addWidget(widget)
    return row
