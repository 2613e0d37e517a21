import warnings
from dataclasses import replace

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

SMALL = ModelSpec("segresnet", dims="2D")  # the network that trains fastest
QUICK = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(32, 0), validation=None
)
VALIDATED = replace(QUICK, validation="auto")
ACCURATE = TrainConfig(epochs=4, steps_per_epoch=10, tile=TileConfig(32, 16), validation=None)


@pytest.fixture(scope="module")
def scene():
    """Coins with a coarse truth (1 background, 2 coin) and scribbles on every sixth line."""
    image = coins()[:192, :192]
    truth = np.where(gaussian(coins(), 3)[:192, :192] > 0.45, 2, 1).astype(np.uint8)
    scribbles = np.zeros_like(truth)
    scribbles[::6] = truth[::6]
    return image, scribbles, truth


@pytest.fixture(scope="module")
def trained(scene):
    image, scribbles, _ = scene
    return Segmenter(SMALL).fit(image, scribbles, ACCURATE)


def test_a_short_training_on_scribbles_is_accurate(scene, trained):
    image, _, truth = scene
    assert (trained.predict(image) == truth).mean() > 0.9
    assert trained.history[-1] < trained.history[0]
    assert [c.value for c in trained.classes] == [1, 2]
    assert trained.trained.provenance["images_seen"] == 160


def test_dense_masks_keep_their_values_0_and_255(scene):
    image, _, truth = scene
    mask = np.where(truth == 2, 255, 0).astype(np.uint8)
    config = replace(ACCURATE, unlabelled=None)
    prediction = Segmenter(SMALL).fit(image, mask, config).predict(image)
    assert set(np.unique(prediction)) == {0, 255}
    assert (prediction == mask).mean() > 0.85


def test_unlabelled_255_leaves_0_as_a_class(scene):
    image, scribbles, _ = scene
    labels = np.where(scribbles == 0, 255, scribbles - 1).astype(np.uint8)
    seg = Segmenter(SMALL).fit(image, labels, replace(QUICK, unlabelled=255))
    assert [c.value for c in seg.classes] == [0, 1]


def test_the_value_of_unlabelled_pixels_does_not_matter(scene):
    image, scribbles, _ = scene
    config = replace(QUICK, normalise="none", augment=False)
    one = Segmenter(SMALL).fit(image, scribbles, config)
    other = Segmenter(SMALL).fit(
        image,
        np.where(scribbles == 0, 9, scribbles),
        replace(config, unlabelled=9),
    )
    maps = (segmenter.predict_proba(image[:64, :96]) for segmenter in (one, other))
    np.testing.assert_array_equal(*maps)


def test_the_same_seed_gives_the_same_model(scene):
    image, scribbles, _ = scene
    one, other, third = (
        Segmenter(SMALL)
        .fit(image, scribbles, replace(QUICK, seed=s))
        .predict_proba(image[:64, :96])
        for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)


def test_stopping_keeps_what_was_trained(scene):
    image, scribbles, _ = scene
    seg = Segmenter(SMALL)
    for step in seg.train_epochs(image, scribbles, replace(VALIDATED, epochs=50)):
        if step.done == 3:
            break
    assert seg.is_trained
    assert len(seg.history) == 3
    assert not seg.trained.network.training


def test_an_error_or_an_early_stop_keeps_the_previous_model(scene, trained):
    image, scribbles, _ = scene
    seg, before = Segmenter(SMALL), trained.trained
    seg.trained = before
    with pytest.raises(LabelsError):
        seg.fit(image, scribbles * 0)
    seg.train_epochs(image, scribbles).close()
    steps = seg.train_epochs(image, scribbles, replace(QUICK, learning_rate=1.0))
    next(steps)
    with pytest.raises(RuntimeError, match="stopped by a test"):
        steps.throw(RuntimeError("stopped by a test"))
    assert seg.trained is before


@pytest.mark.parametrize(
    "stage",
    ["napari_segkit.validation.Validation.__call__", "SemanticTrainer._measure_batch_statistics"],
)
def test_a_failure_after_the_last_step_keeps_the_new_model(stage, scene, trained, monkeypatch):
    def fail(*_):
        raise MemoryError

    image, scribbles, _ = scene
    name = stage if stage.startswith("napari") else f"napari_segkit.training.semantic.{stage}"
    monkeypatch.setattr(name, fail)
    seg = Segmenter(SMALL)
    seg.trained = before = trained.trained
    validation = (image, scribbles) if "validation" in stage else None
    with pytest.raises(MemoryError):
        seg.fit(image, scribbles, QUICK, validation=validation)
    assert seg.previous is before
    assert len(seg.history) == 2
    assert seg.predict(image).shape == image.shape


def test_a_failing_step_keeps_what_there_is_if_no_model_was_there_before(scene):
    image, scribbles, _ = scene
    seg = Segmenter(SMALL)
    steps = seg.train_epochs(image, scribbles, QUICK)
    next(steps)
    with pytest.raises(OSError, match="out of reach"):
        steps.throw(OSError("the image is out of reach"))
    assert len(seg.history) == 1
    assert not seg.trained.network.training


def test_averages_stay_if_batch_statistics_cannot_be_measured(scene, monkeypatch):
    def fail(_, network, batches):
        network.encoder.bn1.reset_running_stats()
        raise RuntimeError("out of memory")

    image, scribbles, _ = scene
    monkeypatch.setattr(
        "napari_segkit.training.semantic.SemanticTrainer._measure_batch_statistics", fail
    )
    seg = Segmenter(ModelSpec("unet", encoder="resnet18"))
    with pytest.raises(RuntimeError, match="out of memory"):
        seg.fit(image, scribbles, QUICK)
    assert seg.trained.network.encoder.bn1.running_mean.any()


def test_ctrl_c_keeps_what_was_trained(scene):
    image, scribbles, _ = scene
    seg = Segmenter(SMALL)
    steps = seg.train_epochs(image, scribbles, QUICK)
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt())
    assert len(seg.history) == 1


def test_the_model_that_a_training_replaced_can_be_restored(scene):
    image, scribbles, _ = scene
    seg = Segmenter(SMALL)
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
    layers = ImageLayer(image, scale=(2, 2)), Labels(scribbles, features=features, scale=(2, 2))
    by_layer = Segmenter(SMALL).fit(*layers, VALIDATED)
    by_array = Segmenter(SMALL).fit(image, scribbles, VALIDATED)
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
    seg = Segmenter(SMALL).fit(
        da.from_array(data) if lazy else data.copy(), labels, QUICK, axes=axes
    )
    assert seg.trained.channels == (2 if "C" in axes else 1)
    assert seg.predict(data).shape == tuple(labels_shape)
    assert seg.predict_proba(data).shape == (2, *labels_shape)


def test_lists_of_images_train_one_model(scene):
    image, scribbles, _ = scene
    seg = Segmenter(SMALL).fit([image, image[:100, :50]], [scribbles, scribbles[:100, :50]], QUICK)
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
    four = Segmenter(SMALL).fit(rgba, scribbles, QUICK, axes="YXC")
    assert four.trained.channels == 4
    assert four.predict(rgba).shape == image.shape
    rgba[..., 3] = 255
    three = Segmenter(SMALL).fit(rgba, scribbles, QUICK)
    assert three.trained.channels == 3
    np.testing.assert_array_equal(three.predict(rgba), three.predict(rgba[..., :3]))


def test_binary_images_train_and_predict(scene):
    image, scribbles, _ = scene
    seg = Segmenter(SMALL).fit(((image > 120) * 255).astype(np.uint8), scribbles, QUICK)
    assert seg.predict(image > 120).shape == image.shape


def test_a_mask_with_grey_edges_is_thresholded_with_a_warning(scene):
    image, _, truth = scene
    soft = np.clip(gaussian((truth == 2).astype(float), 1) * 255, 0, 255).astype(np.uint16)
    hard = np.where(np.arange(192) < 90, 255, 0)[None].repeat(192, 0)
    hard[:, 90] = 99
    config = replace(QUICK, unlabelled=None)
    with pytest.warns(UserWarning, match="above 127"):
        seg = Segmenter(SMALL).fit([image, image], [soft, hard], config)
    assert [c.value for c in seg.classes] == [0, 255]


def test_names_come_from_all_layers(scene):
    image, scribbles, _ = scene
    one = Labels(scribbles, features={"index": [1, np.nan], "name": ["ground", "nothing"]})
    two = Labels(scribbles, features={"index": [2], "name": ["coin"]})
    seg = Segmenter(SMALL).fit([image, image], [one, two], QUICK)
    assert [c.name for c in seg.classes] == ["ground", "coin"]


def test_a_name_too_long_for_a_model_file_is_refused_before_the_training(scene):
    image, scribbles, _ = scene
    labels = Labels(scribbles, features={"index": [1, 2], "name": ["ground", "c" * 1001]})
    with pytest.raises(ValueError, match="name of class 2 has 1001 letters: give it at most 1000"):
        next(Segmenter(SMALL).train_epochs(image, labels, QUICK))


def test_too_many_classes_are_refused(scene):
    image, _, _ = scene
    ids = np.arange(192 * 192, dtype=np.int32).reshape(192, 192)
    with pytest.raises(LabelsError, match="at most 1000"):
        Segmenter(SMALL).fit(image, ids, TrainConfig(labels_are="classes", unlabelled=None))


@pytest.mark.parametrize("normalise", ["image", "training", "none"])
@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_nan_pixels_are_not_learned_and_are_0_in_predictions(scene, normalise, wrap):
    image, scribbles, _ = scene
    holed = image.astype(np.float32)
    holed[:, :30] = np.nan
    labelled = int((scribbles[:, :30] > 0).sum())
    one = Segmenter(ModelSpec("pixels"))
    with pytest.warns(UserWarning, match=f"NaN or infinite in {labelled} labelled pixels"):
        one.fit(wrap(holed), scribbles, TrainConfig(normalise=normalise))
    with pytest.warns(UserWarning, match=f"{holed[:, :30].size} NaN or infinite pixels: they are"):
        found = one.predict(wrap(holed))
    assert not found[:, :30].any()
    assert found[:, 30:].all()


def test_a_class_that_is_labelled_on_nan_pixels_only_is_refused(scene):
    image, scribbles, _ = scene
    holed = np.where(scribbles == 1, np.nan, image)
    with (
        pytest.warns(UserWarning, match="labelled pixels"),
        pytest.raises(ValueError, match="NaN or infinite at every labelled pixel of"),
    ):
        Segmenter(SMALL).fit(holed, scribbles, QUICK)


def test_one_blank_image_of_several_is_learned_from(scene):
    image, scribbles, _ = scene
    one = Segmenter(ModelSpec("pixels"))
    with pytest.warns(UserWarning, match="every pixel is the same. Blank images are learned from"):
        one.fit([image, image * 0], [scribbles, scribbles], TrainConfig())
    with pytest.warns(UserWarning, match="Every pixel of image is the same"):
        one.predict(image * 0)


def test_an_image_of_little_contrast_is_told(scene):
    image, scribbles, _ = scene
    one = Segmenter(ModelSpec("pixels")).fit(image, scribbles, TrainConfig())
    with pytest.warns(UserWarning, match='% of the contrast .* train with normalise="training"'):
        one.predict(image // 10)
    varied = [image, image // 10, image * 0]
    with pytest.warns(UserWarning, match="Blank images are learned from"):
        several = Segmenter(ModelSpec("pixels")).fit(varied, [scribbles] * 3, TrainConfig())
    several.predict(image // 20)  # a study of differing contrast: no warning


def test_an_overlap_that_does_not_fit_is_refused(scene):
    image, scribbles, _ = scene
    with pytest.raises(ValueError, match="overlap of 300 pixels is more than half"):
        Segmenter(SMALL).fit(image, scribbles, TrainConfig(tile=TileConfig(overlap=300)))


def test_training_follows_the_declared_time(scene):
    image, scribbles, _ = scene
    config = TrainConfig(epochs=1000, minutes=0.01, tile=TileConfig(32, 16), validation=None)
    steps = list(Segmenter(SMALL).train_epochs(image, scribbles, config))
    assert steps[-1].seconds > 0.3
    assert steps[-1].done < steps[-1].total


BAD = {
    "no labels": (lambda i, s: (i, None), "make a Labels layer"),
    "empty labels": (lambda i, s: (i, s * 0), "Nothing is labelled"),
    "one class only": (lambda i, s: (i, (s == 1).astype(int)), "one class only"),
    "other shape": (lambda i, s: (i, s[:-1]), "needs labels of shape"),
    "other ndim": (lambda i, s: (i, s[0]), "needs labels of shape|axes"),
    "fractions": (lambda i, s: (i, s + 0.5), "float64"),
    "negative values": (lambda i, s: (i, s.astype(int) - 1), "negative"),
    "constant image": (lambda i, s: (i * 0, s), "constant"),
    "list and array": (lambda i, s: ([i], s), "list of each"),
    "image as labels": (lambda i, s: (s, s), "as its own labels"),
    "image as labels in a list": (lambda i, s: ([i, s], [s, s]), r"images\[1\] is given"),
    "lists of other lengths": (lambda i, s: ([i, i], [s]), "2 images and 1 labels"),
    "channels differ": (
        lambda i, s: ([i, np.stack([i] * 4, -1)], [s, s]),
        r"1 channel .* has 4 channels \(axes YXC",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_a_sentence_before_work_starts(scene, case):
    change, message = BAD[case]
    image, labels = change(*scene[:2])
    seg = Segmenter(SMALL)
    with pytest.raises(ValueError, match=message) as error:
        seg.fit(image, labels, QUICK)
    assert "\n" not in str(error.value)
    assert not seg.is_trained


def test_suspicious_labels_cause_one_warning(scene):
    image, scribbles, _ = scene
    sparse = np.where(np.arange(192)[:, None] % 18, 0, scribbles)
    with pytest.warns(UserWarning, match="are scribbles") as caught:
        Segmenter(SMALL).fit(image, sparse, replace(QUICK, unlabelled=None))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Segmenter(SMALL).fit(image, scribbles, VALIDATED)


VOLUME = np.random.default_rng(0).normal(size=(6, 32, 40)).cumsum(axis=1)
VOLUME_LABELS = (np.median(VOLUME) < VOLUME).astype(np.uint8) + 1


@pytest.fixture(
    scope="module",
    params=[ModelSpec("segresnet", dims="3D"), ModelSpec("pixels"), SMALL],
    ids=["3D network", "pixels", "2D network"],
)
def volume_model(request):
    """An image with orientation SAR, and a model trained on it."""
    image = AxesImage(VOLUME, "ZYX", (3.0, 0.5, 0.4), orientation="SAR")
    return image, Segmenter(request.param).fit(image, VOLUME_LABELS, QUICK)


@pytest.mark.parametrize("orientation", ["LPI", "RAS"])
def test_a_reoriented_volume_gets_the_same_labels(volume_model, orientation):
    image, segmenter = volume_model
    other = reorient_image(image, orientation)
    assert other.orientation == orientation
    labels = reorient(segmenter.predict(other), "ZYX", orientation, "SAR")
    np.testing.assert_array_equal(labels, segmenter.predict(image))
    both = Segmenter(segmenter.spec)
    other_labels = reorient(VOLUME_LABELS, "ZYX", "SAR", orientation)
    both.fit([image, other], [VOLUME_LABELS, other_labels], QUICK)
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
def test_a_gpu_gives_nearly_the_cpus_labels(scene, trained, tmp_path):
    trained.save(tmp_path / "m.segkit")
    on_gpu = Segmenter.load(tmp_path / "m.segkit", device="cuda")
    prediction = drain(on_gpu.predict_tiles(scene[0]))
    assert prediction.provenance["device"].startswith("cuda")
    assert (prediction.labels == trained.predict(scene[0])).mean() > 0.9999
