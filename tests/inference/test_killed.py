"""A prediction that is killed at any moment goes on: the same labels, little of it done twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from skimage.data import coins

from napari_segkit import Segmenter
from napari_segkit.inference import semantic

from .conftest import make_model

IMAGE = np.tile(coins(), (2, 2))
SCRIPT = """
    import os, signal, sys
    import numpy as np
    import zarr.storage._local as store
    from skimage.data import coins
    from conftest import make_model
    from napari_segkit import Segmenter
    from napari_segkit.inference import semantic

    out, log, chunk, left = *sys.argv[1:4], int(sys.argv[4])
    write, predict = store._put, semantic.tile_probabilities

    def put(path, value, exclusive=False):
        global left
        left -= str(path).endswith(chunk)
        if not left:  # in the middle of a file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".half.partial").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, value, exclusive)

    def tile_probabilities(plan, frame, tiles):
        with open(log, "a") as file:
            print(*(tile.start for tile in tiles), file=file)
        return predict(plan, frame, tiles)

    store._put, semantic.tile_probabilities = put, tile_probabilities
    Segmenter.of_trained(make_model(1), device="cpu").predict(np.tile(coins(), (2, 2)), out=out)
"""


def predict_until(out, log, chunk, count):
    """Predict in another process, which is killed when it writes a chunk for the nth time."""
    command = [sys.executable, "-c", dedent(SCRIPT), out, log, chunk, str(count)]
    ended = subprocess.run(
        command, check=False, cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return ended.returncode, ended.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_prediction_goes_on(tmp_path, monkeypatch):
    out, log = tmp_path / "a.zarr", tmp_path / "tiles.txt"
    moments = [("prediction/0/c/0/1", 5), ("prediction/0/c/1/1", 6), ("prediction/1/c/0/0", 1)]
    for moment in moments:
        status, text = predict_until(out, log, *moment)
        assert status == -signal.SIGKILL, text
        assert not out.exists()
    tiles = log.read_text().splitlines()
    segmenter = Segmenter.of_trained(make_model(1), device="cpu")
    expected = segmenter.predict(IMAGE)
    monkeypatch.setattr(semantic, "tile_probabilities", None)  # coarse levels alone are missing
    with pytest.warns(UserWarning, match="goes on with it"):
        labels = segmenter.predict(IMAGE, out=out)
    np.testing.assert_array_equal(labels[:], expected)
    row = len({tile.split(",")[1] for tile in tiles})
    rows = len({tile.split(",")[0] for tile in tiles})
    assert len(set(tiles)) == rows * row
    assert len(tiles) - rows * row <= 2 * 2 * row  # two rows of tiles were under way each time
    assert not list(out.rglob("*.partial"))
    assert {file.name for file in tmp_path.iterdir()} == {"tiles.txt", "a.zarr"}
