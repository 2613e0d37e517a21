"""The commands on objects: ids and tables, masks of classes, the panoptic format."""

import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import ModelSpec, ObjectConfig, cli, merge_panoptic
from napari_segkit.io.files import read_labels
from napari_segkit.models import Inputs, build
from napari_segkit.segmenter import Segmenter

CPU = ["--device", "cpu", "--threads", "1"]
TINY = ["--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "2", "--tile-size", "64", *CPU]
RAW = ["--no-intensity", "--no-edges", "--no-texture", "--window", "1"]
PIXELS = ["--model", "pixels", "--objects", "components", *RAW, *CPU]
GREY = {1: 120, 2: 220}
WRITTEN = (("", "tif"), ("", "csv"), ("probabilities/", "tif"))


def scene(seed, shape=(48, 64)):
    """Squares of two classes on a dark background: image, ids, class of each pixel."""
    ids, classes = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    places = [(y, x) for y in range(3, shape[0] - 8, 12) for x in range(3, shape[1] - 8, 12)]
    for number, (y, x) in enumerate(places, 1):
        place = np.s_[y : y + 5 + (number + seed) % 2, x : x + 6]
        ids[place], classes[place] = number, 1 + number % 2
    values = np.array([20, *GREY.values()])[classes]
    noise = np.random.default_rng(seed).integers(-9, 9, shape)
    return (values + noise).astype(np.uint8), ids, classes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders `images`, `ids`, `classes` and `regions` with two files each, and a list of them."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("images", "ids", "classes", "regions"):
        (folder / name).mkdir()
    for i in range(2):
        image, ids, classes = scene(i)
        Pictures.fromarray(image).save(folder / f"images/{i}.png")
        tifffile.imwrite(folder / f"ids/{i}.tif", ids)
        Pictures.fromarray(classes).save(folder / f"classes/{i}.png")
        Pictures.fromarray((np.indices(ids.shape)[1] < 37).astype(np.uint8)).save(
            folder / f"regions/{i}.png"
        )
    rows = [f"images/{i}.png,ids/{i}.tif,classes/{i}.png" for i in range(2)]
    (folder / "list.csv").write_text(
        f"images,masks,classes,regions\n{rows[0]},regions/0.png\n{rows[1]},\n"
    )
    return folder


@pytest.fixture(scope="module")
def model(data):
    """A model of objects of two classes, trained by the command."""
    path = data / "model.segkit"
    more = ["--object-classes", data / "classes"]
    assert run("train", data / "images", data / "ids", "-o", path, *more, *PIXELS) == 0
    return path


@pytest.fixture(scope="module")
def semantic(data):
    """A model of the classes of the same images."""
    path = data / "semantic.segkit"
    more = ["--unlabelled", "none", "--model", "pixels", *RAW, *CPU]
    assert run("train", data / "images", data / "classes", "-o", path, *more) == 0
    return path


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def last(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_train_counts_objects(data, tmp_path, capsys):
    path = tmp_path / "a.segkit"
    more = ["--object-classes", data / "classes", *PIXELS]
    assert run("train", data / "images", data / "ids", "-o", path, *more) == 0
    said = capsys.readouterr().err
    ids, classes = (np.concatenate([scene(i)[k].ravel() for i in range(2)]) for k in (1, 2))
    counts = [2 * len(np.unique(ids[classes == c])) for c in (1, 2)]
    assert (
        f"Images: 2. Objects of each class:\n  class 1: {counts[0]}\n  class 2: {counts[1]}\n"
        in said
    )
    median = np.median([np.bincount(scene(i)[1].ravel())[1:] for i in range(2)])
    assert f"typical diameter: {2 * np.sqrt(median / np.pi):.1f} pixels" in said
    assert "not annotated: 0 pixels" in said
    assert "pixels of each class" not in said
    trained = Segmenter.load(path).trained
    assert trained.kind == "objects"
    assert [c.value for c in trained.classes] == [0, 1, 2]


def test_notes_say_what_looks_wrong(data, tmp_path, capsys):
    ids = scene(0)[1]
    ids[20, 1] = ids.max() + 1
    ids[:2, :8] = ids.max() + 1
    ids[:2, 8:16] = ids.max() + 1
    tifffile.imwrite(tmp_path / "ids.tif", ids)
    arguments = [data / "images/0.png", tmp_path / "ids.tif", "-o", tmp_path / "a.segkit"]
    assert run("train", *arguments, *PIXELS) == 0
    said = capsys.readouterr().err
    assert "Note: 0.png: 1 object is smaller than 4 pixels" in said
    assert "--objects distance" in said


def test_pixels_outside_the_regions_are_left_out(data, tmp_path, capsys):
    arguments = [data / "images", data / "ids", "-o", tmp_path / "a.segkit"]
    assert run("train", *arguments, "--regions", data / "regions", *PIXELS) == 0
    said = capsys.readouterr().err
    outside = sum(int((read_labels(data / f"regions/{i}.png") == 0).sum()) for i in range(2))
    inside = sum(len(np.unique(scene(i)[1][:, :37])) - 1 for i in range(2))
    assert f"  object: {inside}\n" in said
    assert f"not annotated: {outside} pixels" in said


def test_one_file_of_each(data, tmp_path, capsys):
    files = [data / "images/0.png", data / "ids/0.tif", "-o", tmp_path / "a.segkit"]
    more = ["--object-classes", data / "classes/0.png", "--regions", data / "regions/0.png"]
    assert run("train", *files, *more, *PIXELS) == 0
    counts = [len(np.unique(scene(0)[1][:, :37][scene(0)[2][:, :37] == c])) for c in (1, 2)]
    assert f"  class 1: {counts[0]}\n  class 2: {counts[1]}\n" in capsys.readouterr().err


def test_a_list_names_classes_and_regions(data, tmp_path, capsys):
    assert run("train", data / "list.csv", "-o", tmp_path / "a.segkit", *PIXELS) == 0
    said = capsys.readouterr().err
    outside = int((read_labels(data / "regions/0.png") == 0).sum())
    assert f"not annotated: {outside} pixels" in said
    assert [c.value for c in Segmenter.load(tmp_path / "a.segkit").classes] == [0, 1, 2]


def test_questions_about_instance_ids_name_options(data, tmp_path, capsys):
    arguments = [data / "images", data / "ids", "-o", tmp_path / "a.segkit"]
    assert run("train", *arguments, "--model", "pixels", *RAW, *CPU) == 2
    options = "--labels-are objects or --labels-are classes or --objects distance."
    assert last(capsys).endswith(options)


def test_questions_about_connected_components_name_options(data, tmp_path, capsys):
    arguments = ["train", data / "images/0.png", data / "classes/0.png"]
    target = ["-o", tmp_path / "a.segkit", *PIXELS]
    assert run(*arguments, *target) == 2
    assert "--labels-are classes or --labels-are objects" in last(capsys)
    assert run(*arguments, *target, "--labels-are", "classes") == 0
    counts = [len(np.unique(scene(0)[1][scene(0)[2] == c])) for c in (1, 2)]
    assert f"  class 1: {counts[0]}\n  class 2: {counts[1]}\n" in capsys.readouterr().err


def test_objects_can_be_switched_off(data, tmp_path):
    more = ["--preset", "touching cells or nuclei", "--model", "segresnet", "--objects", "none"]
    files = [data / "images", data / "classes", "-o", tmp_path / "a.segkit", "--unlabelled", "none"]
    assert run("train", *files, *more, *TINY) == 0
    assert Segmenter.load(tmp_path / "a.segkit").trained.kind == "semantic"


def test_predict_writes_ids_and_a_table(data, model, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["predict", model, data / "images", "-o", out, "--probabilities"]
    assert run(*arguments) == 0
    printed, said = capsys.readouterr()
    names = [f"{place}{i}.{kind}" for i in range(2) for place, kind in WRITTEN]
    assert printed.splitlines() == [str(out / name) for name in names]
    assert all((out / name).is_file() for name in names)
    for i in range(2):
        labels, truth = tifffile.imread(out / f"{i}.tif"), scene(i)[1]
        table = pd.read_csv(out / f"{i}.csv")
        assert labels.dtype == np.uint16
        assert f"{i}.png: {truth.max()} objects" in said
        np.testing.assert_array_equal(labels > 0, truth > 0)
        assert table["index"].tolist() == list(range(1, truth.max() + 1))
        assert table["pixels"].tolist() == np.bincount(labels.ravel())[1:].tolist()
        for row in table.itertuples():
            box = labels[row.y0 : row.y1, row.x0 : row.x1]
            assert (box == row.index).sum() == row.pixels
            assert row[2] == f"class {scene(i)[2][labels == row.index][0]}"
        maps = tifffile.imread(out / f"probabilities/{i}.tif")
        assert maps.shape == (3, *truth.shape)
        np.testing.assert_array_equal(maps.argmax(0), scene(i)[2])


def test_the_objects_are_the_same_as_in_python(data, model, tmp_path):
    asked = ["--min-size", "32", "--no-border", "--score", "0.2"]
    target = tmp_path / "a.npy"
    assert run("predict", model, data / "images/0.png", "-o", target, *asked, *CPU) == 0
    objects = ObjectConfig(score=0.2, min_size=32, border=False)
    found = Segmenter.load(model, device="cpu").predict_objects(scene(0)[0], objects=objects)
    np.testing.assert_array_equal(np.load(target), found.labels)
    written = pd.read_csv(tmp_path / "a.csv", dtype={"class": str})
    pd.testing.assert_frame_equal(written, found.table, check_dtype=False, check_exact=False)
    assert 0 < len(written) < scene(0)[1].max()


def test_a_file_records_which_objects_were_selected(data, model, tmp_path):
    target = tmp_path / "a.tif"
    assert run("predict", model, data / "images/0.png", "-o", target, "--max-size", "99") == 0
    with tifffile.TiffFile(target) as file:
        kept = json.loads(tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"])
    assert kept["kind"] == "objects"
    assert kept["objects"]["max_size"] == 99


@pytest.mark.parametrize(
    ("asked", "value_of"),
    [
        (["--masks", "2"], {1: 0, 2: 2}),
        (["--masks", "class 1"], {1: 1, 2: 0}),
        (["--masks", "1,2"], {1: 1, 2: 2}),
        (["--masks", "all"], {1: 1, 2: 2}),
        (["--masks", "2", "--one-mask"], {1: 0, 2: 1}),
        (["--one-mask"], {1: 1, 2: 1}),
        (["--values", "255"], {1: 255, 2: 255}),
        (["--values", "class 1=40, 2=80"], {1: 40, 2: 80}),
        (["--masks", "2", "--values", "2=255"], {1: 0, 2: 255}),
    ],
)
def test_masks_of_classes(asked, value_of, data, model, tmp_path):
    target = tmp_path / "a.png"
    assert run("predict", model, data / "images/0.png", "-o", target, *asked) == 0
    expected = np.array([0, value_of[1], value_of[2]])[scene(0)[2]]
    np.testing.assert_array_equal(read_labels(target), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_panoptic_files(data, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("predict", model, data / "images", "-o", out, "--format", "panoptic") == 0
    names = ("0.png", "0.json", "1.png", "1.json")
    assert capsys.readouterr().out.splitlines() == [str(out / name) for name in names]
    assert sorted(p.name for p in out.iterdir()) == ["0.json", "0.png", "1.json", "1.png"]
    colours = np.asarray(Pictures.open(out / "0.png")).astype(int)
    ids = colours @ (1, 256, 65536)
    np.testing.assert_array_equal(ids > 0, scene(0)[1] > 0)
    said = json.loads((out / "0.json").read_text())
    assert [c["name"] for c in said["categories"]] == ["class 1", "class 2"]
    segments = said["annotations"][0]["segments_info"]
    assert {s["id"]: s["area"] for s in segments} == dict(
        enumerate(np.bincount(ids.ravel())[1:].tolist(), 1)
    )


def test_a_merged_model_gives_things_and_stuff(data, model, semantic, tmp_path, capsys):
    merged = merge_panoptic(Segmenter.load(semantic), Segmenter.load(model), stuff=[0])
    merged.save(tmp_path / "m.segkit")
    image = data / "images/0.png"
    assert run("predict", tmp_path / "m.segkit", image, "-o", tmp_path / "a.tif", *CPU) == 0
    assert last(capsys) == "0.png: 21 segments"
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["kind"].value_counts().to_dict() == {"thing": 20, "stuff": 1}
    assert read_labels(tmp_path / "a.tif").min() > 0
    more = ["--format", "panoptic", *CPU]
    assert run("predict", tmp_path / "m.segkit", image, "-o", tmp_path / "a.png", *more) == 0
    said = json.loads((tmp_path / "a.json").read_text())
    assert [c["isthing"] for c in said["categories"]] == [1, 1, 0]


@pytest.mark.parametrize("precious", ["0.csv", "0.tif"])
def test_neither_labels_nor_table_are_overwritten_unless_asked(
    precious, data, model, tmp_path, capsys
):
    (tmp_path / precious).write_bytes(b"precious")
    assert run("predict", model, data / "images", "-o", tmp_path) == 1
    said = capsys.readouterr().err
    assert (
        f"0.png: {tmp_path / precious} exists already: choose another name, or overwrite. " in said
    )
    assert "Here: --overwrite." in said
    assert (tmp_path / precious).read_bytes() == b"precious"
    written = sorted({precious, "1.csv", "1.tif"})
    assert sorted(p.name for p in tmp_path.iterdir()) == written
    assert run("predict", model, data / "images", "-o", tmp_path, "--overwrite") == 0
    assert len(pd.read_csv(tmp_path / "0.csv")) == scene(0)[1].max()


def test_a_table_appears_only_with_its_labels(data, model, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise OSError("The disk is full.")

    monkeypatch.setattr("napari_segkit.io.writers.write_tiff", fail)
    target = tmp_path / "a.tif"
    assert run("predict", model, data / "images/0.png", "-o", target) == 2
    assert last(capsys) == f"{target} cannot be written: The disk is full."
    assert not list(tmp_path.iterdir())


def test_more_objects_than_16_bits_hold(model, tmp_path, capsys):
    ids = np.zeros((515, 514), bool)
    ids[1::2, 1::2] = True
    Pictures.fromarray(np.where(ids, 220, 20).astype(np.uint8)).save(tmp_path / "many.png")
    asked = ["predict", model, tmp_path / "many.png", "--tile-size", "512", *CPU]
    (tmp_path / "ids.tif").write_bytes(b"precious")
    assert run(*asked, "-o", tmp_path / "ids.png", "--overwrite") == 0
    printed, said = capsys.readouterr()
    assert "Note: There are 66049 objects, and a PNG holds 65535 at most" in said
    labels_file, table_file = printed.splitlines()
    assert labels_file == str(tmp_path / "ids-2.tif")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("ids-2.tif", "ids.csv", "ids.tif", "many.png")
    ]
    assert (tmp_path / "ids.tif").read_bytes() == b"precious"
    labels = tifffile.imread(labels_file)
    assert labels.dtype == np.uint32
    assert labels.max() == len(pd.read_csv(table_file)) == 66049


def test_volumes_keep_their_orientation_and_table_volumes(tmp_path):
    stack = [scene(i)[:2] for i in (0, 0, 0)]
    image, ids = (np.stack([s[k] for s in stack], -1).swapaxes(0, 1) for k in (0, 1))
    matrix = np.diag([0.5, 0.5, 3, 1])
    nib.save(nib.Nifti1Image(image, matrix), tmp_path / "image.nii.gz")
    nib.save(nib.Nifti1Image(ids, matrix), tmp_path / "ids.nii.gz")
    model, out = tmp_path / "m.segkit", tmp_path / "out"
    files = ["train", tmp_path / "image.nii.gz", tmp_path / "ids.nii.gz", "-o", model]
    assert run(*files, "--dims", "2D", *PIXELS) == 0
    out.mkdir()
    for name, link in (("linked", "0.25"), ("apart", "none")):
        target = out / f"{name}.nii.gz"
        assert run("predict", model, files[1], "-o", target, "--link", link, *CPU) == 0
    found, table = nib.load(out / "linked.nii.gz"), pd.read_csv(out / "linked.csv")
    np.testing.assert_array_equal(found.affine, matrix)
    np.testing.assert_array_equal(np.asarray(found.dataobj) > 0, ids > 0)
    assert len(table) == ids.max()
    assert table["volume"].tolist() == pytest.approx((table["pixels"] * 0.75).tolist())
    assert {"z0", "z1"} <= set(table)
    assert len(pd.read_csv(out / "apart.csv")) == 3 * ids.max()


@pytest.mark.parametrize("name", [pytest.param("maskrcnn", marks=pytest.mark.slow), "solo"])
def test_instance_methods(name, data, tmp_path, capsys):
    path, out = tmp_path / "a.segkit", tmp_path / "out"
    more = ["--model", name, *TINY]
    assert run("train", data / "images", data / "ids", "-o", path, *more) == 0
    said = capsys.readouterr().err
    assert f"  object: {2 * scene(0)[1].max()}\n" in said
    trained = Segmenter.load(path).trained
    sizes = trained.provenance["sizes"]
    assert f"  set from their sizes: {sizes}\n" in said
    assert re.search(r"epoch 1  loss [\d.]+  step  2/2", said)
    assert run("predict", path, data / "images", "-o", out, "--score", "0.05", *CPU) == 0
    assert trained.kind == "instance"
    for i in range(2):
        labels, table = tifffile.imread(out / f"{i}.tif"), pd.read_csv(out / f"{i}.csv")
        assert labels.shape == scene(i)[1].shape
        assert labels.max() == len(table)
        assert (table["score"] >= 0.05).all()


def test_a_method_with_pretrained_weights(tmp_path, capsys):
    from safetensors.torch import save_file

    network = build(ModelSpec("maskrcnn", encoder="resnet18"), Inputs(3, 3, (1.0, 1.0)))
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    colour = np.repeat(scene(0)[0][..., None], 3, axis=2)
    Pictures.fromarray(colour).save(tmp_path / "photo.png")
    asked = ["predict", "maskrcnn", tmp_path / "photo.png", "-o", tmp_path / "a.tif", *CPU]
    assert run(*asked) == 2
    assert "maskrcnn with --weights coco" in last(capsys)
    whole = ["--weights", tmp_path / "w.safetensors", "--encoder", "resnet18"]
    assert run(*asked, *whole, "--score", "0.01") == 0
    classes = pd.read_csv(tmp_path / "a.csv")["class"]
    assert set(classes) <= {"class 1", "class 2"}


def test_models_say_which_give_objects(capsys):
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = {line.split()[0]: line.split()[1] for line in lines if line[:1].islower()}
    assert {name for name, kind in kinds.items() if kind == "instance"} == {"maskrcnn", "solo"}
    assert run("models", "maskrcnn") == 0
    about = capsys.readouterr().out
    assert "each with a class and a score" in about
    assert "coco" in about
    assert run("models", "unet") == 0
    assert "--objects components, boundary or distance" in capsys.readouterr().out


TRAIN = ["train", "IMAGES", "IDS", "-o", "x.segkit"]
PREDICT = ["predict", "MODEL", "IMAGE", "-o", "x.tif"]
MISTAKES = [
    ([*TRAIN, "--model", "maskrcnn", "--objects", "boundary"], "is an instance method"),
    ([*TRAIN, "--object-classes", "CLASSES"], "unet predicts classes only"),
    ([*TRAIN, "--regions", "REGIONS"], "add --objects distance"),
    ([*TRAIN, "--objects", "boundary", "--regions", "MASK"], "must be two files, or two folders"),
    ([*TRAIN, "--objects", "boundary", "--object-classes", "nowhere"], "no file or folder nowhere"),
    (
        [*TRAIN, "--objects", "boundary", "--regions", "LESS"],
        "(complete regions) has no file for 1 images",
    ),
    (["train", "LIST", "-o", "x.segkit", "--regions", "REGIONS"], "in its column regions"),
    (["train", "LIST", "-o", "x.segkit"], "unet predicts classes only"),
    (
        [*PREDICT, "--masks", "person"],
        "no class 'person'; choose among background, class 1",
    ),
    ([*PREDICT, "--score", "2"], "score is 2.0"),
    ([*PREDICT, "--format", "panoptic"], "ending in .png"),
    ([*PREDICT, "--format", "panoptic", "--masks", "all"], "choose one of the two"),
    ([*PREDICT, "--weights", "coco"], "go with the name of a method"),
    (["predict", "PLAIN", *PREDICT[2:], "--score", "0.3"], "--score select objects"),
    (["predict", "PLAIN", *PREDICT[2:], "--palette"], "choose a PNG file of labels"),
    ([*PREDICT[:2], "IMAGE", "-o", "x.png", "--values", "1=70000"], "do not fit a PNG"),
    (["predict", "PLAIN", "IMAGE", "-o", "x.png", "--format", "panoptic"], "classes only"),
    (["predict", "MODEL", "STACK", "-o", "x.png", "--format", "panoptic"], "is 2D"),
    (["predict", "MODEL", "STACK", "-o", "x.png"], "do not fit a PNG"),
    (["predict", "unet", *PREDICT[2:]], "is a method and not trained"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_mistakes_are_reported_in_one_line(
    arguments, said, data, model, semantic, tmp_path, monkeypatch, capsys
):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    (elsewhere / "less").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    tifffile.imwrite(elsewhere / "stack.tif", np.stack([scene(i)[0] for i in range(2)]))
    (elsewhere / "less/0.png").write_bytes((data / "regions/0.png").read_bytes())
    places = {
        "IMAGES": data / "images",
        "IDS": data / "ids",
        "CLASSES": data / "classes",
        "REGIONS": data / "regions",
        "LESS": elsewhere / "less",
        "LIST": data / "list.csv",
        "IMAGE": data / "images/0.png",
        "MASK": data / "regions/0.png",
        "STACK": elsewhere / "stack.tif",
        "MODEL": model,
        "PLAIN": semantic,
    }
    assert run(*(places.get(a, a) for a in arguments)) == 2
    line = last(capsys)
    assert said in line
    assert line.endswith(".")
    assert not list(here.iterdir())


def test_wrong_choices_are_explained(data, capsys):
    files = [data / "images", data / "ids", "-o", "x.segkit"]
    with pytest.raises(SystemExit):
        run("train", *files, "--objects", "rims")
    assert "'rims' is not one of components, boundary, distance, none" in capsys.readouterr().err
