import os
import subprocess
import sys

import pytest

from napari_segkit import TileConfig, TrainConfig
from napari_segkit._qt.app import demo

RUN = """
import sys
from functools import partial
from napari_segkit import TileConfig, TrainConfig
from napari_segkit._qt.app import demo
{change}
sys.exit(demo.main(screenshot=sys.argv[1]))
"""
QUICK = TrainConfig(epochs=1, steps_per_epoch=2, tile=TileConfig(tile_size=64))


def run(path, change, timeout):
    return subprocess.run(
        [sys.executable, "-c", RUN.format(change=change), str(path)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | {"SEGKIT_DEMO_EXIT": "1", "XDG_DATA_HOME": str(path.parent)},
        check=False,
    )


def test_the_demo_trains_predicts_and_evaluates(
    shared_viewer, qtbot, tmp_path, monkeypatch, capsys
):
    picture = tmp_path / "demo.png"
    monkeypatch.setattr(demo, "CONFIG", QUICK)
    monkeypatch.setattr(demo.napari, "Viewer", lambda **_: shared_viewer)
    monkeypatch.setattr(
        demo.napari, "run", lambda: qtbot.waitUntil(picture.exists, timeout=200_000)
    )
    assert demo.main(screenshot=picture, stay=True) == 0
    printed = capsys.readouterr().out
    assert "background" in printed
    assert "coin" in printed
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_the_demo_reaches_its_iou(tmp_path):
    done = run(tmp_path / "demo.png", "", 280)
    assert done.returncode == 0, done.stderr
    mean = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["mean"])
    assert float(mean.split()[1]) > 0.90
