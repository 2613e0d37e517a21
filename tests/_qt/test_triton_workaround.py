import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

WITH_A_WINDOW = """
    {before}
    import numpy as np
    import napari
    from qtpy.QtWidgets import QApplication
    viewer = napari.Viewer(show=False)
    viewer.add_image(np.zeros((9, 9)))
    QApplication.processEvents()
    {after}
    import triton
    viewer.add_labels(np.ones((9, 9), np.uint8))
    assert viewer.screenshot().any()
    viewer.close()
    print("alive")
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="this torch came without triton")
@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.slow), "after"])
def test_triton_can_be_imported_before_and_after_a_window_opens(when):
    lines = {"before": "", "after": ""} | {when: "from napari_segkit import devices"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITH_A_WINDOW).format(**lines)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
