"""Refinement of a prediction that goes to a folder: in blocks, as it is in memory."""

import numpy as np
import pytest
from skimage.data import coins

from napari_segkit import CleanConfig, CRFConfig, ModelSpec, MRFConfig, RefineConfig, Segmenter
from napari_segkit.inference import plan
from napari_segkit.inference.blocks import block_edges, divide
from napari_segkit.steps import drain

REFINEMENTS = {
    "crf": RefineConfig("crf", crf=CRFConfig()),
    "mrf": RefineConfig("mrf", mrf=MRFConfig()),
    "clean": RefineConfig(clean=(CleanConfig(4, min_size=30, fill_holes=20),)),
    "open": RefineConfig(clean=(CleanConfig(300, open=2.0, close=1.0),)),
    "largest": RefineConfig(clean=(CleanConfig(4, largest=True),)),
}


@pytest.fixture
def segmenter(make):
    one = Segmenter(ModelSpec(), device="cpu")
    one.trained = make(1)
    return one


@pytest.mark.parametrize("name", REFINEMENTS)
def test_blocks_are_refined_as_in_memory(segmenter, monkeypatch, tmp_path, name):
    monkeypatch.setattr(plan, "BLOCK_VALUES", 3 * 128**2)
    image, refine = coins()[:300], REFINEMENTS[name]
    expected = drain(segmenter.predict_tiles(image, refine=refine, probabilities=True))
    out = tmp_path / "a.zarr"
    steps = segmenter.predict_tiles(image, refine=refine, probabilities=True, out=out)
    result = drain(steps)
    agreement = (result.labels[:] == expected.labels).mean()
    assert agreement > 0.999 if name == "crf" else agreement == 1  # CRF: blocks of other sizes
    tolerance = 0.1 if name == "crf" else 1e-6
    np.testing.assert_allclose(result.probabilities[:], expected.probabilities, atol=tolerance)


def test_a_block_is_finished_by_itself(segmenter, monkeypatch, tmp_path):
    monkeypatch.setattr(plan, "BLOCK_VALUES", 3 * 128**2)
    image, refine, out = coins()[:300], REFINEMENTS["mrf"], tmp_path / "a.zarr"
    steps = segmenter.predict_tiles(image, refine=refine, out=out)
    first = next(steps)
    for _ in range(first.total // 2):
        next(steps)
    steps.close()
    with pytest.warns(UserWarning, match="goes on"):
        rest = list(segmenter.predict_tiles(image, refine=refine, out=out))
    assert rest[0].total < first.total
    region = np.s_[20:250, 50:]
    labels = segmenter.predict(image, refine=refine, region=region, out=out, overwrite=True)
    np.testing.assert_array_equal(labels[:], segmenter.predict(image, refine=refine, region=region))


def test_blocks_are_whole_steps_and_divide_a_box():
    edges = block_edges((72, 72), (1000, 200), 300 * 200)
    assert edges == [288, 216]
    blocks = [block for _, block in divide((slice(100, 700), slice(0, 200)), edges)]
    assert [b[0].start for b in blocks] == [100, 288, 576]
    assert blocks[-1] == (slice(576, 700), slice(0, 200))
