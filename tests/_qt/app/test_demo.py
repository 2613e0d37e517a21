import os
import subprocess
import sys

import pytest

RUN = """
import sys
from napari_segkit import TileConfig, TrainConfig
from napari_segkit._qt.app import demo
{change}
sys.exit(demo.main(screenshot=sys.argv[1]))
"""
QUICK = "demo.CONFIG = TrainConfig(epochs=1, steps_per_epoch=2, tile=TileConfig(tile_size=64))"


def run(path, change, timeout):
    return subprocess.run(
        [sys.executable, "-c", RUN.format(change=change), str(path)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | {"SEGKIT_DEMO_EXIT": "1", "XDG_DATA_HOME": str(path.parent)},
        check=False,
    )


def test_the_demo_trains_predicts_and_evaluates(tmp_path):
    done = run(tmp_path / "demo.png", QUICK, 200)
    assert done.returncode == 0, done.stderr
    assert "background" in done.stdout
    assert "coin" in done.stdout
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    assert not [*tmp_path.rglob("*.segkit")]  # it leaves no model that would be offered


@pytest.mark.slow
def test_the_demo_reaches_its_iou(tmp_path):
    done = run(tmp_path / "demo.png", "", 280)
    assert done.returncode == 0, done.stderr
    mean = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["mean"])
    assert float(mean.split()[1]) > 0.90
