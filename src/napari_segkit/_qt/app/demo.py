"""Demonstration: trains, predicts and evaluates by pressing the docks' buttons in napari."""

import os
import sys
from os import PathLike
from time import perf_counter
from typing import Any

import napari
from qtpy.QtCore import QObject, QTimer

from napari_segkit.config import TileConfig, TrainConfig

from .workbench import Workbench

CONFIG = TrainConfig(epochs=6, steps_per_epoch=10, tile=TileConfig(tile_size=128))
SIZE = 1280, 800
REPAINT_MS = 800  # before the screenshot


def main(*, screenshot: str | PathLike[str] | None = None, stay: bool | None = None) -> int:
    """Train on the coins sample in napari, predict it, and evaluate the prediction.

    Parameters
    ----------
    screenshot : path-like, optional
        Where to save a picture of the window at the end.
    stay : bool, optional
        Whether the window stays open. None: unless the environment variable
        ``SEGKIT_DEMO_EXIT`` is 1, which is meant for virtual displays.

    Returns
    -------
    int
        Exit code, 0 for success.
    """
    if stay is None:
        stay = os.environ.get("SEGKIT_DEMO_EXIT") != "1"
    viewer = napari.Viewer(title="napari-segkit")
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-segkit", "coins")
    _, workbench = viewer.window.add_plugin_dock_widget("napari-segkit", "SegKit workbench")
    demo = Demo(viewer, workbench, screenshot, stay=stay)
    demo.start()
    napari.run()
    return demo.exit_code


class Demo(QObject):
    """The demonstration's steps, each started by the end of the previous one."""

    def __init__(
        self,
        viewer: napari.Viewer,
        workbench: Workbench,
        screenshot: str | PathLike[str] | None,
        *,
        stay: bool,
    ) -> None:
        super().__init__()
        self.exit_code = 1
        self._viewer = viewer
        self._workbench = workbench
        self._screenshot = screenshot
        self._stay = stay
        self._start_time = perf_counter()
        workbench.train.bar.finished.connect(self._predict)
        workbench.predict.bar.finished.connect(self._evaluate)
        workbench.evaluate.bar.finished.connect(self._finish)

    def start(self) -> None:
        """Choose image and scribbles, wait for their label statistics, then train."""
        train = self._workbench.train
        train.label_stats.stats_changed.connect(self._train)
        train.data.image.value = self._viewer.layers["coins"]
        train.data.labels.value = self._viewer.layers["coins scribbles"]
        train.set_config(CONFIG)

    def _train(self, statistics: Any) -> None:
        train = self._workbench.train
        if statistics is None or train.label_stats.is_counting:
            return
        train.label_stats.stats_changed.disconnect(self._train)
        self._viewer.reset_view()  # after the docks took their width
        self._press(train)

    def _predict(self) -> None:
        predict = self._workbench.predict
        predict.session.spare.dismiss()  # nobody will miss the model of the demonstration
        predict.image.value = self._viewer.layers["coins"]
        self._press(predict)

    def _evaluate(self) -> None:
        evaluate = self._workbench.evaluate
        evaluate.truth.value = self._viewer.layers["coins truth"]
        self._press(evaluate)

    def _finish(self) -> None:
        result = self._workbench.evaluate.result
        if result is None:
            self._give_up(self._workbench.evaluate)
            return
        self.exit_code = 0
        sys.stdout.write(f"{result.report}\n{perf_counter() - self._start_time:.0f} s in all.\n")
        QTimer.singleShot(REPAINT_MS, self._save_screenshot)

    def _press(self, dock: Any) -> None:
        self._workbench.setCurrentWidget(dock)
        if dock.bar.button.isEnabled():
            dock.bar.button.click()
        else:
            self._give_up(dock)

    def _give_up(self, dock: Any) -> None:
        sys.stdout.write(f"{dock.bar.verb} failed: {dock.bar.status.text()} ")
        sys.stdout.write(f"{dock.bar.hint.text()}\n")
        QTimer.singleShot(REPAINT_MS, self._save_screenshot)

    def _save_screenshot(self) -> None:
        if self._screenshot is not None:
            self._viewer.window.screenshot(self._screenshot, canvas_only=False)
            sys.stdout.write(f"Screenshot: {self._screenshot}\n")
        sys.stdout.flush()
        if not self._stay:
            self._viewer.close()
