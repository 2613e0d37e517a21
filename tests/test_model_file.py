import hashlib
import json
import os
import pickle
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from skimage.data import coins

from napari_segkit import (
    CleanConfig,
    CRFConfig,
    ModelSpec,
    RefineConfig,
    Segmenter,
    SuperpixelConfig,
    TileConfig,
    TrainConfig,
)
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference.plan import make_grid
from napari_segkit.model_file import save
from napari_segkit.models import MODELS, Inputs, build
from napari_segkit.tensor_file import write_tensors


@pytest.fixture(scope="module")
def segmenter():
    labels = np.zeros(coins().shape, np.uint8)
    labels[::4] = np.where(coins()[::4] > 120, 7, 2)
    config = TrainConfig(
        epochs=1, steps_per_epoch=2, tile=TileConfig(64, 32), normalise="training", validation=None
    )
    return Segmenter(ModelSpec("segresnet", dims="2D")).fit(coins(), labels, config)


@pytest.fixture(scope="module")
def saved(segmenter, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "cells.segkit"
    segmenter.save(path)
    return path


@pytest.fixture
def file(saved, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copy(saved, tmp_path))


def header_of(path):
    with safe_open(path, "pt") as opened:
        return json.loads(opened.metadata()["segkit"])


def test_a_loaded_model_gives_the_same_pixels_and_knows_everything(segmenter, file):
    loaded = Segmenter.load(file)
    part = coins()[:100, :120]
    np.testing.assert_array_equal(loaded.predict_proba(part), segmenter.predict_proba(part))
    for name in ("spec", "config", "classes", "channels", "axes", "spacing", "tile_size"):
        assert getattr(loaded.trained, name) == getattr(segmenter.trained, name), name
    assert loaded.trained.statistics == segmenter.trained.statistics
    assert loaded.history == segmenter.history
    assert loaded.trained.provenance == segmenter.trained.provenance


def test_a_model_keeps_its_refinement_settings(segmenter, tmp_path):
    config = RefineConfig(
        "superpixels",
        crf=CRFConfig(3),
        superpixels=SuperpixelConfig(size=7.5),
        clean=(CleanConfig(7, threshold=0.7, largest=True), CleanConfig(2, min_size=4.0)),
    )
    save(replace(segmenter.trained, refine=config), tmp_path / "a.segkit")
    assert Segmenter.load(tmp_path / "a.segkit").refine == config


def test_a_file_without_refinement_settings_refines_nothing(file):
    rewrite(file, lambda h, _: h.pop("refine"))
    assert Segmenter.load(file).refine == RefineConfig()


def test_an_interrupted_save_leaves_the_old_file(segmenter, file, monkeypatch):
    before = file.read_bytes()
    monkeypatch.setattr("napari_segkit.tensor_file.serialise", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        segmenter.save(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_a_truncated_file_is_refused(file, keep):
    data = file.read_bytes()
    file.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(ValueError, match=r"cells\.segkit is not a complete .* model file"):
        Segmenter.load(file)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (os.mkdir, (str(self.trace),))


@pytest.mark.parametrize("write", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_a_pickle_with_the_right_name_is_refused_and_does_not_run(tmp_path, write):
    path = tmp_path / "model.segkit"
    write(Evil(tmp_path / "code-ran"), path)
    with pytest.raises(ValueError, match="not a complete"):
        Segmenter.load(path)
    assert not (tmp_path / "code-ran").exists()


def rewrite(file, change):
    with safe_open(file, "pt") as opened:
        tensors = {k: opened.get_tensor(k) for k in opened.keys()}  # noqa: SIM118
    written = header_of(file)
    change(written, tensors)
    write_tensors(file, tensors, "segkit", written)


def test_a_file_of_a_newer_version_says_update(file):
    rewrite(file, lambda h, _: h.update(format=99))
    with pytest.raises(ValueError, match=r"newer napari-segkit .*update napari-segkit"):
        Segmenter.load(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda h, _: h.pop("classes"),
        lambda h, _: h["spec"].update(name="unknown"),
        lambda h, _: h["spec"].update(depth=3),
        lambda h, _: h["config"].update(epochs=-1),
        lambda h, _: h.update(channels=5),
        lambda h, _: h.update(spacing=None),
        lambda _, t: t.popitem(),
        lambda h, _: h.update(classes=h["classes"][:1]),
        lambda h, _: h.update(spec=[]),
        lambda h, _: h["config"].update(tile=[]),
        lambda h, _: h.update(tile_size=[]),
        lambda h, _: h.update(tile_size=["64", "64"]),
        lambda h, _: h.update(tile_size=[0, 0]),
        lambda h, _: h.update(overlap=h["tile_size"]),
        lambda h, _: h.update(axes="QQ"),
        lambda h, _: h.update(axes=5),
        lambda h, _: h.update(orientation="XYZ"),
        lambda h, _: h.update(spacing=[0.0, 0.0, 0.0]),
        lambda h, _: h.update(channels=float("inf")),
        lambda h, _: h.update(provenance=[]),
        lambda h, _: h.update(tile_size=[64], overlap=[32]),
        lambda h, _: h.update(tile_size=[8192] * 3, overlap=[0] * 3),
        lambda h, _: h.update(spacing=[1.0, float("inf"), 1.0]),
        lambda h, _: h.update(spacing="abc"),
        lambda h, _: h.update(statistics={"low": [1.0], "high": [0.5]}),
        lambda h, _: [c.update(value=-7) for c in h["classes"]],
        lambda h, _: [c.update(value=3) for c in h["classes"]],
        lambda h, _: h["classes"][0].update(value="a"),
        lambda h, _: h.update(refine=None),
        lambda h, _: h.update(refine=[]),
        lambda h, _: h.update(refine={"method": "blur"}),
        lambda h, _: h.update(refine={"sharpen": 1}),
        lambda h, _: h.update(refine={"crf": {"iterations": 0}}),
        lambda h, _: h.update(refine={"crf": 3}),
        lambda h, _: h.update(refine={"clean": 3}),
        lambda h, _: h.update(refine={"clean": [7]}),
        lambda h, _: h.update(refine={"clean": [{"value": 7, "min_size": "a"}]}),
        lambda h, _: h.update(refine={"clean": [{"value": 3}]}),
        lambda h, _: h.update(refine={"clean": [{"value": 7}] * 1000}),
        lambda h, _: h["classes"][0].update(name=7),
        lambda h, _: h["classes"][0].update(name="a" * 10_000),
        lambda h, _: h["classes"][0].update(color="red"),
        lambda h, _: h.update(axes=["Y", "X"]),
        lambda h, _: h.update(axes="YYX"),
        lambda h, _: h.update(channels=True),
        lambda h, _: h.update(statistics={"low": [0.0, 0.0], "high": [1.0, 1.0]}),
        lambda h, _: h.update(statistics={"low": [0.0], "high": [float("nan")]}),
        lambda h, _: h["config"].update(normalise="image"),  # and yet there are statistics
        lambda h, _: h.update(contrast=[1.0, 1.0, 1.0]),
        lambda h, _: h.update(history=[float("inf")]),
        lambda h, _: h.update(nonzero=1),
        lambda h, _: h.update(unit=["um"]),
        lambda h, _: h.update(stuff_values=[1]),
        lambda h, _: h.update(stuff=json.loads(json.dumps(h)), stuff_values=[2]),
        lambda h, _: h.update(provenance={"a": json.loads("[" * 50 + "]" * 50)}),
        lambda h, _: h["provenance"].update(objects="many"),
        lambda h, _: h["spec"].update(encoder="small" * 1000),
        lambda h, _: h["spec"].update(name="unet", encoder="tu-nonsense"),
        lambda h, _: h["spec"].update(options={"filters": 8}),
        lambda h, _: h["spec"].update(options={"init_filters": 10**9}),
        lambda h, _: h["spec"].update(options={"blocks_down": [[1], [2]]}),
        lambda h, _: h["config"].update(resize=[64, 64], voxel_size=1.0),
        lambda h, _: h.update(tile_size=[4096, 4096]),
        lambda h, t: h.update(channels=9) or t.update(more=torch.zeros(0, 9)),
        lambda _, t: t.update({name: t[name].half() for name in t}),
        lambda _, t: next(v for k, v in t.items() if "weight" in k).fill_(float("nan")),
        lambda _, t: next(v for k, v in t.items() if "running_var" in k).fill_(-1.0),
    ],
)
def test_a_header_that_does_not_match_is_refused(file, change):
    rewrite(file, change)
    with pytest.raises(ValueError, match="header that does not match"):
        Segmenter.load(file)


def replaced(data, old, new):
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],  # one bit of a weight
        lambda data: replaced(data, b'\\"nonzero\\": false', b'\\"nonzero\\": true '),
        lambda data: replaced(data, b'"sha256":"', b'"sha257":"'),
        lambda data: replaced(data, b'"sha256":"', b'"sha256":"0'),
    ],
    ids=["weight", "header", "no checksum", "checksum"],
)
def test_a_changed_bit_is_noticed(file, damage):
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"cells\.segkit is not a complete .* model file"):
        Segmenter.load(file)


def test_the_checksum_is_that_of_the_file_without_it(file):
    data = file.read_bytes()
    with safe_open(file, "pt") as opened:
        digest = opened.metadata()["sha256"]
    assert hashlib.sha256(replaced(data, digest.encode(), b"0" * 64)).hexdigest() == digest


def test_names_in_a_file_cannot_command_a_terminal(file):
    def rename(header, _):
        header["classes"][0]["name"] = "\x1b]0;title\x07cell\u202e"
        header["provenance"]["id"] = "\x1b[2J"

    rewrite(file, rename)
    loaded = Segmenter.load(file)
    assert loaded.classes[0].name == "\ufffd]0;title\ufffdcell\ufffd"
    assert loaded.trained.identity == "\ufffd[2J"


def test_an_error_quotes_a_file_briefly_and_printably(file):
    rewrite(file, lambda h, _: h["config"].update({"\x1b[31m" * 1000: 1}))
    with pytest.raises(ValueError, match="header that does not match") as error:
        Segmenter.load(file)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


def link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.skipif(os.name == "nt", reason="has neither pipes nor links for all users")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, "is a folder: choose a model file"),
        (os.mkfifo, "is a device or a pipe: choose a model file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device or a pipe"),
        (link_to_itself, "cannot be opened"),
    ],
    ids=["folder", "pipe", "device", "loop"],
)
def test_what_is_no_file_is_refused(tmp_path, make, message):
    make(tmp_path / "a.segkit")
    with pytest.raises((ValueError, OSError), match=message):
        Segmenter.load(tmp_path / "a.segkit")


def test_nan_is_not_taken_for_a_class(segmenter):
    broken = Segmenter(segmenter.spec, device="cpu")
    network = build(segmenter.spec, Inputs(1, 2, (1.0, 1.0))).eval()
    next(network.parameters()).data.fill_(float("nan"))
    broken.trained = replace(segmenter.trained, network=network)
    with pytest.raises(FloatingPointError, match="outputs of the network"):
        broken.predict(coins()[:64, :64])


def test_an_error_names_libraries_of_another_version(file):
    def older(header, tensors):
        header["provenance"]["versions"]["segmentation-models-pytorch"] = "0.4.0"
        tensors.popitem()

    rewrite(file, older)
    with pytest.raises(ValueError, match=r"saved with segmentation-models-pytorch 0\.4\.0, here"):
        Segmenter.load(file)


@pytest.mark.parametrize("path", ["/me/secret.pth", "secret"])
def test_a_path_of_weights_is_not_saved(segmenter, tmp_path, path):
    from_file = replace(segmenter.trained, spec=replace(segmenter.spec, weights=path))
    save(from_file, tmp_path / "shared.segkit")
    assert b"secret" not in (tmp_path / "shared.segkit").read_bytes()
    loaded = Segmenter.load(tmp_path / "shared.segkit")
    assert Segmenter(loaded.spec).spec.weights is None


def test_published_weights_are_remembered(segmenter, tmp_path):
    unet = Segmenter().spec
    for word in ("imagenet", "ssl"):
        pretrained = replace(
            segmenter.trained,
            spec=replace(unet, weights=word),
            network=build(unet, Inputs(1, 2, (1.0, 1.0))),
        )
        save(pretrained, tmp_path / "a.segkit")
        assert Segmenter.load(tmp_path / "a.segkit").spec.weights == word


def test_options_of_the_network_are_kept(segmenter, tmp_path):
    spec = replace(segmenter.spec, options={"blocks_down": [1, 1], "init_filters": 4})
    network = build(spec, Inputs(1, 2, (1.0, 1.0)))
    save(replace(segmenter.trained, spec=spec, network=network), tmp_path / "a.segkit")
    assert Segmenter.load(tmp_path / "a.segkit").spec == spec


@pytest.mark.parametrize(
    "change", [{"spacing": [0, 0, 0]}, {"tile_size": [16], "overlap": [0]}, {"provenance": None}]
)
@pytest.mark.parametrize("name", ["pixels", "mednext"])
def test_no_network_is_built_from_an_invalid_header(file, name, change, monkeypatch):
    def other(header, _):
        header["spec"] |= {"name": name, "encoder": MODELS[name].encoders[0]}
        header.update(change)

    rewrite(file, other)
    monkeypatch.setattr("napari_segkit.model_file.build", None)
    with pytest.raises(ValueError, match=r"header that does not match .*invalid"):
        Segmenter.load(file)


def test_loading_never_looks_for_initial_weights(file):
    rewrite(file, lambda h, _: h["spec"].update(weights="/gone/weights.pth"))
    loaded = Segmenter.load(file)
    assert loaded.spec.weights == "/gone/weights.pth"
    assert loaded.predict(coins()[:64, :64]).shape == (64, 64)


@pytest.mark.parametrize(
    "metadata", [None, {"other": "{}"}, {"segkit": "no json"}, {"segkit": "[]"}]
)
def test_tensors_without_our_header_are_refused(tmp_path, metadata):
    save_file({"a": torch.zeros(2)}, tmp_path / "a.segkit", metadata)
    with pytest.raises(ValueError, match="no napari-segkit header"):
        Segmenter.load(tmp_path / "a.segkit")


def test_a_header_larger_than_the_file_is_refused(tmp_path):
    head = json.dumps(
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ).encode()
    path = tmp_path / "huge.segkit"
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(ValueError, match="not a complete"):
        Segmenter.load(path)


def test_a_header_cannot_request_more_memory_than_the_file_holds(file):
    rewrite(
        file, lambda h, _: h.update(channels=10**9, statistics=None, contrast=[], intensities=None)
    )
    with pytest.raises(ValueError, match="tensors do not match this model"):
        Segmenter.load(file)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": 1e999}'])
def test_json_that_breaks_its_reader_is_refused(tmp_path, text):
    save_file({"a": torch.zeros(2)}, tmp_path / "a.segkit", {"segkit": text})
    with pytest.raises(ValueError, match="no napari-segkit header"):
        Segmenter.load(tmp_path / "a.segkit")


@pytest.mark.parametrize(("edge", "is_refused"), [(4096, False), (8192, True)])
def test_huge_tiles_are_refused_for_a_small_image(segmenter, edge, is_refused):
    model = replace(segmenter.trained, patch=(), tile_size=(edge, edge), overlap=(0, 0))
    image = AxesImage(coins()[:64, :64], "YX")
    if is_refused:
        with pytest.raises(ValueError, match="64 x 64 pixels is far smaller than the tiles"):
            make_grid(model, image, TileConfig())
    else:
        assert make_grid(model, image, TileConfig()).size == (edge, edge)
    assert make_grid(model, image, TileConfig(64, 32)).size == (64, 64)


def test_a_missing_folder_is_named(segmenter, tmp_path):
    with pytest.raises(ValueError, match="There is no folder"):
        segmenter.save(tmp_path / "nowhere" / "a.segkit")


@pytest.mark.parametrize("name", ["cells", "cells.h5", "cells.v2"])
def test_a_model_is_named_segkit(name, segmenter, tmp_path):
    segmenter.save(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [f"{name}.segkit"]
    assert Segmenter.load(tmp_path / name).classes == segmenter.classes


def test_a_model_can_be_saved_without_replacing_another(segmenter, tmp_path):
    path = tmp_path / "a.segkit"
    path.write_bytes(b"precious")
    with pytest.raises(ValueError, match="exists already"):
        segmenter.save(path, overwrite=False)
    assert path.read_bytes() == b"precious"
    segmenter.save(path)
    assert Segmenter.load(path).is_trained


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        Segmenter.load(tmp_path / "nothing.segkit")
