"""Refinement on files: with a prediction, and afterwards by ``segkit smooth``."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import (
    CleanConfig,
    CRFConfig,
    MRFConfig,
    RefineConfig,
    Segmenter,
    SuperpixelConfig,
    cli,
    refine,
)
from napari_segkit.io.files import read_labels, write_labels
from napari_segkit.io.label_classes import read_classes
from napari_segkit.io.probability_maps import read_probability_file
from napari_segkit.io.writers import FileMetadata
from napari_segkit.refinement.soft_labels import soft_labels

CPU = ["--device", "cpu", "--threads", "1"]
RAW = ["--no-intensity", "--no-edges", "--no-texture", "--window", "1"]
PIXELS = ["--model", "pixels", "--dims", "2D", "--unlabelled", "none", *RAW, *CPU]
MRF = ["--refine", "mrf", "--mrf-weight", "1", "--mrf-intensity-sigma", "0.3"]
CLEAN = ["--clean", "class 4: fill_holes=9, min-size=12", "--clean", "1:largest"]
STEPS = (CleanConfig(4, fill_holes=9, min_size=12), CleanConfig(1, largest=True))
REFINE = RefineConfig("mrf", mrf=MRFConfig(1.0, intensity_sigma=0.3), clean=STEPS)


def scene(seed, shape=(40, 60)):
    """A bright disc on a dark ground, both noisy: image and labels 1 and 4."""
    rows, cols = np.indices(shape)
    disc = np.hypot(rows - 18, cols - 30 - seed) < 12
    noise = np.random.default_rng(seed).normal(0, 35, shape)
    return (90 + 60 * disc + noise).clip(0, 255).astype(np.uint8), (1 + 3 * disc).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders `images` and `masks` with two files each, `model.segkit`, `refined.segkit`."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(2):
        image, labels = scene(i)
        Pictures.fromarray(image).save(folder / f"images/{i}.png")
        Pictures.fromarray(labels).save(folder / f"masks/{i}.png")
    model = folder / "model.segkit"
    assert run("train", folder / "images", folder / "masks", "-o", model, *PIXELS) == 0
    segmenter = Segmenter.load(model, device="cpu")
    segmenter.refine = REFINE
    segmenter.save(folder / "refined.segkit")
    return folder


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def last(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


def predicted(data, tmp_path, *asked, model="model.segkit"):
    target = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
    assert run("predict", data / model, data / "images/0.png", "-o", target, *asked, *CPU) == 0
    return np.load(target)


def test_the_labels_are_the_same_as_in_python(data, tmp_path):
    direct = Segmenter.load(data / "model.segkit", device="cpu").predict(scene(0)[0], refine=REFINE)
    np.testing.assert_array_equal(predicted(data, tmp_path, *MRF, *CLEAN), direct)
    assert (predicted(data, tmp_path) != direct).any()


def test_the_models_settings_are_the_default(data, tmp_path):
    model = Segmenter.load(data / "model.segkit", device="cpu")
    asked = {
        (): REFINE,
        ("--refine", "none"): RefineConfig(),
        ("--clean", "none"): RefineConfig("mrf", mrf=REFINE.mrf),
        ("--mrf-weight", "0.2"): replace(REFINE, mrf=MRFConfig(0.2, intensity_sigma=0.3)),
        ("--refine", "superpixels", "--superpixels-size", "5"): RefineConfig(
            "superpixels", superpixels=SuperpixelConfig(size=5), clean=STEPS
        ),
        ("--refine", "none", "--clean", "4: threshold=0.6"): RefineConfig(
            clean=(CleanConfig(4, threshold=0.6),)
        ),
    }  # fmt: skip
    for options, recipe in asked.items():
        found = predicted(data, tmp_path, *options, model="refined.segkit")
        expected = model.predict(scene(0)[0], refine=recipe)
        np.testing.assert_array_equal(found, expected, err_msg=" ".join(options))


def test_a_file_records_how_it_was_refined(data, tmp_path):
    image, target = data / "images/0.png", tmp_path / "a.tif"
    assert run("predict", data / "refined.segkit", image, "-o", target, *CPU) == 0
    with tifffile.TiffFile(target) as file:
        told = json.loads(tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"])
    assert told["refine"]["method"] == "mrf"
    assert [c["value"] for c in told["refine"]["clean"]] == [4, 1]
    assert told["classes"] == [[1, "class 1"], [4, "class 4"]]


@pytest.mark.parametrize("kind", ["tif", "npy", "nii.gz"])
def test_smoothing_afterwards_gives_the_same(kind, data, tmp_path, capsys):
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.tif", scene(i)[0])
    images, raw, later = tmp_path, tmp_path / "raw", tmp_path / "later"
    asked = ["--format", kind, "--probabilities", *CPU]
    assert run("predict", data / "model.segkit", images, "-o", raw, *asked) == 0
    assert run("predict", data / "refined.segkit", images, "-o", tmp_path / "now", *asked) == 0
    capsys.readouterr()
    more = [] if kind != "npy" else ["--classes", "1,4"]
    names = [s.replace("class 4", "4") for s in CLEAN]
    assert (
        run("smooth", raw / "probabilities", images, "-o", later, *asked, *MRF, *names, *more) == 0
    )
    printed = capsys.readouterr().out.splitlines()
    places = [later / f"{p}{i}.{kind}" for i in range(2) for p in ("", "probabilities/")]
    assert printed == [str(p) for p in places]
    for i in range(2):
        now, then = (read_labels(f / f"{i}.{kind}") for f in (tmp_path / "now", later))
        np.testing.assert_array_equal(then, now)
        assert set(np.unique(then)) == {1, 4}
        soft = [
            read_probability_file(f / f"probabilities/{i}.{kind}")
            for f in (tmp_path / "now", later)
        ]
        np.testing.assert_allclose(soft[0].values, soft[1].values, atol=1e-6)
        if kind != "npy":
            assert [c.name for c in read_classes(later / f"{i}.{kind}")] == ["class 1", "class 4"]


def test_smooth_uses_a_crf_by_default(data, tmp_path):
    image, labels = scene(0)
    np.save(tmp_path / "maps.npy", np.stack([labels == 1, labels == 4]).astype(np.float32))
    files = ["smooth", tmp_path / "maps.npy", data / "images/0.png"]
    assert run(*files, "-o", tmp_path / "a.npy", "--crf-iterations", "2", *CPU) == 0
    maps = np.load(tmp_path / "maps.npy")
    expected = refine(maps, image, RefineConfig("crf", crf=CRFConfig(2)), device="cpu")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)


def test_plain_labels_are_smoothed_too(data, tmp_path):
    image, labels = scene(0)
    asked = ["--certainty", "0.6", "--unlabelled", "1", "--classes", "1,4,9", *MRF, *CPU]
    files = [data / "masks/0.png", data / "images/0.png", "-o", tmp_path / "a.png"]
    assert run("smooth", *files, *asked) == 0
    soft, values = soft_labels(labels, values=[1, 4, 9], certainty=0.6, unlabelled=1)
    expected = refine(soft, image, RefineConfig("mrf", mrf=REFINE.mrf), values=values)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("kind", ["tif", "png", "nii.gz"])
def test_labels_have_all_classes_named_in_their_file(kind, data, tmp_path):
    """Two of five are present: probabilities and clean-up are for all five."""
    image, labels = scene(0)
    names = {1: "ground", 2: "sky", 4: "nucleus", 7: "rim", 9: "void"}
    told = {"classes": [[value, name] for value, name in names.items()]}
    write_labels(tmp_path / f"l.{kind}", labels, FileMetadata("YX", provenance=told))
    tifffile.imwrite(tmp_path / "i.tif", image)
    files = ["smooth", tmp_path / f"l.{kind}", tmp_path / "i.tif", "-o", tmp_path / "a.tif"]
    asked = ["--clean", "nucleus: min_size=12", "--certainty", "0.4", *MRF, *CPU]
    assert run(*files, *asked) == 0
    soft, values = soft_labels(labels, values=list(names), certainty=0.4)
    recipe = RefineConfig("mrf", mrf=REFINE.mrf, clean=(CleanConfig(4, min_size=12),))
    expected = refine(soft, image, recipe, values=values)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), expected)
    assert [c.name for c in read_classes(tmp_path / "a.tif")] == list(names.values())
    few = ["--classes", "4,1", "--clean", "nucleus: largest", "--overwrite", *MRF, *CPU]
    assert run(*files, *few) == 0
    assert [c.name for c in read_classes(tmp_path / "a.tif")] == ["ground", "nucleus"]


def test_nifti_probabilities_are_reoriented_to_their_image(data, tmp_path):
    """The two files have different orientations."""
    volume = np.stack([scene(i)[0] for i in range(3)])
    truth = np.stack([scene(i)[1] for i in range(3)])
    maps = np.stack([truth == 1, truth == 4]).astype(np.float32) * 0.6 + 0.2
    flipped = np.diag([-1.0, 2.0, 3.0, 1.0])
    flipped[0, 3] = volume.shape[2] - 1
    nib.save(nib.Nifti1Image(volume.T, np.diag([1.0, 2, 3, 1])), tmp_path / "i.nii")
    nib.save(nib.Nifti1Image(maps.transpose(3, 2, 1, 0)[::-1], flipped), tmp_path / "p.nii")
    target = tmp_path / "o.nii.gz"
    asked = [*MRF, "--classes", "1,4", *CPU]
    assert run("smooth", tmp_path / "p.nii", tmp_path / "i.nii", "-o", target, *asked) == 0
    recipe = RefineConfig("mrf", mrf=REFINE.mrf)
    expected = refine(maps, volume, recipe, values=(1, 4), spacing=(3, 2, 1))
    found = nib.load(target)
    np.testing.assert_array_equal(np.asarray(found.dataobj).T, expected)
    np.testing.assert_array_equal(found.affine, np.diag([1.0, 2, 3, 1]))


def test_any_order_of_axes_and_single_slices(data, tmp_path):
    stack = np.stack([scene(i)[0] for i in range(3)])
    truth = np.stack([scene(i)[1] for i in range(3)])
    maps = np.stack([truth == 1, truth == 4]).astype(np.float32) * 0.6 + 0.2
    tifffile.imwrite(tmp_path / "i.tif", stack, metadata={"axes": "ZYX"}, ome=True)
    moved = maps.transpose(1, 2, 3, 0)
    tifffile.imwrite(tmp_path / "p.tif", moved, metadata={"axes": "ZYXC"}, photometric="minisblack")
    files = ["smooth", tmp_path / "p.tif", tmp_path / "i.tif", "-o"]
    assert run(*files, tmp_path / "a.npy", *MRF, *CPU) == 0
    recipe = RefineConfig("mrf", mrf=REFINE.mrf)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), refine(maps, stack, recipe))
    assert run(*files, tmp_path / "b.npy", "--axes", "TYX", *MRF, *CPU) == 0
    flat = refine(maps, stack, recipe, axes="TYX")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), flat)


def test_existing_files_are_kept_and_the_others_written(data, tmp_path, capsys):
    asked = ["smooth", data / "masks", data / "images", "-o", tmp_path, *MRF, *CPU]
    (tmp_path / "0.tif").write_bytes(b"precious")
    assert run(*asked) == 1
    said = capsys.readouterr().err
    assert "0.png: " in said
    assert "exists already" in said
    assert "1 of 2 files failed." in said
    assert (tmp_path / "0.tif").read_bytes() == b"precious"
    assert (tmp_path / "1.tif").exists()
    (tmp_path / "probabilities").mkdir()
    (tmp_path / "probabilities/1.tif").write_bytes(b"precious")
    (tmp_path / "1.tif").unlink()
    assert run(*asked, "--probabilities") == 1
    assert not (tmp_path / "1.tif").exists()
    assert (tmp_path / "probabilities/1.tif").read_bytes() == b"precious"
    assert run(*asked, "--probabilities", "--overwrite") == 0


def test_inputs_are_never_replaced(data, tmp_path, capsys):
    """A second run would smooth what the first has smoothed."""
    out, images = tmp_path / "out", data / "images"
    soft = out / "probabilities"
    soft.mkdir(parents=True)
    for i in range(2):
        write_labels(soft / f"{i}.tif", scene(i)[1], FileMetadata("YX"))
    (tmp_path / "link").symlink_to(out)
    before = [(soft / f"{i}.tif").read_bytes() for i in range(2)]
    asked = ["--probabilities", "--overwrite", *CPU]
    for command in (
        ["smooth", soft, images, "-o", out, *MRF],
        ["smooth", soft, images, "-o", tmp_path / "link", *MRF],
        ["smooth", soft / "0.tif", images / "0.png", "-o", out / "0.png", *MRF],
        ["smooth", soft, images, "-o", soft, *MRF],
        ["predict", data / "model.segkit", soft / "0.tif", "-o", out / "0.tif"],
    ):
        assert run(*command, *asked) == 2, command
        assert "the result would replace it" in last(capsys)
    assert [(soft / f"{i}.tif").read_bytes() for i in range(2)] == before
    assert list(out.iterdir()) == [soft]
    assert run("smooth", soft, images, "-o", tmp_path / "free", *MRF, *asked) == 0


PREDICT = ["predict", "MODEL", "IMAGE", "-o", "x.tif"]
SMOOTH = ["smooth", "MASK", "IMAGE", "-o", "x.tif"]
MISTAKES = [
    ([*PREDICT, "--clean", "sky: largest"], "no class 'sky'; choose among class 1, class 4"),
    ([*PREDICT, "--clean", "largest"], "does not name a class and its steps"),
    ([*PREDICT, "--clean", "4: smallest"], "'smallest' is not one of threshold, open, close"),
    ([*PREDICT, "--clean", "4: min_size"], "give min_size a number, as in min_size=20"),
    ([*PREDICT, "--clean", "4: min_size=few"], "give min_size a number"),
    ([*PREDICT, "--clean", "4: largest=1"], "largest takes no number"),
    ([*PREDICT, "--clean", "4: min_size=-1"], "min_size is -1"),
    ([*PREDICT, "--clean", "4: threshold=nan"], "threshold is nan"),
    ([*PREDICT, "--clean", "4:"], "does not name a class"),
    ([*PREDICT, "--crf-iterations", "3"], "--crf-iterations belong to another method"),
    ([*PREDICT, "--refine", "mrf", "--crf-iterations", "3"], "this is --refine mrf"),
    ([*PREDICT, "--refine", "mrf", "--mrf-weight", "-1"], "weight is -1"),
    ([*SMOOTH, "--classes", "1,7", "--clean", "4: largest"], "no class '4'; choose among"),
    ([*SMOOTH, "--certainty", "0.2"], "certainty is 0.2"),
    ([*SMOOTH, "--refine", "none", "--mrf-weight", "1"], "this is --refine none"),
    (["smooth", "FOLDER", "IMAGE", "-o", "x.tif"], "must be two files, or two folders"),
    (["smooth", "MASK", "OTHER", "-o", "x.tif"], "give the image they were predicted from"),
    (["smooth", "MAPS", "IMAGE", "-o", "x.tif"], "must be numbers from 0 to 1 that add up"),
    (["smooth", "MASK", "IMAGE", "-o", "x.jpg"], "cannot be written"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_mistakes_are_reported_in_one_line(arguments, said, data, tmp_path, monkeypatch, capsys):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    tifffile.imwrite(elsewhere / "other.tif", np.zeros((9, 9), np.uint8))
    np.save(elsewhere / "maps.npy", np.zeros((2, *scene(0)[0].shape), np.float32))
    places = {
        "MODEL": data / "model.segkit",
        "IMAGE": data / "images/0.png",
        "MASK": data / "masks/0.png",
        "FOLDER": data / "masks",
        "OTHER": elsewhere / "other.tif",
        "MAPS": elsewhere / "maps.npy",
    }
    assert run(*(places.get(a, a) for a in arguments), *CPU) == 2
    line = last(capsys)
    assert said in line
    assert line.endswith(".")
    assert not list(here.iterdir())


def test_smoothed_labels_are_written_with_other_values(data, tmp_path):
    image, plain, target = data / "images/0.png", tmp_path / "a.png", tmp_path / "b.png"
    labels = tmp_path / "labels.png"
    assert run("predict", data / "model.segkit", image, "-o", labels, *CPU) == 0
    assert run("smooth", labels, image, "-o", plain, *CPU) == 0
    assert run("smooth", labels, image, "-o", target, *CPU, "--masks", "4", "--values", "255") == 0
    np.testing.assert_array_equal(read_labels(target), 255 * (read_labels(plain) == 4))
    assert [(c.value, c.name) for c in read_classes(target)] == [(0, "class 1"), (255, "class 4")]
