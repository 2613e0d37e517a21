"""What does not fit into memory is said before any work; a batch that does not is halved."""

import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
from skimage.data import coins

from napari_segkit import CRFConfig, ModelSpec, PredictConfig, RefineConfig, Segmenter, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.regions import as_region
from napari_segkit.inference import memory
from napari_segkit.inference.plan import unmeasured_plan
from napari_segkit.steps import drain

from .conftest import SmallNetwork, make_model

HUGE = np.broadcast_to(np.uint8(7), (40_000, 40_000))


@pytest.fixture
def segmenter(make):
    one = Segmenter(ModelSpec(), device="cpu")
    one.trained = make(1)
    return one


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"probabilities": True}, ("probabilities 17.9", "leave the probabilities out")),
        ({"refine": RefineConfig("crf", crf=CRFConfig())}, ("frames 35.8", "refinement out")),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(
    segmenter, monkeypatch, require_said, options, words
):
    monkeypatch.setattr(memory, "free_memory", lambda _: 8 * 2**30)
    monkeypatch.setattr(type(segmenter.trained), "measure", None)
    with pytest.raises(ValueError, match="needs about") as error:
        next(segmenter.predict_tiles(HUGE, axes="YX", **options))
    require_said(error.value, "40000 x 40000", "of the 8.0 GiB that are free", *words)


def test_what_fits_is_a_region(segmenter, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda _: 2**20)
    region = np.s_[:300, :300]
    with pytest.raises(ValueError, match=r"a region, such as (\d+) x \1 pixels"):
        next(segmenter.predict_tiles(coins(), probabilities=True))
    monkeypatch.setattr(memory, "free_memory", lambda _: 2**22)
    next(segmenter.predict_tiles(coins(), probabilities=True, region=region))


def test_a_region_needs_no_rows_of_tiles_across_the_whole_image(make, monkeypatch):
    image = AxesImage(HUGE, "YX")
    region = as_region(np.s_[:100, :100], image)
    plan = unmeasured_plan(make(1), image, TileConfig(), PredictConfig(), region)
    monkeypatch.setattr(memory, "free_memory", lambda _: 2**21)
    memory.require_memory(plan, probabilities=False, keeps_labels=True)


class SmallMemory(SmallNetwork):
    """Has memory for so many tiles at once."""

    most = 2

    def forward(self, x):
        if len(x) > self.most:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        return super().forward(x)


def test_a_batch_that_does_not_fit_is_halved_and_recorded():
    segmenter, plain = (Segmenter(ModelSpec(), device="cpu") for _ in range(2))
    plain.trained = make_model(1)
    segmenter.trained = make_model(1, network=SmallMemory(1).eval())
    segmenter.trained.network.load_state_dict(plain.trained.network.state_dict())
    tile = TileConfig(batch_size=4)
    with pytest.warns(UserWarning, match="Memory ran out at 4 tiles of 96 x 96 pixels"):
        result = drain(segmenter.predict_tiles(coins(), tile))
    assert result.provenance["tiles_at_once"] == 2
    assert result.provenance["batch_size"] == 4
    np.testing.assert_array_equal(result.labels, plain.predict(coins(), tile))
    network = SmallMemory(1).eval()
    network.most = 0
    segmenter.trained = make_model(1, network=network)
    with (
        pytest.warns(UserWarning, match="so 1 are predicted"),
        pytest.raises(ValueError, match=r"single tile of 96 x 96 .* tile_size=48"),
    ):
        segmenter.predict(coins(), TileConfig(batch_size=2))


LIMITED = """
    import resource, sys, warnings
    import numpy as np
    sys.path.insert(0, {tests!r})
    from conftest import make_model
    from napari_segkit import ModelSpec, Segmenter, TileConfig
    segmenter = Segmenter(ModelSpec(), device="cpu")
    segmenter.trained = make_model(1)
    image = np.zeros((1792, 1792), np.uint8)  # one batch of 64 tiles
    image[::7] = 200
    segmenter.predict(image[:100, :100], TileConfig(256))  # loads everything
    import psutil
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20,) * 2)
    try:
        segmenter.predict(np.broadcast_to(np.uint8(7), (20_000, 20_000)))
    except ValueError as error:
        print(error)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        labels = segmenter.predict(image, TileConfig(256, batch_size=64))
    print(*[w.message for w in said], labels.shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems are not kept")
def test_a_process_with_little_memory_says_what_fits_and_halves_its_batches(tmp_path):
    script = dedent(LIMITED.format(tests=__file__.rpartition("/")[0]))
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False
    )
    assert run.returncode == 0, run.stderr
    refused, halved = run.stdout.splitlines()
    assert "20000 x 20000 pixels) needs about 0." in refused
    assert "Memory ran out at" in halved
    assert halved.endswith("(1792, 1792)")
