"""Objects and segments whose tiles a cluster predicts are those of this machine."""

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from scipy import ndimage

from napari_segkit import (
    ClusterConfig,
    ModelSpec,
    ObjectConfig,
    PredictConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
    merge_panoptic,
)
from napari_segkit.cluster import tasks, worker
from napari_segkit.images.classes import LabelClass
from napari_segkit.inference import local_runner
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.steps import Finish, drain

SMALL = TileConfig(tile_size=64, overlap=16)
OBJECTS = (LabelClass(0, "background", "#000000"), LabelClass(1, "cell", "#ff0000"))


def scene(seed=0, shape=(120, 150)):
    """Bright discs, some of which touch, on a ground that is darker on the right."""
    random, ids = np.random.default_rng(seed), np.zeros(shape, np.int32)
    y, x = np.indices(shape)
    for number, (row, column) in enumerate(random.uniform(0, shape, (40, 2)), 1):
        ids[(y - row) ** 2 + (x - column) ** 2 < 50] = number
    ground = np.where(x < 75, 60.0, 20.0)
    image = np.where(ids > 0, 200, ground) + random.normal(0, 4, shape)
    classes = np.where(ids > 0, 3, np.where(x < 75, 1, 2)).astype(np.uint8)
    return image.astype(np.float32), ids, classes


@pytest.fixture(scope="module")
def threads():
    """A cluster in this process, with a worker of two threads."""
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as cluster:
        yield ClusterConfig(cluster.scheduler_address)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("napari_segkit.cluster.divide.MAX_BYTES", 2 * 48**2 * 30)
    monkeypatch.setattr("napari_segkit.inference.object_blocks.BLOCK", 2**12)
    monkeypatch.setattr("napari_segkit.inference.zarr_sink.SMALL_CHUNK", 2**10)


@pytest.fixture(scope="module")
def discs():
    """Finds discs by distance levels."""
    image, ids, _ = scene()
    spec = ModelSpec("pixels", objects="distance")
    return Segmenter(spec, device="cpu").fit(image, ids, TrainConfig(unlabelled=None))


@pytest.fixture(scope="module")
def merged(discs):
    image, _, classes = scene()
    config = TrainConfig(unlabelled=None, labels_are="classes")
    ground = Segmenter(ModelSpec("pixels"), device="cpu").fit(image, classes, config)
    return merge_panoptic(ground, discs, stuff=[1, 2])


def require_same(found, expected):
    np.testing.assert_array_equal(found.labels[:], expected.labels)
    np.testing.assert_array_equal(found.probabilities[:], expected.probabilities)
    np.testing.assert_array_equal(found.uncertainty[:], expected.uncertainty)
    pd.testing.assert_frame_equal(found.objects.table, expected.objects.table, check_dtype=False)
    assert len(expected.objects) > 10


@pytest.mark.filterwarnings("ignore:.*NaN")
@pytest.mark.parametrize("is_merged", [False, True])
def test_objects_are_those_of_this_machine(discs, merged, threads, tmp_path, is_merged):
    image = scene(1)[0]
    image[40:44, 30:50] = np.nan
    one, region = (merged, None) if is_merged else (discs, np.s_[10:, 20:140])
    config = PredictConfig(uncertainty="margin")
    settings = {"tile": SMALL, "config": config, "probabilities": True, "region": region}
    here = drain(one.predict_tiles(image, **settings))
    there = drain(one.predict_tiles(image, **settings, cluster=threads))
    require_same(there, here)
    assert there.provenance["cluster"]["workers"] == 1
    local = drain(one.predict_tiles(image, **settings, out=tmp_path / "a.zarr"))
    stored = drain(one.predict_tiles(image, **settings, out=tmp_path / "b.zarr", cluster=threads))
    require_same(stored, local)


def test_a_stopped_prediction_goes_on(discs, threads, tmp_path):
    image, target = scene(1)[0], tmp_path / "a.zarr"
    steps = discs.predict_tiles(image, SMALL, out=target, cluster=threads)
    while next(steps).done == 0:
        pass
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    assert end.value.value.is_partial
    with pytest.warns(UserWarning, match="begun before"):
        found = discs.predict_objects(image, SMALL, out=target, cluster=threads)
    expected = discs.predict_objects(image, SMALL, out=tmp_path / "b.zarr")
    np.testing.assert_array_equal(found.labels[:], expected.labels[:])


def blobs(plan, frame, tiles):
    """Soft masks of a tile's bright blobs, as a network might give them."""
    found = []
    for tile in tiles:
        pixels = plan.read(frame, tile)[0]
        boxes = ndimage.find_objects(ndimage.label(pixels > 0.6)[0])
        edges = np.array([(x.start, y.start, x.stop, y.stop) for y, x in boxes], np.float32)
        scores = np.array([pixels[box].mean() for box in boxes], np.float32)
        masks, ones = np.ones((len(boxes), 28, 28), np.float16), np.ones(len(boxes), np.intp)
        found.append(SoftMasks.concatenate([SoftMasks(edges.reshape(-1, 4), masks, ones, scores)]))
    return found


@pytest.fixture
def masks(make, monkeypatch):
    """A model of masks, whose network is never asked."""
    model = make(
        1,
        spec=ModelSpec("maskrcnn", encoder="resnet18"),
        classes=OBJECTS,
        object_size=14.0,
        tile_size=(64, 64),
    )
    monkeypatch.setattr(local_runner, "tile_masks", blobs)
    monkeypatch.setattr(tasks, "bytes_of", lambda _: worker.ModelBytes(b"", ""))
    monkeypatch.setattr(worker, "_loaded", lambda *_: model)
    return Segmenter.of_trained(model, device="cpu")


def test_masks_are_those_of_this_machine(masks, threads, tmp_path):
    image = np.stack([scene(1)[0], scene(2)[0]])
    config, objects = PredictConfig(uncertainty="margin"), ObjectConfig(score=0.3)
    settings = {"axes": "ZYX", "config": config, "objects": objects, "probabilities": True}
    here = drain(masks.predict_tiles(image, **settings))
    require_same(drain(masks.predict_tiles(image, **settings, cluster=threads)), here)
    out = {"out": tmp_path / "a.zarr", "cluster": threads}
    require_same(drain(masks.predict_tiles(image, **settings, **out)), here)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maskrcnn", "solo"])
def test_a_network_of_masks_predicts_on_processes(name):
    import torch

    from napari_segkit.models import Inputs, build, outputs, resolve
    from napari_segkit.trained_model import TrainedModel

    torch.manual_seed(0)
    spec, config = resolve(ModelSpec(name, encoder="resnet18", dims="2D")), TrainConfig()
    network = build(spec, Inputs(1, outputs(spec, 2, config), (1.0, 1.0))).eval()
    if name == "solo":
        torch.nn.init.zeros_(network.head.category[-1].bias)  # else it finds nothing untrained
    model = TrainedModel(
        network=network,
        spec=spec,
        config=config,
        classes=OBJECTS,
        channels=1,
        axes="YX",
        spacing=(1.0, 1.0, 1.0),
        tile_size=(64, 64),
        overlap=(32, 32),
        object_size=14.0,
    )
    one, image = Segmenter.of_trained(model, device="cpu"), scene(1)[0]
    objects = ObjectConfig(score=0.1)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        found = one.predict_objects(
            image, objects=objects, cluster=ClusterConfig(cluster.scheduler_address)
        )
    expected = one.predict_objects(image, objects=objects)
    assert len(expected) > 0
    np.testing.assert_array_equal(found.labels, expected.labels)
