"""A cluster predicts the pixels that this machine predicts; what fails is said in a sentence."""

import sys
from subprocess import Popen, run

import numpy as np
import pytest
from distributed import LocalCluster
from skimage.data import coins

from napari_segkit import CleanConfig, ClusterConfig, PredictConfig, RefineConfig, Segmenter
from napari_segkit.cluster import connection, tasks, worker
from napari_segkit.cluster.block import block_of
from napari_segkit.inference.sink import MemorySink
from napari_segkit.steps import Finish, drain
from napari_segkit.versions import versions

IMAGE = np.tile(coins(), (2, 2))[:200, :300]


@pytest.fixture(scope="module")
def segmenter(make):
    return Segmenter.of_trained(make(1), device="cpu")


@pytest.fixture(scope="module")
def threads():
    """A cluster in this process, with a worker of two threads."""
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as cluster:
        yield ClusterConfig(cluster.scheduler_address)


@pytest.fixture
def blocks(monkeypatch):
    """Small blocks, so that there are many."""
    monkeypatch.setattr("napari_segkit.cluster.divide.MAX_BYTES", 3 * 3 * 64**2)


def test_a_cluster_gives_the_pixels_of_this_machine(segmenter, threads, blocks):
    config = PredictConfig(uncertainty="margin")
    options = {"config": config, "probabilities": True, "region": np.s_[30:, 10:250]}
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


def test_a_cluster_fills_a_zarr_folder(segmenter, threads, blocks, tmp_path):
    labels = segmenter.predict(IMAGE, out=tmp_path / "cells.zarr", cluster=threads)
    np.testing.assert_array_equal(np.asarray(labels), segmenter.predict(IMAGE))


def test_a_refined_image_is_divided_where_it_goes_into_a_folder(
    make, threads, monkeypatch, tmp_path
):
    sent = []
    monkeypatch.setattr("napari_segkit.inference.plan.BLOCK_VALUES", 3 * 64**2)

    def noted(*args, **options):
        sent.append(block_of(*args, **options))
        return sent[-1]

    monkeypatch.setattr(tasks, "block_of", noted)
    refine = RefineConfig(clean=(CleanConfig(4, fill_holes=30.0, min_size=20.0),))
    segmenter = Segmenter.of_trained(make(1, refine=refine), device="cpu")
    image, region = IMAGE[:100], np.s_[20:, 10:]
    there = segmenter.predict(image, out=tmp_path / "a.zarr", region=region, cluster=threads)
    np.testing.assert_array_equal(np.asarray(there), segmenter.predict(image, region=region))
    assert len(sent) > 1
    assert sent[0].image.data.pixels.size < image.size  # a block with what is around it


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "tcp:/", "no-such-file.json"])
def test_a_scheduler_that_does_not_answer_is_said(segmenter, address, require_sentence):
    with pytest.raises((ConnectionError, ValueError)) as raised:
        segmenter.predict(IMAGE, cluster=ClusterConfig(address, timeout=0.3))
    require_sentence(str(raised.value), "scheduler", address)


def test_nothing_is_said_to_be_kept_where_nothing_was_begun(segmenter, tmp_path):
    nobody = ClusterConfig("tcp://127.0.0.1:9", timeout=0.3)
    with pytest.raises(OSError, match="does not answer") as raised:
        segmenter.predict(IMAGE, out=tmp_path / "a.zarr", cluster=nobody)
    assert "is kept" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_the_missing_package_is_named(segmenter, monkeypatch, require_sentence):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="pip install") as raised:
        segmenter.predict(IMAGE, cluster=ClusterConfig("tcp://127.0.0.1:9"))
    require_sentence(str(raised.value), 'pip install "napari-segkit[cluster]"')


def test_workers_of_another_version_are_refused_or_told(segmenter, threads, monkeypatch):
    here = versions()
    monkeypatch.setattr(worker, "versions", lambda: here | {"napari-segkit": "0.0.1"})
    with pytest.raises(ValueError, match=r"has napari-segkit 0\.0\.1.*install the same version"):
        segmenter.predict(IMAGE, cluster=threads)
    monkeypatch.setattr(worker, "versions", lambda: here | {"torch": "1.0"})
    with pytest.warns(UserWarning, match=r"A worker has torch 1\.0") as told:
        segmenter.predict(IMAGE, cluster=threads)
    assert len(told) == 1


def test_an_error_of_a_block_is_that_of_this_machine(segmenter, threads, monkeypatch):
    def fail(*_):
        raise ValueError("Memory ran out at a single tile: give a smaller tile_size.")

    monkeypatch.setattr(worker, "predict_block", fail)
    with pytest.raises(ValueError, match="at a single tile"):
        segmenter.predict(IMAGE, cluster=threads)


def test_a_lost_scheduler_is_said_and_what_is_finished_is_kept(segmenter, blocks, require_sentence):
    sink = MemorySink()
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        config = ClusterConfig(cluster.scheduler_address, timeout=0.5)
        steps = segmenter.predict_tiles(IMAGE, cluster=config, sink=sink)
        while next(steps).done == 0:
            pass
    with pytest.raises(ConnectionError) as raised:
        drain(steps)
    require_sentence(str(raised.value), config.scheduler, "was lost")
    assert 0 < sink.predicted.pixels < IMAGE.size
    rest = drain(segmenter.predict_tiles(IMAGE, sink=sink))
    np.testing.assert_array_equal(rest.labels, segmenter.predict(IMAGE))


@pytest.mark.slow
def test_a_killed_worker_costs_only_time(segmenter, blocks):
    with LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        with Popen([*command, "--no-nanny", "--nthreads", "1", "--no-dashboard"]) as other:
            steps = segmenter.predict_tiles(IMAGE, cluster=ClusterConfig(address))
            with pytest.warns(UserWarning, match="no workers yet"):
                step = next(step for step in steps if step.done)
            other.kill()  # it holds the model and all other blocks
        assert step.done < step.total
        cluster.scale(1)
        there = drain(steps)
    np.testing.assert_array_equal(there.labels, segmenter.predict(IMAGE))
    assert there.provenance["cluster"]["workers"] == 2


@pytest.mark.parametrize(
    ("error", "is_of_versions"),
    [
        (ModuleNotFoundError("No module named 'napari_segkit'"), True),
        (AttributeError("Can't get attribute 'Block' on <module 'block'>"), True),
        (AttributeError("'NoneType' object has no attribute 'shape'"), False),
        (ValueError("bad chunk"), False),
    ],
)
def test_only_what_a_worker_cannot_load_is_said_to_be_of_another_version(error, is_of_versions):
    found = connection.worker_error(error, ClusterConfig("tcp://10.0.0.5:8786"))
    assert (found is not error) == is_of_versions
    assert ("install the same version" in str(found)) == is_of_versions


AFTERWARDS = """
import dask.array as da
from napari_segkit import ClusterConfig
from napari_segkit.cluster.connection import connected

try:
    with connected(ClusterConfig("tcp://127.0.0.1:1", timeout=0.2)):
        pass
except ConnectionError:
    print(da.ones(3).sum().compute())
"""


def test_other_work_of_dask_goes_on_after_the_first_connection_of_a_process():
    done = run([sys.executable, "-c", AFTERWARDS], capture_output=True, text=True, check=False)
    assert done.stdout == "3.0\n", done.stderr
