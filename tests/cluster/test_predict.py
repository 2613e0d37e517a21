"""A cluster predicts the pixels that this machine predicts; what fails is said in a sentence."""


import numpy as np
import pytest
from distributed import LocalCluster
from skimage.data import coins

from napari_segkit import ClusterConfig, PredictConfig, Segmenter
from napari_segkit.inference.sink import MemorySink
from napari_segkit.steps import Finish, drain

IMAGE = np.tile(coins(), (2, 2))[:300, :500]


@pytest.fixture(scope="module")
def segmenter(make):
    return Segmenter.of_trained(make(1), device="cpu")


@pytest.fixture(scope="module")
def threads():
    """A cluster in this process, with a worker of two threads."""
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        yield ClusterConfig(cluster.scheduler_address)


@pytest.fixture
def blocks(monkeypatch):
    """Small blocks, so that there are many."""
    monkeypatch.setattr("napari_segkit.cluster.divide.MAX_BYTES", 3 * 3 * 64**2)


def test_a_cluster_gives_the_pixels_of_this_machine(segmenter, threads, blocks):
    config = PredictConfig(uncertainty="margin")
    options = {"config": config, "probabilities": True, "region": np.s_[30:, 10:450]}
    here = drain(segmenter.predict_tiles(IMAGE, **options))
    there = drain(segmenter.predict_tiles(IMAGE, cluster=threads, **options))
    for name in ("labels", "probabilities", "uncertainty"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    assert not there.is_partial
    assert there.provenance["cluster"] == {"workers": 1, "devices": ["cpu"], "threads": 1}
    assert {k: v for k, v in there.provenance.items() if k != "cluster"} == here.provenance


def test_a_stopped_prediction_goes_on_with_its_sink(segmenter, threads, blocks):
    sink = MemorySink()
    steps = segmenter.predict_tiles(IMAGE, cluster=threads, sink=sink)
    while next(steps).done == 0:
        pass
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    assert end.value.value.is_partial
    left = next(segmenter.predict_tiles(IMAGE, cluster=threads, sink=sink)).total
    whole = next(segmenter.predict_tiles(IMAGE, cluster=threads, sink=MemorySink())).total
    assert left < whole
    rest = drain(segmenter.predict_tiles(IMAGE, sink=sink))
    np.testing.assert_array_equal(rest.labels, segmenter.predict(IMAGE))
