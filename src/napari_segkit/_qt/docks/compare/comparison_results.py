"""What a comparison has found: table, pictures, the page to save."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.picture import PictureLabel, PictureWindow
from napari_segkit.comparison.comparison import Comparison
from napari_segkit.images.pictures import Picture

from .comparison_table import ComparisonTable

PAGE_TIP = "<p>Save one HTML page: table, tests, pictures, settings, versions.</p>"
TABLE_TIP = "<p>Copy the table to the clipboard as CSV, for a spreadsheet.</p>"
PICTURE_TIP = "<p>The same view under each. Click to see it in full, and to save it.</p>"
PAGES = "HTML pages (*.html)"


class ComparisonResults(QWidget):
    """The last comparison; what is out of date is greyed and struck out."""

    def __init__(self) -> None:
        super().__init__()
        self.comparison: Comparison | None = None
        self.table, self.summary, self.status = ComparisonTable(), Note(), Note()
        self.picture = PictureLabel(PICTURE_TIP)
        self.picture_window = PictureWindow(self, "Same view under each", "comparison.png")
        self.page_button = QPushButton("Save page …", toolTip=PAGE_TIP)
        self.table_button = QPushButton("Copy table", toolTip=TABLE_TIP)
        self._drawn: Picture | None = None
        self._colors: Mapping[str, str] = {}
        self._saving, self._drawing = LatestCall(self), LatestCall(self)
        buttons = self.page_button, self.table_button
        stack(self, self.table, self.picture, self.summary, buttons, self.status)
        self._connect()
        self.mark(stale=False)

    def show_comparison(self, comparison: Comparison, colors: Mapping[str, str]) -> None:
        """Show another comparison, of contours in these colours; pictures follow."""
        self.comparison, self._colors = comparison, colors
        self.summary.setText("\n".join([comparison.summary(), *comparison.notes]))
        self.status.setText("")
        self.mark(stale=False)
        self._drawing.submit(comparison.picture)

    def mark(self, *, stale: bool) -> None:
        """Show whether something was changed since."""
        self.page_button.setEnabled(self.comparison is not None)
        self.table_button.setEnabled(self.comparison is not None and not stale)
        if self.comparison is not None:
            self.table.show_comparison(self.comparison, self._colors, stale=stale)

    def save_page(self, path: Path) -> None:
        """Save the page in the background."""
        if self.comparison is not None:
            file = path if path.suffix.lower() in (".html", ".htm") else Path(f"{path}.html")
            # the dialog has asked about the file that was named, not about one with an ending added
            self._saving.submit(partial(self.comparison.to_html, file, overwrite=file == path))

    def _connect(self) -> None:
        self._drawing.returned.connect(self._on_drawn)
        self._drawing.errored.connect(partial(self._say, "Drawing the pictures"))
        self._saving.returned.connect(self._on_saved)
        self._saving.errored.connect(partial(self._say, "Saving the page"))
        self.page_button.clicked.connect(self._on_page)
        self.table_button.clicked.connect(self._on_copy)
        self.picture.clicked.connect(self._on_picture)

    def _on_drawn(self, picture: Picture | None) -> None:
        self._drawn = picture
        if picture is not None:
            self.picture.show_picture(picture)

    def _on_picture(self) -> None:
        if self._drawn is not None:
            self.picture_window.show_picture(self._drawn)

    def _on_page(self) -> None:
        path = QFileDialog.getSaveFileName(self, "Save the page", "comparison.html", PAGES)[0]
        if path:
            self.save_page(Path(path))

    def _on_copy(self) -> None:
        if self.comparison is not None:
            python_snippets.copy(self.comparison.table().to_csv(index=False))
            self.status.setText("Table copied to the clipboard as CSV.")

    def _on_saved(self, file: Path) -> None:
        self.status.setText(f"Saved as {file}.")

    def _say(self, work: str, error: BaseException) -> None:
        self.status.setText(error_text(error, work))
