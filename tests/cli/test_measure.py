"""Measurements from the command line: files in, a table out."""

import io

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import cli, measure

LABELS = np.kron([[0, 1, 2], [2, 2, 1]], np.ones((8, 8), int)).astype(np.uint8)
IMAGE = np.random.default_rng(0).integers(0, 256, LABELS.shape, np.uint8)


def run(*arguments):
    return cli.main(["measure", *(str(a) for a in arguments)])


@pytest.fixture
def folders(tmp_path):
    """Two images and their labels."""
    for name, array in (("masks", LABELS), ("images", IMAGE)):
        (tmp_path / name).mkdir()
        for i in range(2):
            Pictures.fromarray(np.roll(array, i)).save(tmp_path / name / f"{i}.png")
    return tmp_path / "masks", tmp_path / "images"


def test_folders_give_the_table_of_python(folders, tmp_path, capsys):
    masks, images = folders
    target = tmp_path / "sizes.csv"
    assert run(masks, images, "-o", target, "--by", "component", "--shape") == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(target)
    assert "0.png with 0.png, 1.png with 1.png" in err
    expected = [
        measure(np.roll(LABELS, i), np.roll(IMAGE, i), by="component", shape=True) for i in (0, 1)
    ]
    written = pd.read_csv(target)
    names = [f"{i}.png" for i, table in enumerate(expected) for _ in table.index]
    assert written["image"].tolist() == names
    expected = pd.concat(expected, ignore_index=True)
    pd.testing.assert_frame_equal(written.drop(columns="image"), expected, check_dtype=False)


def test_labels_alone_have_the_pixel_size_of_their_file(tmp_path, capsys):
    file = tmp_path / "cells.tif"
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
    stack = np.stack([LABELS, np.zeros_like(LABELS)])
    tifffile.imwrite(file, stack, imagej=True, resolution=(2, 2), metadata=metadata)
    assert run(file) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["volume"].tolist() == [64 * n * 0.5 for n in (2, 3)]
    assert table["unit"].unique().tolist() == ["um"]
    tifffile.imwrite(tmp_path / "image.tif", stack * 10)  # does not say its pixel size
    assert run(file, tmp_path / "image.tif", "--axes", "ZYX") == 0
    below = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert below["volume"].tolist() == table["volume"].tolist()


def test_a_table_replaces_no_input_and_no_table(folders, tmp_path, capsys):
    masks, images = folders
    target = tmp_path / "sizes.csv"
    target.write_text("mine")
    assert run(masks, images, "-o", target) == 2
    assert run(masks, images, "-o", masks / "0.png") == 2
    assert target.read_text() == "mine"
    assert "masks/0.png is an input" in capsys.readouterr().err


def test_an_error_names_the_file(folders, capsys):
    masks, images = folders
    Pictures.fromarray(IMAGE[:4]).save(images / "1.png")
    assert run(masks, images) == 2
    assert "1.png: The labels have shape (16, 24)" in capsys.readouterr().err
