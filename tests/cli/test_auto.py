"""``segkit train --auto`` on real files."""

import numpy as np
import pytest
import tifffile

from napari_segkit import Segmenter, cli

Y, X = np.indices((80, 90))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two images with strokes, and with masks."""
    monkeypatch.chdir(tmp_path)
    for name in ("img", "strokes", "masks"):
        (tmp_path / name).mkdir()
    for seed in range(2):
        mask = (Y - 40) ** 2 + (X - 40 - seed) ** 2 < 400
        noise = np.random.default_rng(seed).integers(0, 40, mask.shape)
        tifffile.imwrite(f"img/{seed}.tif", (noise + 150 * mask).astype(np.uint8))
        strokes = np.zeros(mask.shape, np.uint8)
        strokes[5:8, 10:70], strokes[38:41, 30:50] = 1, 2
        tifffile.imwrite(f"strokes/{seed}.tif", strokes)
        tifffile.imwrite(f"masks/{seed}.tif", mask.astype(np.uint8))


def train(labels, *options):
    arguments = ["train", "img", labels, "-o", "a.segkit", "--auto", "--device", "cpu"]
    return cli.main([*arguments, "--threads", "1", *options])


def test_strokes_are_trained_with_what_is_suggested(files, capsys):
    assert train("strokes") == 0
    said = capsys.readouterr().err
    assert "--preset 'scribbles, in seconds': 3.3 % of the pixels are labelled" in said
    assert "--unlabelled 0: The labels look like strokes of 2 values" in said
    assert Segmenter.load("a.segkit").spec.name == "pixels"


def test_options_win(files, capsys):
    options = ["--model", "segresnet", "--epochs", "1", "--steps-per-epoch", "1"]
    options += ["--tile-size", "32", "--loss", "dice", "--batch-size", "2"]
    assert train("masks", *options) == 0
    said = capsys.readouterr().err
    assert "--unlabelled none: The labels look like masks of the value 1" in said
    assert "--loss" not in said
    assert "--preset" not in said
    model = Segmenter.load("a.segkit")
    assert model.spec.name == "segresnet"
    config = model.trained.config
    assert (config.loss, config.epochs, config.unlabelled) == ("dice", 1, None)
    assert config.tile.tile_size == 32


@pytest.mark.parametrize("other", [["--preset", "balanced"], ["--resume"], ["--start", "b.segkit"]])
def test_one_of_two_ways_to_choose(files, other, capsys, tmp_path):
    assert train("masks", *other) == 2
    assert f"--auto suggests the settings, and {other[0]} chooses" in capsys.readouterr().err
    assert not (tmp_path / "a.segkit").exists()


def test_an_option_beyond_its_limits_is_said_first(files, capsys):
    assert train("masks", "--epochs", "0") == 2
    captured = capsys.readouterr().err
    assert "--epochs" in captured
    assert "Suggested" not in captured
