"""Button that saves the history of the session's model."""

from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QToolButton

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.jobs.training_log import write_history
from napari_segkit.training.validation_history import validations_of

TIP = "<p>Save losses and scores of the model as a table (CSV) or as curves (PNG).</p>"
FILES = "Table (*.csv);;Curves (*.png)"


class HistoryButton(QToolButton):
    """Saves losses and validations; `status` says where."""

    def __init__(self, session: Session) -> None:
        super().__init__(text="Save …", toolTip=TIP, autoRaise=True)
        self.status = Note()
        self._session = session
        self._saving = LatestCall(self)
        self._saving.returned.connect(self._on_saved)
        self._saving.errored.connect(self._on_error)
        self.clicked.connect(self._on_clicked)
        session.segmenter_changed.connect(self._update)
        session.busy_changed.connect(self._update)
        self._update()

    def save(self, path: Path) -> None:
        """Save in the background, as CSV unless the file is a PNG picture."""
        trained = self._session.segmenter.trained
        if trained is not None:
            file = path if path.suffix.lower() in (".csv", ".png") else Path(f"{path}.csv")
            # the dialog has asked about the file that was named, not about one with an ending added
            write = partial(
                write_history,
                file,
                trained.history,
                validations_of(trained),
                overwrite=file == path,
            )
            self._saving.submit(partial(_saved, write, file))

    def _on_clicked(self) -> None:
        path = QFileDialog.getSaveFileName(self, "Save the history", "history.csv", FILES)[0]
        if path:
            self.save(Path(path))

    def _on_saved(self, file: Path) -> None:
        self.status.setText(f"Saved as {file}.")

    def _on_error(self, error: BaseException) -> None:
        self.status.setText(error_text(error, "Saving the history"))

    def _update(self) -> None:
        self.status.setText("")
        self.setEnabled(bool(self._session.segmenter.history) and self._session.task is None)


def _saved(write: "partial[None]", file: Path) -> Path:
    write()
    return file
