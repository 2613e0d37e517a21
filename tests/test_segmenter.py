import warnings

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from skimage.data import coins
from skimage.filters import gaussian

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, list_models
from napari_segkit.images.axes_image import AxesImage, reorient_image
from napari_segkit.images.labels import LabelsError
from napari_segkit.images.orientation import reorient
from napari_segkit.steps import drain

QUICK = TrainConfig(epochs=1, steps_per_epoch=2, tile=TileConfig(64, 32))


@pytest.fixture(scope="module")
def scene():
    """Coins with a coarse truth (1 background, 2 coin) and scribbles on every sixth line."""
    image = coins()[:192, :192]
    truth = np.where(gaussian(coins(), 3)[:192, :192] > 0.45, 2, 1).astype(np.uint8)
    scribbles = np.zeros_like(truth)
    scribbles[::6] = truth[::6]
    return image, scribbles, truth


@pytest.fixture(scope="module")
def learned(scene):
    image, scribbles, _ = scene
    config = TrainConfig(epochs=4, steps_per_epoch=10, tile=TileConfig(64, 32))
    return Segmenter().fit(image, scribbles, config)


def test_a_small_training_on_scribbles_reaches_a_figure(scene, learned):
    image, _, truth = scene
    assert (learned.predict(image) == truth).mean() > 0.9
    assert learned.history[-1] < learned.history[0]
    assert [c.value for c in learned.classes] == [1, 2]
    assert learned.trained.provenance["images_seen"] == 160


def test_dense_masks_keep_their_values_0_and_255(scene):
    image, _, truth = scene
    mask = np.where(truth == 2, 255, 0).astype(np.uint8)
    config = TrainConfig(epochs=3, steps_per_epoch=10, tile=TileConfig(64, 32), unlabelled=None)
    found = Segmenter().fit(image, mask, config).predict(image)
    assert set(np.unique(found)) == {0, 255}
    assert (found == mask).mean() > 0.85


def test_unlabelled_255_leaves_0_as_a_class(scene):
    image, scribbles, _ = scene
    labels = np.where(scribbles == 0, 255, scribbles - 1).astype(np.uint8)
    seg = Segmenter().fit(image, labels, TrainConfig(**vars(QUICK) | {"unlabelled": 255}))
    assert [c.value for c in seg.classes] == [0, 1]


def test_what_unlabelled_pixels_look_like_does_not_matter(scene):
    image, scribbles, _ = scene
    config = TrainConfig(**vars(QUICK) | {"normalise": "none", "augment": False})
    one = Segmenter().fit(image, scribbles, config)
    other = Segmenter().fit(
        image,
        np.where(scribbles == 0, 9, scribbles),
        TrainConfig(**vars(config) | {"unlabelled": 9}),
    )
    np.testing.assert_array_equal(one.predict_proba(image), other.predict_proba(image))


def test_the_same_seed_gives_the_same_model(scene):
    image, scribbles, _ = scene
    one, other, third = (
        Segmenter()
        .fit(image, scribbles, TrainConfig(**vars(QUICK) | {"seed": s}))
        .predict_proba(image)
        for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)


def test_stopping_keeps_what_was_learned(scene):
    image, scribbles, _ = scene
    seg = Segmenter()
    for step in seg.train_epochs(image, scribbles, TrainConfig(epochs=50, tile=TileConfig(64, 32))):
        if step.done == 3:
            break
    assert seg.is_trained
    assert len(seg.history) == 3
    assert not seg.trained.network.training


def test_an_error_or_an_early_stop_keeps_the_previous_model(scene, learned):
    image, scribbles, _ = scene
    seg, before = Segmenter(), learned.trained
    seg.trained = before
    with pytest.raises(LabelsError):
        seg.fit(image, scribbles * 0)
    seg.train_epochs(image, scribbles).close()
    steps = seg.train_epochs(
        image,
        scribbles,
        TrainConfig(
            learning_rate=1.0, **{k: v for k, v in vars(QUICK).items() if k != "learning_rate"}
        ),
    )
    next(steps)
    with pytest.raises(RuntimeError, match="stopped by a test"):
        steps.throw(RuntimeError("stopped by a test"))
    assert seg.trained is before


def test_the_model_that_a_training_replaced_can_be_restored(scene):
    image, scribbles, _ = scene
    seg = Segmenter()
    with pytest.raises(ValueError, match="no previous model to restore"):
        seg.restore()
    first = seg.fit(image, scribbles, QUICK).trained
    second = seg.fit(image, scribbles, QUICK).trained
    seg.restore()
    assert seg.trained is first
    seg.restore()
    assert seg.trained is second


def test_layers_train_and_predict_as_their_arrays(scene):
    image, scribbles, _ = scene
    features = {"index": [1, 2], "name": ["ground", "coin"]}
    layers = ImageLayer(image, scale=(2, 2)), Labels(scribbles, features=features)
    by_layer = Segmenter().fit(*layers, QUICK)
    by_array = Segmenter().fit(image, scribbles, QUICK)
    np.testing.assert_array_equal(by_layer.predict(layers[0]), by_array.predict(image))
    assert [c.name for c in by_layer.classes] == ["ground", "coin"]
    assert by_layer.trained.spacing == (1.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("axes", "lazy"),
    [
        ("YXC", False),
        ("CYX", True),
        ("ZYX", True),
        ("ZYXC", False),
        ("TZYX", False),
        ("TCZYX", True),
    ],
)
def test_any_axes_train_and_predict(scene, axes, lazy):
    image, scribbles, _ = scene
    letters = {"Y": 64, "X": 72, "C": 2, "Z": 2, "T": 2}
    plane, painted = image[:64, :72], scribbles[:64, :72]
    shape = [letters[a] for a in axes]
    data = np.broadcast_to(plane.reshape([letters[a] if a in "YX" else 1 for a in axes]), shape)
    labels_shape = [letters[a] for a in axes if a != "C"]
    labels = np.broadcast_to(painted, labels_shape).copy()
    seg = Segmenter().fit(da.from_array(data) if lazy else data.copy(), labels, QUICK, axes=axes)
    assert seg.trained.channels == (2 if "C" in axes else 1)
    assert seg.predict(data).shape == tuple(labels_shape)
    assert seg.predict_proba(data).shape == (2, *labels_shape)


def test_lists_of_images_train_one_model(scene):
    image, scribbles, _ = scene
    seg = Segmenter().fit([image, image[:100, :50]], [scribbles, scribbles[:100, :50]], QUICK)
    assert seg.trained.provenance["images"] == ["image", "image"]


def test_an_image_smaller_than_a_tile_works(scene):
    image, _, truth = scene
    config = TrainConfig(epochs=1, steps_per_epoch=1)
    seg = Segmenter().fit(image[60:80, :29], truth[60:80, :29], config)
    assert (seg.trained.tile_size, seg.trained.overlap) == ((64, 64), (32, 32))
    assert seg.predict(image[:9, :11]).shape == (9, 11)


def test_four_named_channels_and_rgba_are_predicted_as_they_were_trained(scene):
    image, scribbles, _ = scene
    rgba = np.stack([image] * 4, axis=-1)
    four = Segmenter().fit(rgba, scribbles, QUICK, axes="YXC")
    assert four.trained.channels == 4
    assert four.predict(rgba).shape == image.shape
    three = Segmenter().fit(rgba, scribbles, QUICK)
    assert three.trained.channels == 3
    np.testing.assert_array_equal(three.predict(rgba), three.predict(rgba[..., :3]))


def test_binary_images_train_and_predict(scene):
    image, scribbles, _ = scene
    seg = Segmenter().fit(((image > 120) * 255).astype(np.uint8), scribbles, QUICK)
    assert seg.predict(image > 120).shape == image.shape


def test_grey_edges_of_one_mask_are_cleaned_in_all_of_a_training_and_said(scene):
    image, _, truth = scene
    soft = np.clip(gaussian((truth == 2).astype(float), 1) * 255, 0, 255).astype(np.uint16)
    hard = np.where(np.arange(192) < 90, 255, 0)[None].repeat(192, 0)
    hard[:, 90] = 99
    config = TrainConfig(**vars(QUICK) | {"unlabelled": None})
    with pytest.warns(UserWarning, match="above 127"):
        seg = Segmenter().fit([image, image], [soft, hard], config)
    assert [c.value for c in seg.classes] == [0, 255]


def test_names_come_from_all_layers(scene):
    image, scribbles, _ = scene
    one = Labels(scribbles, features={"index": [1, np.nan], "name": ["ground", "nothing"]})
    two = Labels(scribbles, features={"index": [2], "name": ["coin"]})
    seg = Segmenter().fit([image, image], [one, two], QUICK)
    assert [c.name for c in seg.classes] == ["ground", "coin"]


def test_too_many_classes_are_refused(scene):
    image, _, _ = scene
    ids = np.arange(192 * 192, dtype=np.int32).reshape(192, 192)
    with pytest.raises(LabelsError, match="at most 1000"):
        Segmenter().fit(image, ids, TrainConfig(labels_are="classes", unlabelled=None))


@pytest.mark.parametrize("normalise", ["image", "training", "none"])
@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_pixels_that_are_no_numbers_are_named_whatever_the_normalisation(scene, normalise, wrap):
    image, scribbles, _ = scene
    broken = wrap(np.where(image > 99, np.nan, image))
    with pytest.raises(ValueError, match="NaN or infinite"):
        Segmenter().fit(broken, scribbles, TrainConfig(**vars(QUICK) | {"normalise": normalise}))


def test_an_overlap_that_does_not_fit_is_refused(scene):
    image, scribbles, _ = scene
    with pytest.raises(ValueError, match="overlap of 300 pixels is more than half"):
        Segmenter().fit(image, scribbles, TrainConfig(tile=TileConfig(overlap=300)))


def test_training_follows_the_declared_time(scene):
    image, scribbles, _ = scene
    config = TrainConfig(epochs=1000, minutes=0.05, tile=TileConfig(64, 32))
    steps = list(Segmenter().train_epochs(image, scribbles, config))
    assert 2 < steps[-1].seconds < 8


BAD = {
    "no labels": (lambda i, s: (i, None), "make a Labels layer"),
    "empty labels": (lambda i, s: (i, s * 0), "Nothing is labelled"),
    "one class only": (lambda i, s: (i, (s == 1).astype(int)), "one class only"),
    "other shape": (lambda i, s: (i, s[:-1]), "needs labels of shape"),
    "other ndim": (lambda i, s: (i, s[0]), "needs labels of shape|axes"),
    "float labels": (lambda i, s: (i, s.astype(float)), "float64"),
    "bool labels": (lambda i, s: (i, s > 1), "bool"),
    "negative values": (lambda i, s: (i, s.astype(int) - 1), "negative"),
    "constant image": (lambda i, s: (i * 0, s), "constant"),
    "NaN pixels": (lambda i, s: (np.where(i > 99, np.nan, i), s), "NaN"),
    "infinite pixels": (lambda i, s: (np.where(i > 99, np.inf, i), s), "infinite"),
    "list and array": (lambda i, s: ([i], s), "list of each"),
    "lists of other lengths": (lambda i, s: ([i, i], [s]), "2 images and 1 labels"),
    "channels differ": (lambda i, s: ([i, np.stack([i] * 3, -1)], [s, s]), "1 and 3 channels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_a_sentence_before_work_starts(scene, case):
    change, said = BAD[case]
    image, labels = change(*scene[:2])
    seg = Segmenter()
    with pytest.raises(ValueError, match=said) as error:
        seg.fit(image, labels, QUICK)
    assert "\n" not in str(error.value)
    assert not seg.is_trained


def test_what_looks_wrong_is_warned_of_once(scene):
    image, scribbles, _ = scene
    sparse = np.where(np.arange(192)[:, None] % 18, 0, scribbles)
    with pytest.warns(UserWarning, match="for scribbles") as caught:
        Segmenter().fit(image, sparse, TrainConfig(**vars(QUICK) | {"unlabelled": None}))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Segmenter().fit(image, scribbles, QUICK)


@pytest.mark.parametrize("lies", ["LPI", "RAS"])
@pytest.mark.parametrize("model", [ModelSpec("unet3d"), ModelSpec("pixels"), ModelSpec("unet")])
def test_a_volume_that_lies_otherwise_gets_the_same_labels_in_place(model, lies):
    volume = np.random.default_rng(0).normal(size=(6, 32, 40)).cumsum(axis=1)
    image = AxesImage(volume, "ZYX", (3.0, 0.5, 0.4), orientation="SAR")
    labels = (volume > np.median(volume)).astype(np.uint8) + 1
    segmenter = Segmenter(model).fit(image, labels, QUICK)
    other = reorient_image(image, lies)
    assert other.orientation == lies
    again = reorient(segmenter.predict(other), "ZYX", lies, "SAR")
    np.testing.assert_array_equal(again, segmenter.predict(image))
    both = Segmenter(model)
    both.fit([image, other], [labels, reorient(labels, "ZYX", "SAR", lies)], QUICK)
    assert both.trained.orientation == "SAR"
    assert both.trained.spacing == (3.0, 0.5, 0.4)


def test_untrained_models_and_unknown_names_say_what_to_do(scene):
    with pytest.raises(ValueError, match="train it, or load"):
        Segmenter().predict(scene[0])
    with pytest.raises(ValueError, match="choose one of unet"):
        Segmenter(ModelSpec("unknown"))
    with pytest.raises(ValueError, match=r"choose one of its .* such as resnet18"):
        Segmenter(ModelSpec("unet", encoder="unknown"))
    with pytest.raises(ValueError, match="choose one of auto"):
        Segmenter(device="cuda:77").fit(*scene[:2], QUICK)
    assert next(m.name for m in list_models()) == "unet"


@pytest.mark.gpu
def test_a_gpu_gives_nearly_the_cpus_labels(scene, learned, tmp_path):
    learned.save(tmp_path / "m.segkit")
    on_gpu = Segmenter.load(tmp_path / "m.segkit", device="cuda")
    found = drain(on_gpu.predict_tiles(scene[0]))
    assert found.provenance["device"].startswith("cuda")
    assert (found.labels == learned.predict(scene[0])).mean() > 0.9999
