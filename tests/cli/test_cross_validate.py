"""``segkit cross-validate`` and ``segkit merge --mean``: metrics of folds, one model of all."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_segkit import Segmenter, cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of bright squares of two subjects in sub-folders, and their masks."""
    folder = tmp_path_factory.mktemp("set")
    for number in range(4):
        random = np.random.default_rng(number)
        labels = np.zeros((40, 48), np.uint8)
        y, x = random.integers(2, 20, 2)
        labels[y : y + 14, x : x + 14] = 1
        image = (60 + 100 * labels + random.integers(0, 40, labels.shape)).astype(np.uint8)
        for kind, pixels in (("images", image), ("masks", labels)):
            path = folder / kind / f"sub-{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def run(*args):
    return cli.main([str(arg) for arg in args])


def cross_validate(folder, *more):
    options = "--model", "pixels", "--unlabelled", "none", "--device", "cpu"
    return run("cross-validate", folder / "images", folder / "masks", *options, *more)


def test_metrics_a_table_and_one_model(folder, tmp_path, capsys):
    table, model = tmp_path / "folds.csv", tmp_path / "mean.segkit"
    assert cross_validate(folder, "--csv", table, "-o", model) == 0
    said = capsys.readouterr()
    assert "2 folds over groups." in said.err
    assert "Note: 2 folds instead of 5: there are 2 groups." in said.err
    assert "Fold 1, 2 images of 4 (sub-" in said.err
    assert said.out.splitlines()[-2:] == [str(table), str(model)]
    found = pd.read_csv(table)
    assert [c for c in found if c not in ("metric", "class", "folds")] == [
        "fold 1",
        "fold 2",
        "mean",
        "std",
        "pooled",
    ]
    assert f"{found.loc[found['metric'] == 'mean_dice', 'pooled'].item():.4f} pooled" in said.out
    assert Segmenter.load(model, device="cpu").trained.members == 2


def test_mistakes_are_told_before_any_work(folder, tmp_path, capsys):
    for options, said in (
        (("--folds", "1"), "--folds is 1"),
        (("--csv", tmp_path / "a.png"), "no name of a table"),
        (("-o", tmp_path / "a.segkit", "--model", "solo"), "have no mean"),
    ):
        assert cross_validate(folder, *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert not list(tmp_path.iterdir())


def test_several_models_become_their_mean(folder, tmp_path, capsys):
    files = [tmp_path / f"{seed}.segkit" for seed in range(3)]
    for seed, file in enumerate(files):
        options = "--model", "pixels", "--unlabelled", "none", "--seed", seed, "-o", file
        assert run("train", folder / "images", folder / "masks", *options) == 0
    mean, image = tmp_path / "mean.segkit", np.zeros((40, 48), np.uint8)
    image[5:20, 5:20] = 160
    assert run("merge", "--mean", *files, "-o", mean) == 0
    assert "Mean of 3 networks." in capsys.readouterr().err
    maps = [Segmenter.load(file, device="cpu").predict_proba(image) for file in (*files, mean)]
    np.testing.assert_allclose(maps[-1], np.mean(maps[:-1], axis=0), atol=1e-5)
    for args, said in (
        (("--mean", files[0]), "two or more models"),
        (files, "3 model files are given"),
        (("--mean", files[0], files[0]), "two"),
    ):
        assert run("merge", *args, "-o", tmp_path / "other.segkit") == 2 or args[-1] == args[-2]
        assert said in capsys.readouterr().err
