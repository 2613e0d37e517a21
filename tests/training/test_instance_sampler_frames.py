"""Labels of several frames: a number may come back, and is another object there."""

from contextlib import closing

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.config import AugmentConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import identity_statistics
from napari_segkit.models.instance.solo import Solo
from napari_segkit.training.instance_sampler import ObjectSampler
from napari_segkit.training.sampler import Sample

SMALL, LARGE = 8, 20


def frames():
    """Squares of 8 pixels in the first frame, of 20 pixels elsewhere in the second, same ids."""
    ids = np.zeros((2, 96, 96), np.int32)
    for number in range(1, 10):
        y, x = 4 + 30 * ((number - 1) // 3), 4 + 30 * ((number - 1) % 3)
        ids[0, y : y + SMALL, x : x + SMALL] = number
        ids[1, y + 4 : y + 4 + LARGE, x + 4 : x + 4 + LARGE] = number
    return ids


@pytest.mark.parametrize("annotated", [False, True])
def test_a_patch_holds_the_objects_of_one_frame(annotated):
    ids = frames()
    if annotated:
        ids[:, 90:] = -1
    image = np.where(ids > 0, 100 * np.arange(2)[:, None, None] + np.maximum(ids, 0), 0)
    sample = Sample(
        AxesImage(image.astype(np.float32), "TYX"), AxesImage(ids, "TYX"), identity_statistics(1)
    )
    class_of = np.append(0, np.ones(9, np.intp))
    images, targets = ObjectSampler(
        [sample], (64, 64), class_of, augment=AugmentConfig(False), random=np.random.default_rng(0)
    ).batch(16)
    edges = set()
    for pixels, target in zip(images[:, 0], targets, strict=True):
        assert len(target["masks"]) > 0
        (frame,) = {int(v) // 100 for v in pixels[pixels > 0].tolist()}
        edge = (SMALL, LARGE)[frame]
        edges.add(edge)
        assert (target["boxes"][:, 2:] - target["boxes"][:, :2]).max() == edge
        for mask in target["masks"].bool():
            assert len(pixels[mask].unique()) == 1
    assert edges == {SMALL, LARGE}


def test_an_instance_method_is_fitted_to_the_objects_of_each_frame(monkeypatch):
    told, ids, keep = [], frames(), Solo.set_sizes

    def listen(network, sizes):
        told.append(sizes)
        keep(network, sizes)

    monkeypatch.setattr(Solo, "set_sizes", listen)
    image = np.random.default_rng(0).normal(50, 8, ids.shape) + 100 * (ids > 0)
    config = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(64, 0))
    segmenter = Segmenter(ModelSpec("solo"), device="cpu")
    with closing(segmenter.train_epochs(image, ids, config, axes="TYX")) as steps:
        next(steps)
    assert segmenter.trained.provenance["objects"] == 18
    assert told[-1].tolist() == [[SMALL, SMALL]] * 9 + [[LARGE, LARGE]] * 9
