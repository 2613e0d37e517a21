"""Row that says where the result of one image goes: into memory, or into a folder."""

from pathlib import Path

from magicgui.widgets import CheckBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import stack
from napari_segkit.io.zarr_folders import ZARR
from napari_segkit.jobs.output_files import is_zarr_output

MEMORY, FOLDER = "Memory", "OME-Zarr folder"
WRITE_TIP = (
    "<p>Where the result goes: into a layer in memory, which can be painted on; or into an "
    "OME-Zarr folder, for results that may be larger than memory, which is shown when it is "
    "complete.</p>"
)
FOLDER_TIP = (
    "<p>A new folder, such as cells.zarr, or image.zarr/labels/cells among the labels of an "
    "OME-Zarr image. What was stopped, or broken off by closing the window, goes on when the same "
    "prediction is made again.</p>"
)
OVERWRITE_TIP = "<p>Replace a former result in this folder, when the new one is complete.</p>"


class WriteTo(QWidget):
    """Choose between memory and a folder."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.place = Choice([(MEMORY, False), (FOLDER, True)], tooltip=WRITE_TIP)
        self.line = QLineEdit(toolTip=FOLDER_TIP, placeholderText=f"cells{ZARR}")
        self.button = QPushButton("…", toolTip=FOLDER_TIP)
        self.overwrite = CheckBox(text="Overwrite", tooltip=OVERWRITE_TIP)
        stack(self, self.place, (self.line, self.button), self.overwrite)
        self.place.changed.connect(self._on_place)
        self.line.textChanged.connect(self._on_folder)
        self.button.clicked.connect(self._choose)
        self._on_place()

    @property
    def folder(self) -> Path | None:
        """The folder of the result; None: it is in memory."""
        return Path(self.line.text().strip()).expanduser() if self.place.value else None

    @property
    def problem(self) -> str | None:
        """Why nothing can be written there."""
        if self.folder is None or is_zarr_output(self.folder):
            return None
        return (
            f"Choose a folder to write to whose name ends with {ZARR}, such as cells{ZARR}, or "
            f"image{ZARR}/labels/cells."
        )

    def code(self) -> str:
        """Arguments of `Session.predict`."""
        if self.folder is None:
            return ""
        overwrite = True if self.overwrite.value else None
        return python_snippets.keywords(out=str(self.folder), overwrite=overwrite)

    def _on_place(self) -> None:
        for widget in (self.line, self.button, self.overwrite.native):
            widget.setVisible(self.place.value)
        self.changed.emit()

    def _on_folder(self) -> None:
        self.overwrite.value = False
        self.changed.emit()

    def _choose(self) -> None:
        """Ask for a name, which gets its ending."""
        given = QFileDialog.getSaveFileName(
            self,
            "OME-Zarr folder of the result",
            self.line.text(),
            f"OME-Zarr (*{ZARR})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )[0]
        if given:
            is_complete = is_zarr_output(Path(given))
            self.line.setText(given if is_complete else f"{given}{ZARR}")
