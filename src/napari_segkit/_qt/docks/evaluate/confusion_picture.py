"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter

from napari_segkit.evaluation.confusion import Counts, ratio
from napari_segkit.images.pictures import Picture

MOST_CLASSES = 20
CELL = 64  # pixels
LINE = 22
FONT_PIXELS = 14
MOST_NAME = 160
HIT, ERROR, STALE = QColor("#4e79a7"), QColor("#e15759"), QColor("#808080")
INK, PAPER = QColor("#202020"), QColor("#ffffff")
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTRE = Qt.AlignmentFlag.AlignCenter


def confusion_picture(counts: Counts, names: Sequence[str], *, stale: bool = False) -> Picture:
    """Draw a confusion matrix (K, K + 1), each row as fractions of the pixels of that true class.

    The last column is predictions of no class, and left out where there are none. An outdated
    matrix is grey and struck out.
    """
    shown = counts if counts[:, -1].any() else counts[:, :-1]
    columns = [*names, "no class"][: shown.shape[1]]
    image = QImage(1, 1, QImage.Format.Format_RGB888)
    painter = QPainter(image)
    font = painter.font()
    font.setPixelSize(FONT_PIXELS)
    font.setStrikeOut(stale)
    measure = QFontMetrics(font)
    painter.end()
    left = LINE + min(MOST_NAME, max(map(measure.horizontalAdvance, names))) + 12
    width, height = left + CELL * len(columns) + 8, 2 * LINE + CELL * len(names) + 8
    image = QImage(width, height, QImage.Format.Format_RGB888)
    image.fill(PAPER)
    painter = QPainter(image)
    painter.setFont(font)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    _draw_names(painter, names, columns, left)
    _draw_cells(painter, shown, left, stale=stale)
    painter.end()
    return _pixels(image)


def _draw_names(painter: QPainter, rows: Sequence[str], columns: Sequence[str], left: int) -> None:
    measure, right = painter.fontMetrics(), left + CELL * len(columns)
    elide = Qt.TextElideMode.ElideRight
    painter.setPen(INK)
    painter.drawText(QRectF(left, 0, right - left, LINE), CENTRE, "prediction")
    for number, name in enumerate(columns):
        text = measure.elidedText(name, elide, CELL - 4)
        painter.drawText(QRectF(left + CELL * number, LINE, CELL, LINE), CENTRE, text)
    for number, name in enumerate(rows):
        text = measure.elidedText(name, elide, MOST_NAME)
        painter.drawText(QRectF(LINE, 2 * LINE + CELL * number, left - LINE - 6, CELL), RIGHT, text)
    painter.save()
    painter.translate(0, 2 * LINE + CELL * len(rows))
    painter.rotate(-90)
    painter.drawText(QRectF(0, 0, CELL * len(rows), LINE), CENTRE, "truth")
    painter.restore()


def _draw_cells(painter: QPainter, counts: Counts, left: int, *, stale: bool) -> None:
    fractions = ratio(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape))
    for (row, column), fraction in np.ndenumerate(fractions):
        cell = QRectF(left + CELL * column, 2 * LINE + CELL * row, CELL - 1, CELL - 1)
        color = QColor(STALE if stale else HIT if row == column else ERROR)
        color.setAlphaF(0.08 if np.isnan(fraction) else 0.08 + 0.92 * float(fraction))
        painter.fillRect(cell, color)
        painter.setPen(PAPER if fraction > 0.5 else INK)
        text = "absent" if np.isnan(fraction) else f"{100 * fraction:.1f} %"
        painter.drawText(cell, CENTRE, text)


def _pixels(image: QImage) -> Picture:
    """The pixels of a picture of Qt, whose lines are padded."""
    bits = image.constBits()
    if hasattr(bits, "setsize"):  # of PyQt
        bits.setsize(image.sizeInBytes())
    lines = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
