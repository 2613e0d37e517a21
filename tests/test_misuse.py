"""Wrong arguments of public functions: each is answered by a sentence, or simply works."""

from dataclasses import fields
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
from napari.layers import Image, Labels, Points, Shapes, Surface, Tracks, Vectors
from PIL import Image as Pictures
from scipy.sparse import csr_array

from napari_segkit import (
    CleanConfig,
    CRFConfig,
    FeatureConfig,
    ModelSpec,
    MRFConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    Segmenter,
    SuperpixelConfig,
    TileConfig,
    TrainConfig,
    evaluate,
    fit_refinement,
    interpolate_slices,
    merge_panoptic,
    refine,
    session,
    smooth,
    soft_labels,
    superpixels,
)
from napari_segkit.config import MaskConfig, SoftLabelConfig
from napari_segkit.inference.sink import MemorySink
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.files import write_labels, write_probabilities
from napari_segkit.io.writers import FileMetadata

Y, X = np.indices((48, 56))
DISC = (Y - 24) ** 2 + (X - 28) ** 2 < 150
IMAGE = (np.random.default_rng(0).integers(0, 60, DISC.shape) + 150 * DISC).astype(np.uint8)
COLOURS = np.stack([IMAGE] * 3, -1)
LABELS = np.where(Y % 4 == 0, 1 + DISC, 0).astype(np.uint8)
MASK = DISC.astype(np.uint8)
IDS = np.zeros(DISC.shape, np.uint8)
IDS[4:14, 4:14], IDS[20:34, 20:34], IDS[4:12, 30:44] = 1, 2, 3
PROBABILITIES = np.stack([1 - 0.8 * DISC, 0.8 * DISC]).astype(np.float32)
STACK = np.stack([LABELS] * 3)
SMALL, OBJECTS = (ModelSpec("segresnet", dims="2D", objects=o) for o in (None, "distance"))
QUICK = TrainConfig(
    epochs=1, steps_per_epoch=1, batch_size=2, tile=TileConfig(32, 16), validation=None
)
POINTS, SHAPES, TRACKS, VECTORS, SURFACE = (
    Points(np.zeros((3, 2)), name="pts"),
    Shapes([np.array([[0, 0], [0, 9], [9, 9]])], shape_type="polygon", name="shp"),
    Tracks(np.array([[0, 0, 1, 1], [0, 1, 2, 2]]), name="trk"),
    Vectors(np.zeros((3, 2, 2)), name="vec"),
    Surface((np.zeros((3, 3)), np.array([[0, 1, 2]])), name="srf"),
)


class Trained:
    """Quickly trained models, by what they predict."""

    def __init__(self):
        self.seg = Segmenter(SMALL, device="cpu").fit(IMAGE, LABELS, QUICK)
        self.rgb = Segmenter(SMALL, device="cpu").fit(COLOURS, LABELS, QUICK)
        self.prediction = self.seg.predict(IMAGE)
        self.obj = Segmenter(OBJECTS, device="cpu").fit(IMAGE, IDS, QUICK)


@pytest.fixture(scope="module")
def trained():
    return Trained()


def fit(images=IMAGE, labels=LABELS, config=QUICK, *, spec=SMALL, **options):
    return Segmenter(spec, device="cpu").fit(images, labels, config, **options)


def fit_objects(labels=IDS, **options):
    return fit(IMAGE, labels, spec=OBJECTS, **options)


class Thing:
    """An object of no kind that is known."""


def pairs(calls, values):
    """Every call with every value; a diagonal of them, with each at least once, is quick."""
    cases = []
    for row, (name, call) in enumerate(calls.items()):
        for column, (kind, value) in enumerate(values.items()):
            quick = (row - column) % min(len(calls), len(values)) == 0
            marks = () if quick else pytest.mark.slow
            cases.append(pytest.param(call, value, id=f"{name}-{kind}", marks=marks))
    return cases


NO_ARRAYS = {
    "None": None,
    "object": Thing(),
    "text": "image.tif",
    "bytes": b"abc",
    "path": Path("image.tif"),
    "set": {1, 2},
    "dict": {"a": 1},
    "number": 3,
    "ragged": [[1, 2], [3]],
    "objects": np.array([[None, 1], [2, 3]], object),
    "dates": np.zeros(DISC.shape, "datetime64[s]"),
    "durations": np.zeros(DISC.shape, "timedelta64[s]"),
    "records": np.zeros(DISC.shape, [("a", "u1")]),
    "texts": np.full(DISC.shape, "a"),
    "empty": np.zeros((0, 56)),
    "no list": [],
    "0-D": np.array(3),
    "1-D": np.zeros(5),
    "generator": (i for i in range(3)),
    "module": np,
    "class": np.ndarray,
    "config": TrainConfig(),
    "masked": np.ma.masked_array(MASK, DISC),
    "unknown chunks": da.from_array(MASK)[da.from_array(np.arange(48) >= 0)],
    "tensor without values": torch.empty(DISC.shape, device="meta"),
    "complex tensor": torch.zeros(DISC.shape, dtype=torch.complex64),
}
TAKING_ARRAYS = {
    "images of fit": lambda value, t: fit(value),
    "labels of fit": lambda value, t: fit(IMAGE, value),
    "ids of fit": lambda value, t: fit_objects(value),
    "object_classes": lambda value, t: fit_objects(
        object_classes=[value] if value is None else value
    ),
    "labels of validation": lambda value, t: fit(validation=(IMAGE, value)),
    "predict": lambda value, t: t.seg.predict(value),
    "measure": lambda value, t: t.seg.measure(value),
    "superpixels": lambda value, t: superpixels(value),
    "prediction of evaluate": lambda value, t: evaluate(value, MASK),
    "truth of evaluate": lambda value, t: evaluate(IDS, value, kind="instance"),
    "probabilities of smooth": lambda value, t: smooth(value, IMAGE, device="cpu"),
    "image of smooth": lambda value, t: smooth(PROBABILITIES, value, device="cpu"),
    "probabilities of refine": lambda value, t: refine(value, IMAGE, device="cpu"),
    "soft_labels": lambda value, t: soft_labels(value),
    "interpolate_slices": lambda value, t: interpolate_slices(value),
}


@pytest.mark.parametrize(("call", "value"), pairs(TAKING_ARRAYS, NO_ARRAYS))
def test_what_is_no_array_is_said(call, value, trained, require_said):
    with pytest.raises((ValueError, TypeError)) as caught:
        call(value, trained)
    require_said(caught.value)


WRONG_KINDS = {
    "config of fit": lambda value, t: fit(config=value),
    "tile": lambda value, t: t.seg.predict(IMAGE, value),
    "refine of predict": lambda value, t: t.seg.predict(IMAGE, refine=value),
    "objects": lambda value, t: t.obj.predict_objects(IMAGE, objects=value),
    "config of predict": lambda value, t: t.seg.predict(IMAGE, config=value),
    "config of filtered": lambda value, t: t.obj.predict_objects(IMAGE).filtered(value),
    "statistics": lambda value, t: list(t.seg.predict_tiles(IMAGE, statistics=value)),
    "sink": lambda value, t: list(t.seg.predict_tiles(IMAGE, sink=value)),
    "probabilities": lambda value, t: list(t.seg.predict_tiles(IMAGE, probabilities=value)),
    "config of smooth": lambda value, t: smooth(PROBABILITIES, IMAGE, value),
    "config of refine": lambda value, t: refine(PROBABILITIES, IMAGE, value),
    "config of superpixels": lambda value, t: superpixels(IMAGE, value),
    "config of fit_refinement": lambda value, t: fit_refinement(PROBABILITIES, IMAGE, MASK, value),
    "spec": lambda value, t: Segmenter(value),
    "name of a spec": lambda value, t: Segmenter(ModelSpec(value)),
    "device": lambda value, t: Segmenter(device=value),
    "device of smooth": lambda value, t: smooth(PROBABILITIES, IMAGE, device=value),
    "spec that is set": lambda value, t: setattr(t.seg, "spec", value),
    "device that is set": lambda value, t: setattr(t.seg, "device", value),
    "refine that is set": lambda value, t: setattr(t.seg, "refine", value),
    "semantic of merge": lambda value, t: merge_panoptic(value, t.obj),
    "instance of merge": lambda value, t: merge_panoptic(t.seg, value),
    "stuff": lambda value, t: merge_panoptic(t.seg, t.obj, stuff=value),
    "axes": lambda value, t: t.seg.predict(IMAGE, axes=value),
    "axes of fit": lambda value, t: fit(axes=value),
    "axes of refine": lambda value, t: refine(PROBABILITIES, axes=value),
    "spacing": lambda value, t: t.seg.predict(IMAGE, spacing=value),
    "spacing of evaluate": lambda value, t: evaluate(MASK, MASK.copy(), spacing=value),
    "spacing of interpolate": lambda value, t: interpolate_slices(STACK, spacing=value),
    "axis": lambda value, t: interpolate_slices(STACK, axis=value),
    "kind": lambda value, t: evaluate(MASK, MASK.copy(), kind=value),
    "labels_are": lambda value, t: evaluate(MASK, MASK.copy(), labels_are=value),
    "by_index": lambda value, t: evaluate(MASK, MASK.copy(), by_index=value),
    "unlabelled": lambda value, t: evaluate(MASK, MASK.copy(), unlabelled=value),
    "thresholds": lambda value, t: evaluate(IDS, IDS.copy(), kind="instance", thresholds=value),
    "values": lambda value, t: refine(PROBABILITIES, values=value),
    "values of soft_labels": lambda value, t: soft_labels(LABELS, values=value),
    "certainty": lambda value, t: soft_labels(LABELS, certainty=value),
    "compatibility": lambda value, t: smooth(PROBABILITIES, IMAGE, compatibility=value),
    "validation": lambda value, t: fit(validation=value),
    "regions": lambda value, t: fit_objects(regions=value),
    "resume": lambda value, t: fit(resume=value),
    "path of save": lambda value, t: t.seg.save(value),
    "path of load": lambda value, t: Segmenter.load(value),
    "viewer": lambda value, t: session(value),
}
KINDS = {
    "object": Thing(),
    "dict": {1: 2},
    "bytes": b"",
    "complex": 1j,
    "array": np.full((2, 3), np.nan),
    "list": [None],
    "class": Thing,
}


@pytest.mark.parametrize(("call", "value"), pairs(WRONG_KINDS, KINDS))
def test_an_argument_of_another_kind_is_said(call, value, trained, require_said):
    before = trained.seg.trained
    with pytest.raises((ValueError, TypeError)) as caught:
        call(value, trained)
    require_said(caught.value)
    assert trained.seg.trained is before


TWICE = pd.DataFrame({"index": [1, 1], "class": ["cell", "wall"]})
MIXED = np.where(X < 9, 1, 2)
SAID = {
    "axes=''": (lambda t: t.seg.predict(IMAGE, axes=""), ["axes is ''"]),
    "axes repeated": (lambda t: fit(axes="YXX"), ["axes='YXX'"]),
    "axes unknown": (lambda t: superpixels(IMAGE, axes="QX"), ["axes='QX'"]),
    "spacing={1: 2}": (lambda t: superpixels(IMAGE, spacing={1: 2}), ["spacing is {1: 2}"]),
    "spacing negative": (lambda t: fit(spacing=(-1, 1)), ["spacing is [-1, 1]", "positive"]),
    "spacing NaN": (lambda t: t.seg.predict(IMAGE, spacing=(np.nan, 1)), ["spacing is [nan"]),
    "spacing huge": (lambda t: t.seg.predict(IMAGE, spacing=(10**400, 1)), ["spacing is"]),
    "spacing of four": (lambda t: fit(spacing=(1, 1, 1, 1)), ["up to 3"]),
    "spacing in texts": (lambda t: fit(spacing=("1", "2")), ["spacing is ('1', '2')"]),
    "Segmenter({})": (lambda t: Segmenter({}), ["spec is {}", "ModelSpec"]),
    "Segmenter('unett')": (lambda t: Segmenter("unett"), ["did you mean 'unet'"]),
    "Segmenter('U-Net')": (lambda t: Segmenter("U-Net"), ["did you mean 'unet'"]),
    "config of tiles": (lambda t: fit(config=TileConfig()), ["config is a TileConfig", "TrainC"]),
    "config as dict": (lambda t: fit(config={"epochs": 3}), ["config is {'epochs': 3}"]),
    "config as class": (lambda t: fit(config=TrainConfig), ["the class TrainConfig"]),
    "CRF to refine": (lambda t: refine(PROBABILITIES, IMAGE, CRFConfig()), ["a RefineConfig"]),
    "sink as class": (lambda t: list(t.seg.predict_tiles(IMAGE, sink=MemorySink)), ["sink is"]),
    "statistics of others": (
        lambda t: list(t.rgb.predict_tiles(COLOURS, statistics=t.seg.measure(IMAGE))),
        ["statistics are of 1 channel,"],
    ),
    "five channels": (
        lambda t: t.rgb.predict(np.stack([IMAGE] * 5, -1)),
        ["takes 3 channels", "has 5 channels"],
    ),
    "seven dimensions": (lambda t: t.seg.predict(IMAGE[(None,) * 5]), ["has 7 dimensions"]),
    "one string as image": (lambda t: t.seg.predict("a.tif"), ["'a.tif'", "not the name"]),
    "before fit": (lambda t: Segmenter(SMALL).predict(IMAGE), ["not trained yet"]),
    "save before fit": (lambda t: Segmenter(SMALL).save("a.segkit"), ["not trained yet"]),
    "objects of classes": (lambda t: t.seg.predict_objects(IMAGE), ["classes only"]),
    "lists of two lengths": (lambda t: fit([IMAGE, IMAGE], [LABELS]), ["2 images and 1 labels"]),
    "a list and an array": (lambda t: fit([IMAGE], LABELS), ["images is a list", "labels is an"]),
    "rows in a list": (
        lambda t: fit(IMAGE.tolist(), LABELS.tolist()),
        ["images[0] is a list of numbers", "numpy.array(images)"],
    ),
    "None in a list": (lambda t: fit([IMAGE, None], [LABELS] * 2), ["images[1] is None"]),
    "device 'gpu'": (lambda t: fit_on("gpu"), ["device is 'gpu'", "cpu"]),
    "device 'cuda:99'": (lambda t: fit_on("cuda:99"), ["'cuda:99'", "not available"]),
    "values of halves": (lambda t: refine(PROBABILITIES, values=(0.5, 2)), ["[0.5, 2]", "whole"]),
    "values twice": (lambda t: refine(PROBABILITIES, values=(3, 3)), ["[3, 3]", "different"]),
    "soft values of halves": (lambda t: soft_labels(LABELS, values=(0.5, 2)), ["[0.5, 2]"]),
    "thresholds above 1": (lambda t: instances(thresholds=(0.5, 1.5)), ["(0.5, 1.5)", "at most 1"]),
    "thresholds NaN": (lambda t: instances(thresholds=(np.nan,)), ["thresholds are"]),
    "threshold alone": (lambda t: instances(thresholds=0.5), ["thresholds is 0.5", "one or more"]),
    "masked labels": (lambda t: fit(labels=np.ma.masked_array(LABELS, DISC)), ["masked", "filled"]),
    "sizes crossed": (lambda t: ObjectConfig(min_size=9, max_size=3), ["is 9 and max_size 3"]),
    "uint64 ids": (
        lambda t: instances(IDS.astype(np.uint64) * np.uint64(2**63 + 1)),
        ["the value 922337203685477581", "below 2**63"],
    ),
    "uint64 classes": (
        lambda t: evaluate(MASK.astype(np.uint64) * np.uint64(2**64 - 1), MASK),
        ["18446744073709551615"],
    ),
    "a segment of two classes": (
        lambda t: evaluate(Labels(MASK, features=TWICE), Labels(MASK.copy()), kind="panoptic"),
        ["segment 1", "'cell' and 'wall'"],
    ),
    "validation of three": (lambda t: fit(validation=(IMAGE, LABELS, 3)), ["not a pair"]),
    "validation of a text": (lambda t: fit(validation="ab"), ["validation is 'ab'"]),
    "regions of texts": (lambda t: fit_objects(regions=[[["a", "b"]] * 3]), ["Region 1"]),
    "regions of classes": (lambda t: fit(regions=MASK), ["regions", "only with objects"]),
    "stuff in a list": (lambda t: merge_panoptic(t.seg, t.obj, stuff=[["a"]]), ["no class"]),
    "stuff=True": (lambda t: merge_panoptic(t.seg, t.obj, stuff=True), ["The classes are True"]),
    "models swapped": (lambda t: merge_panoptic(t.obj, t.seg), ["semantic model", "predicts"]),
    "clean-up of no class": (
        lambda t: setattr(t.seg, "refine", RefineConfig(clean=(CleanConfig(7),))),
        ["no class 7"],
    ),
    "compatibility complex": (
        lambda t: smooth(PROBABILITIES, IMAGE, compatibility=np.eye(2) * 1j),
        ["compatibility"],
    ),
    "a volume's axis": (lambda t: interpolate_slices(STACK, 5), ["axis is 5", "3 axes"]),
    "one line": (lambda t: interpolate_slices([1, 0, 1]), ["shape (3,)"]),
}


def fit_on(device):
    return Segmenter(SMALL, device=device).fit(IMAGE, LABELS, QUICK)


def instances(prediction=IDS, **options):
    return evaluate(prediction, IDS.copy(), kind="instance", **options)


@pytest.mark.parametrize(("call", "words"), SAID.values(), ids=SAID)
def test_the_sentence_names_what_was_given_and_what_is_allowed(call, words, trained, require_said):
    before = trained.seg.trained
    with pytest.raises((ValueError, TypeError)) as caught:
        call(trained)
    require_said(caught.value, *words)
    assert trained.seg.trained is before


@pytest.mark.parametrize("layer", [POINTS, SHAPES, TRACKS, VECTORS, SURFACE], ids=str)
@pytest.mark.parametrize(
    "call",
    [
        lambda layer, t: fit(layer),
        lambda layer, t: fit(IMAGE, layer),
        lambda layer, t: t.seg.predict(layer),
        lambda layer, t: evaluate(layer, MASK),
        lambda layer, t: evaluate(MASK, layer),
        lambda layer, t: superpixels(IMAGE, mask=layer),
        lambda layer, t: fit_objects(object_classes=layer),
    ],
    ids=["images", "labels", "predict", "prediction", "truth", "mask", "object_classes"],
)
def test_layers_without_pixels_are_named(call, layer, trained, require_said):
    with pytest.raises(TypeError) as caught:
        call(layer, trained)
    require_said(caught.value, layer.name, f"{type(layer).__name__} layer", "no pixels")


NAMES = {
    "empty": ("", "no file can be called"),
    "blank": (" ", "no file can be called"),
    "NUL": ("a\0b", "no file can be called"),
    "too long": ("x" * 300 + ".segkit", "too long"),
    "a folder": (".", "folder"),
    "no folder": ("none/a.segkit", "no folder"),
}


@pytest.mark.parametrize(("name", "word"), NAMES.values(), ids=NAMES)
def test_odd_names_are_refused_before_anything_is_written(
    name, word, trained, tmp_path, monkeypatch, require_said
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=word) as caught:
        trained.seg.save(name)
    require_said(caught.value)
    assert list(tmp_path.iterdir()) == []


WRITERS = {
    "labels": lambda path: write_labels(path, LABELS, FileMetadata("YX")),
    "probabilities": lambda path: write_probabilities(path, PROBABILITIES, FileMetadata("YX")),
    "panoptic": lambda path: write_panoptic(
        path, MASK, pd.DataFrame({"index": [1], "class": ["cell"]})
    ),
}


@pytest.mark.parametrize(
    "name", [None, 3, b"a.tif", "", "a\0b.tif", "x" * 300 + ".tif", "none/a.tif"]
)
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_odd_names_of_results_are_refused(write, name, tmp_path, monkeypatch, require_said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError)) as caught:
        write(name)
    require_said(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_spaces_around_a_name_are_left_out(trained, tmp_path):
    trained.seg.save(tmp_path / " a.segkit ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.segkit"]
    assert Segmenter.load(tmp_path / "a.segkit ").classes == trained.seg.classes


WORKING = {
    "tensors": (torch.from_numpy(IMAGE), torch.from_numpy(LABELS)),
    "tensor with gradients": (torch.from_numpy(IMAGE).float().requires_grad_(), LABELS),
    "bfloat16": (torch.from_numpy(IMAGE).bfloat16(), torch.from_numpy(LABELS).long()),
    "dask": (da.from_array(IMAGE), da.from_array(LABELS)),
    "pictures": (Pictures.fromarray(IMAGE), Pictures.fromarray(LABELS)),
    "tables": (pd.DataFrame(IMAGE), pd.DataFrame(LABELS)),
    "sparse": (IMAGE, csr_array(LABELS)),
    "negative strides": (IMAGE[::-1, ::-1][::-1, ::-1], LABELS[::-1][::-1]),
    "big-endian": (IMAGE.astype(">u2"), LABELS.astype(">i4")),
    "float16": (IMAGE.astype(np.float16), LABELS.astype(np.float16)),
    "uint64": (IMAGE.astype(np.uint64), LABELS.astype(np.uint64)),
    "matrices": (np.asmatrix(IMAGE), np.asmatrix(LABELS)),
    "nothing masked": (np.ma.masked_array(IMAGE), np.ma.masked_array(LABELS)),
    "layers": (Image(IMAGE), Labels(LABELS)),
    "tuples": ((IMAGE,), (LABELS,)),
}


@pytest.mark.parametrize(("image", "labels"), WORKING.values(), ids=WORKING)
def test_arrays_of_other_libraries_simply_work(image, labels, trained):
    other = fit(image, labels)
    assert other.history == pytest.approx(trained.seg.history, rel=0.02)  # bfloat16 rounds
    if not isinstance(image, tuple):
        assert (trained.seg.predict(image) == trained.prediction).mean() > 0.99
        report = evaluate(labels, LABELS)
        assert report.mean_iou == 1


def test_read_only_and_mapped_arrays_simply_work(trained, tmp_path):
    still = IMAGE.copy()
    still.flags.writeable = False
    np.save(tmp_path / "a.npy", IMAGE)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for image in (still, mapped):
        np.testing.assert_array_equal(trained.seg.predict(image), trained.prediction)


def test_names_devices_and_numbers_of_other_libraries_simply_work():
    assert Segmenter("unet").spec == Segmenter(ModelSpec("unet")).spec
    assert Segmenter(device=torch.device("cuda", 1)).device == "cuda:1"
    config = TrainConfig(epochs=np.int64(3), unlabelled=np.uint8(255), augment=np.bool_(False))
    assert config == TrainConfig(epochs=3, unlabelled=255, augment=False)
    assert ModelSpec(weights=Path("a.pth")).weights == "a.pth"


def test_an_object_of_several_classes_is_told():
    with pytest.warns(UserWarning, match=r"1 of 3 objects hold pixels of more than one class"):
        fit_objects(object_classes=MIXED)


CONFIGS = [
    *(
        TrainConfig,
        TileConfig,
        ModelSpec,
        FeatureConfig,
        ObjectConfig,
        PredictConfig,
        CRFConfig,
        MRFConfig,
    ),
    *(SuperpixelConfig, CleanConfig, RefineConfig, SoftLabelConfig, MaskConfig, PredictConfig),
]
NEVER = {
    "bytes": b"3",
    "NaN": float("nan"),
    "infinite": float("inf"),
    "list": [3],
    "tuple": (3,),
    "set": {3},
    "dict": {3: 3},
    "object": Thing(),
    "array": np.array([1, 2]),
    "function": len,
    "complex": 1j,
    "10**5000": 10**5000,
    "class": TrainConfig,
}


@pytest.mark.parametrize("value", NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_refuses_what_it_can_never_be(config, value, require_said):
    for field in fields(config):
        with pytest.raises((ValueError, TypeError)) as caught:
            config(**{field.name: value})
        require_said(caught.value, f"{config.__name__}.{field.name} is")


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", 10**30])
@pytest.mark.parametrize("name", ["epochs", "steps_per_epoch", "batch_size"])
def test_numbers_of_work_are_whole_and_positive(name, value, require_said):
    with pytest.raises((ValueError, TypeError)) as caught:
        TrainConfig(**{name: value})
    require_said(caught.value, f"TrainConfig.{name} is")
