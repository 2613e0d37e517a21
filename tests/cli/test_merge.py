"""``segkit merge``: two model files become one."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TrainConfig, cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Model files `classes.segkit` and `objects.segkit`, of bright squares on two backgrounds."""
    folder = tmp_path_factory.mktemp("models")
    ids = np.zeros((48, 64), np.uint8)
    for number, x in enumerate(range(4, 60, 12), 1):
        ids[10:18, x : x + 7] = number
    grounds = np.where(np.arange(64) < 32, 1, 2) * np.ones((48, 1), int)
    classes = np.where(ids > 0, 3, grounds).astype(np.uint8)
    image = np.array([0, 20, 90, 220], np.uint8)[classes]
    dense = TrainConfig(unlabelled=None, labels_are="classes")
    semantic = Segmenter(ModelSpec("pixels"), device="cpu").fit(image, classes, dense)
    instance = Segmenter(ModelSpec("pixels", objects="components"), device="cpu").fit(image, ids)
    semantic.save(folder / "classes.segkit")
    instance.save(folder / "objects.segkit")
    np.save(folder / "image.npy", image)
    return folder


def merge(folder, output, *more, order=("classes", "objects")):
    files = [folder / f"{name}.segkit" for name in order]
    return cli.main([str(a) for a in ("merge", *files, "-o", output, *more)])


def test_the_merged_model_predicts_both(folder, tmp_path, capsys):
    output = tmp_path / "both.segkit"
    assert merge(folder, output, "--stuff", "class 1, 2") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(output)]
    assert said.err.splitlines() == [
        "Object classes: object.",
        "Stuff classes: class 1, class 2.",
    ]
    assert [f.name for f in tmp_path.iterdir()] == ["both.segkit"]
    found = Segmenter.load(output, device="cpu").predict_objects(np.load(folder / "image.npy"))
    assert found.table["class"].tolist() == ["object"] * 5 + ["class 1", "class 2"]


def test_by_default_all_other_classes_are_stuff(folder, tmp_path, capsys):
    assert merge(folder, tmp_path / "both.segkit") == 0
    assert "Stuff classes: class 1, class 2, class 3." in capsys.readouterr().err


def test_nothing_is_overwritten_unless_asked(folder, tmp_path, capsys):
    output = tmp_path / "both.segkit"
    output.write_bytes(b"precious")
    assert merge(folder, output) == 2
    said = capsys.readouterr().err
    assert (
        said == f"{output} exists already: choose another name, or overwrite. Here: --overwrite.\n"
    )
    assert output.read_bytes() == b"precious"
    assert merge(folder, output, "--stuff", "dog", "--overwrite") == 2
    assert output.read_bytes() == b"precious"
    assert merge(folder, output, "--overwrite") == 0
    assert Segmenter.load(output, device="cpu").trained.kind == "panoptic"


@pytest.mark.parametrize(
    ("options", "order", "said"),
    [
        (["--stuff", "dog"], ("classes", "objects"), "choose among class 1, class 2, class 3."),
        ([], ("objects", "classes"), "The semantic model is pixels, which predicts objects"),
        ([], ("classes", "nothing"), "There is no model file"),
    ],
)
def test_mistakes_are_reported_in_one_line(folder, tmp_path, capsys, options, order, said):
    assert merge(folder, tmp_path / "both.segkit", *options, order=order) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())
