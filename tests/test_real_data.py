"""Real images, minutes of training: run by `make test-all` where the data is."""

import numpy as np
import pytest
from imageio.v3 import imread

from napari_segkit import Segmenter, TileConfig, TrainConfig, evaluate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def membranes(real_data):
    """Images and masks of electron microscopy, 24 sections in order."""
    files = sorted((real_data / "isbi2012_em" / "images").glob("*.png"))
    return [imread(f) for f in files], [imread(f.parents[1] / "masks" / f.name) for f in files]


@pytest.fixture(scope="module")
def segmenter(membranes):
    images, masks = membranes
    return Segmenter().fit(images[:20], masks[:20], TrainConfig(epochs=12, unlabelled=None))


@pytest.fixture(scope="module")
def mosaic(membranes):
    a, b, c, d = membranes[0][20:]
    return np.block([[a, b], [c, d]])


def test_a_short_training_on_membranes_reaches_a_figure(segmenter, membranes):
    images, masks = membranes
    found = [segmenter.predict(image) for image in images[20:]]
    assert evaluate(found, masks[20:]).mean_iou > 0.7


def test_tiled_labels_agree_with_untiled_ones(segmenter, mosaic):
    tiled = segmenter.predict(mosaic)
    whole = segmenter.predict(mosaic, TileConfig(tile_size=1152))
    assert (tiled == whole).mean() >= 0.995


@pytest.mark.parametrize("factor", [0.5, 2.0])  # an integer would wrap around in uint8
def test_halved_or_doubled_intensities_keep_the_labels(segmenter, membranes, factor):
    image = membranes[0][20]
    changed = np.round(image * factor).astype(np.uint16)
    assert (segmenter.predict(changed) == segmenter.predict(image)).mean() >= 0.995
