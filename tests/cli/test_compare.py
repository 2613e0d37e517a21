"""``segkit compare`` on files: methods are trained, their models compared, and all is written."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_segkit import cli

FILES = {"comparison.csv", "metrics.csv", "comparison.html"}
OPTIONS = ["--device", "cpu", "--threads", "1"]


def scene(seed):
    """A bright disc on noise, and its mask."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((40, 48))
    mask = (y - 18 - seed) ** 2 + (x - 20) ** 2 < 120
    return (rng.integers(0, 60, mask.shape) + 150 * mask).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of images and masks to train on, and others to test on."""
    folder = tmp_path_factory.mktemp("data")
    for name, seeds in (("train", (0, 1)), ("test", (2, 3))):
        for kind, number in (("images", 0), ("masks", 1)):
            (folder / name / kind).mkdir(parents=True)
            for seed in seeds:
                tifffile.imwrite(folder / name / kind / f"{seed}.tif", scene(seed)[number])
    return folder


@pytest.fixture(scope="module")
def trained(data):
    """What the command has written that trains a method and compares it on other images."""
    folder = data / "result"
    images, masks = data / "train/images", data / "train/masks"
    test = ["--images", data / "test/images", "--truth", data / "test/masks"]
    arguments = [images, masks, "--train", "pixels", "--unlabelled", "none", *test]
    arguments += ["-o", folder, "--epochs", "1", *OPTIONS]
    assert run("compare", *arguments) == 0
    return folder


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def test_what_was_trained_is_compared(trained):
    assert {file.name for file in trained.iterdir()} == {*FILES, "pixels.segkit"}
    (row,) = pd.read_csv(trained / "comparison.csv").to_dict("records")
    assert row["model"] == "Pixel classifier"
    assert row["mean_iou"] > 0.9
    assert row["file_mb"] == (trained / "pixels.segkit").stat().st_size / 1e6
    metrics = pd.read_csv(trained / "metrics.csv")
    assert set(metrics["image"]) == {"2.tif", "3.tif", "pooled"}
    page = (trained / "comparison.html").read_text()
    assert "segkit compare" in page
    assert "--train pixels" in page


def test_a_model_is_compared_with_predictions(data, trained, tmp_path, capsys):
    (tmp_path / "blank").mkdir()
    for name in ("2.tif", "3.tif"):
        tifffile.imwrite(tmp_path / "blank" / name, np.zeros((40, 48), np.uint8))
    compared = [f"mine={trained / 'pixels.segkit'}", tmp_path / "blank"]
    where = ["--truth", data / "test/masks", "--images", data / "test/images"]
    assert run("compare", *compared, *where, "-o", tmp_path / "out", *OPTIONS) == 0
    table = pd.read_csv(tmp_path / "out/comparison.csv").set_index("model")
    assert list(table.index) == ["mine", "blank"]
    found = pd.read_csv(trained / "comparison.csv")["mean_iou"][0]
    assert table.loc["mine", "mean_iou"] == pytest.approx(found)
    assert "Highest mean IoU: mine" in capsys.readouterr().out
    assert run("compare", *compared, *where, "-o", tmp_path / "out", *OPTIONS) == 2
    assert "exists already" in capsys.readouterr().err


def test_of_the_training_set_itself_only_what_was_held_out_counts(data, trained, tmp_path):
    rows = [f"train/images/{i}.tif,train/masks/{i}.tif,{r}" for i, r in ((0, "train"), (1, "val"))]
    (data / "list.csv").write_text("\n".join(["images,masks,role", *rows]))
    arguments = ["compare", data / "list.csv", "--train", "pixels", "--unlabelled", "none"]
    assert run(*arguments, "-o", tmp_path, "--epochs", "1", *OPTIONS) == 0
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert set(metrics["image"]) == {"train/images/1.tif", "pooled"}
    assert "chosen by it" in (tmp_path / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.segkit"], "--truth"),
        (["a.tif", "--train", "unet"], "-o"),
        (["a/x.tif", "b/x.tif", "--truth", "t"], "would both be called x"),
        (["a.tif", "--train", "nonet", "-o", "out"], "nonet"),
    ],
)
def test_what_is_missing_is_said_before_any_work(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("compare", *arguments, *OPTIONS) == 2
    assert words in capsys.readouterr().err
