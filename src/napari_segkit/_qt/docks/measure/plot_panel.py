"""Choice of what is plotted of the measurements, and the plot."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pandas import DataFrame
from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import Note, stack

from .series import LAYERS, MAX_CURVES, ROWS, T, Z, axes_of, curves_of, plotted_columns

if TYPE_CHECKING:
    from .measure_plot import MeasurePlot

HEIGHT = 170
COLUMN_TIP = "<p>The column of the table that is plotted.</p>"
AXIS_TIP = (
    "<p>Along which axis: time points, slices or layers, the others as in the selected row; or how "
    "often values occur. Click a point to select its row and move the canvas there.</p>"
)
TEXTS = {T: "over T", Z: "over Z", LAYERS: "over layers", ROWS: "histogram"}
LETTERS = 7
LONGEST = 12  # letters of the name of a layer at the axis


class PlotPanel(QWidget):
    """A plot of one column of the measurements."""

    chosen = Signal(int)  # row
    plot: "MeasurePlot | None" = None  # made when there is something to show

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._theme = theme
        self._table = DataFrame()
        self._color: Callable[[int], str] = lambda _: ""
        self._row: int | None = None
        self.column = Choice[str](letters=LETTERS, tooltip=COLUMN_TIP)
        self.axis = Choice[str](letters=LETTERS, tooltip=AXIS_TIP)
        self._place = _Place()
        self.note = Note()
        stack(self, (self.column.native, self.axis.native), self._place, self.note)
        self.column.changed.connect(self._redraw)
        self.axis.changed.connect(self._redraw)

    def show_table(self, table: DataFrame, color: Callable[[int], str]) -> None:
        """Plot this table; `color` is that of a row."""
        self._table, self._color, self._row = table, color, None
        with self.column.changed.blocked(), self.axis.changed.blocked():
            before = self.axis.value
            self.column.offer([(name, name) for name in plotted_columns(table)])
            self.axis.offer([(TEXTS[axis], axis) for axis in axes_of(table)])
            if before == ROWS and not self.axis.by_hand:
                self.axis.suggest(self.axis.choices[0])
        self._redraw()

    def select(self, row: int | None) -> None:
        """Mark a row, and show the curves at its place."""
        self._row = row
        self._redraw()

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        self._theme = theme
        if self.plot is not None:
            self.plot.set_theme(theme)

    def _redraw(self) -> None:
        if self._table.empty or not self.column.value:
            self._place.setVisible(self.plot is not None)
            if self.plot is not None:
                self.plot.show_curves([], "", "", (), lines=True)
            return
        plot = self.plot or self._make_plot()
        column, axis, table = self.column.value, self.axis.value, self._table
        title = _title(table, column)
        if axis == ROWS:
            plot.show_histogram(table[column].to_numpy(float), title)
        else:
            curves = curves_of(table, axis, column, self._row or 0, self._color)
            layers = dict.fromkeys(table["image"]) if axis == LAYERS else ()
            names = [name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in layers]
            plot.show_curves(curves, title, axis, names, axis != LAYERS or "index" not in table)
        count = table["index"].nunique() if "index" in table and axis != ROWS else 0
        self.note.setText(
            f"The {MAX_CURVES} largest of {count:,} objects are plotted." * (count > MAX_CURVES)
        )
        plot.mark(self._row, float(table[column].iloc[self._row]) if self._row is not None else 0.0)

    def _make_plot(self) -> "MeasurePlot":
        from .measure_plot import MeasurePlot

        self.plot = MeasurePlot(self._theme)
        self.plot.chosen.connect(self.chosen)
        self._place.layout().addWidget(self.plot)
        self._place.show()
        return self.plot


class _Place(QWidget):
    """Holds the plot, once there is one: pyqtgraph takes long to import."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(HEIGHT)
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)
        self.hide()

    def sizeHint(self) -> QSize:
        """Small width, so that the plot does not widen the dock."""
        return QSize(200, HEIGHT)


def _title(table: DataFrame, column: str) -> str:
    """The column with its unit, if it has one."""
    power = {"area": "²", "volume": "³"}.get(column)
    unit = table["unit"].iloc[0] if power else ""
    return f"{column} ({unit}{power})" if unit else column
