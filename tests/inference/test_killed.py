"""A prediction that is killed at any moment goes on: the same labels, little of it done twice."""

import os
import signal
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest

from napari_segkit.io.zarr.result_paths import part_folder

SCRIPT = """
    import os, signal, sys
    import numpy as np
    from skimage.data import coins
    from napari_segkit import Segmenter
    from napari_segkit.inference import semantic
    from tests.inference.conftest import make_model
    import zarr.storage._local as store

    out, log, moment = sys.argv[1:]
    left, tiles, write = int(moment), open(log, "a"), store._put

    def put(path, value, exclusive=False):
        global left
        left -= 1
        if left == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".half.partial").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, value, exclusive)

    predict = semantic.tile_probabilities

    def tile_probabilities(plan, frame, batch):
        print(*(tile.start for tile in batch), file=tiles, flush=True)
        return predict(plan, frame, batch)

    semantic.tile_probabilities = tile_probabilities
    segmenter = Segmenter.of_trained(make_model(1), device="cpu")
    image = np.tile(coins(), (2, 2))
    if left < 0:
        np.save(out, segmenter.predict(image))
    else:
        store._put = put
        segmenter.predict(image, out=out)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_prediction_goes_on(tmp_path):
    out, log = tmp_path / "a.zarr", tmp_path / "tiles.txt"
    whole, every = tmp_path / "whole.npy", tmp_path / "every.txt"

    def run(*arguments):
        command = [sys.executable, "-c", dedent(SCRIPT), *map(str, arguments)]
        return subprocess.run(command, check=False, env=os.environ).returncode

    assert run(whole, every, -1) == 0
    moments = np.random.default_rng(0).integers(10, 45, 2)
    for moment in moments:
        if part_folder(out).exists() or not out.exists():
            assert run(out, log, moment) in (-signal.SIGKILL, 0)
    assert run(out, log, 10**6) == 0 if not out.exists() else True
    import zarr

    np.testing.assert_array_equal(zarr.open(out)["labels/prediction/0"][:], np.load(whole))
    tiles, expected = log.read_text().splitlines(), every.read_text().splitlines()
    assert set(tiles) == set(expected)
    row = len({line.split(",")[1] for line in expected})
    assert len(tiles) - len(expected) < len(moments) * 3 * row  # cells under way: two rows or so
    assert not list(out.rglob("*.partial"))
