"""How long napari's window is blocked while torch loads, a model trains, and predicts.

Run with ``make bench``. A timer fires every 10 ms; the longest time between two calls is how
long a click could wait.
"""

import statistics
import time

import napari
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

from napari_segkit import TileConfig, TrainConfig

CONFIG = TrainConfig(epochs=2, steps_per_epoch=10, tile=TileConfig(tile_size=128))


class EventLoopTimer(QObject):
    """Records the gaps between turns of the event loop."""

    def __init__(self):
        super().__init__()
        self.gaps = []
        self._timer = QTimer(self, interval=10)
        self._timer.timeout.connect(self._tick)
        self._last = time.perf_counter()
        self._timer.start()

    def _tick(self):
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def gaps_while(self, busy):
        """Process events while `busy()`; give the longest gap and the 95th percentile in ms."""
        self.gaps, self._last = [], time.perf_counter()
        wait(busy)
        gaps = sorted(1000 * g for g in self.gaps)
        return f"{gaps[-1]:.0f}", f"{statistics.quantiles(gaps, n=20)[-1]:.0f}"


def wait(busy):
    """Process events while `busy()`."""
    while busy():
        QApplication.processEvents()
        time.sleep(0.001)


def print_row(*cells):
    print(f"| {' | '.join(cells)} |", flush=True)


def main():
    viewer = napari.Viewer()
    viewer.open_sample("napari-segkit", "coins")
    _, workbench = viewer.window.add_plugin_dock_widget("napari-segkit", "SegKit workbench")
    timer, docks = EventLoopTimer(), (workbench.train, workbench.predict)
    print_row("while", "longest pause (ms)", "95 % below (ms)")
    print_row("---", "---", "---")
    print_row("torch loads", *timer.gaps_while(lambda: "Looking" in workbench.train.device.text()))
    wait(lambda: workbench.train.label_stats.is_counting)
    workbench.train.set_config(CONFIG)
    wait(lambda: workbench.train.label_stats.is_counting)
    for dock in docks:
        workbench.setCurrentWidget(dock)
        dock.bar.button.click()
        print_row(dock.bar.verb, *timer.gaps_while(lambda dock=dock: dock.bar.is_running))
    viewer.close()


if __name__ == "__main__":
    main()
