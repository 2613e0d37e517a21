"""COCO panoptic files: a PNG of colours and a JSON file."""

import json

import numpy as np
import pandas as pd
import pytest
from imageio.v3 import imread
from PIL import Image as Pictures

from napari_segkit.io.coco.panoptic_files import find_json, read_panoptic, write_panoptic

LABELS = np.zeros((6, 8), np.int32)
LABELS[1:3, 2:7] = 7
LABELS[3:6, :4] = 70_000
LABELS[5, 7] = 2**24 - 1
TABLE = pd.DataFrame(
    {
        "index": [7, 70_000, 2**24 - 1],
        "class": ["cell", "wall", "cell"],
        "kind": ["thing", "stuff", "thing"],
        "score": [0.5, np.nan, 0.875],
    }
)


def test_what_is_written_is_read_again(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    labels, table = read_panoptic(tmp_path / "a.png")
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, LABELS)
    pd.testing.assert_frame_equal(table[list(TABLE)], TABLE)
    assert table["area"].tolist() == [10, 12, 1]
    assert table["category_id"].tolist() == [1, 2, 1]
    assert table["iscrowd"].tolist() == [0, 0, 0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.png"]


def test_the_files_follow_the_coco_format(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE, provenance={"model": "x"})
    colours = imread(tmp_path / "a.png")
    assert colours.shape == (6, 8, 3)
    assert colours[4, 0].tolist() == [70_000 % 256, 70_000 // 256 % 256, 70_000 // 65536]
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["images"] == [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}]
    (annotation,) = said["annotations"]
    assert (annotation["image_id"], annotation["file_name"]) == (1, "a.png")
    assert annotation["segments_info"][1] == {
        "id": 70_000,
        "category_id": 2,
        "area": 12,
        "bbox": [0, 3, 4, 3],
        "iscrowd": 0,
    }
    assert annotation["segments_info"][0]["score"] == 0.5
    assert said["categories"] == [
        {"id": 1, "name": "cell", "isthing": 1},
        {"id": 2, "name": "wall", "isthing": 0},
    ]
    assert said["info"]["provenance"] == {"model": "x"}


def test_given_categories_have_the_same_ids_in_all_files(tmp_path):
    write_panoptic(
        tmp_path / "a.png",
        LABELS,
        TABLE,
        categories={"sky": "stuff", "wall": "stuff", "cell": "thing"},
    )
    _, table = read_panoptic(tmp_path / "a.png")
    assert table["category_id"].tolist() == [3, 2, 3]
    with pytest.raises(ValueError, match="'wall' is not one of the categories"):
        write_panoptic(tmp_path / "b.png", LABELS, TABLE, categories={"cell": "thing"})


def test_a_real_example_keeps_its_segments(real_data, tmp_path):
    folder = real_data / "coco_panoptic"
    labels = imread(folder / "masks_instance/000000142238.tif")
    categories = imread(folder / "masks_semantic/000000142238.png")
    described = json.loads((folder / "segments.json").read_text())
    segments = next(d for d in described if d["image"] == "000000142238")["segments"]
    table = pd.DataFrame(segments).rename(columns={"label": "index", "name": "class"})
    table["kind"] = np.where(table["isthing"], "thing", "stuff")
    write_panoptic(tmp_path / "000000142238.png", labels, table)
    found, read = read_panoptic(tmp_path / "000000142238.png")
    np.testing.assert_array_equal(found, labels)
    for column in ("index", "class", "kind", "area", "category_id", "iscrowd"):
        assert read[column].tolist() == table[column].tolist()
    of_id = np.zeros(found.max() + 1, int)
    of_id[read["index"]] = read["category_id"]
    np.testing.assert_array_equal(of_id[found], categories)


def test_the_json_of_a_folder_is_found_next_to_it(tmp_path):
    folder = tmp_path / "val"
    folder.mkdir()
    write_panoptic(folder / "a.png", LABELS, TABLE, tmp_path / "val.json")
    assert find_json(folder / "a.png") == tmp_path / "val.json"
    assert len(read_panoptic(folder / "a.png")[1]) == 3
    (tmp_path / "val.json").rename(folder / "all.json")
    assert find_json(folder / "a.png").name == "all.json"


def test_a_segment_without_pixels_is_left_out(tmp_path):
    table = pd.DataFrame({"index": [7, 8, 70_000, 2**24 - 1], "class": "cell"})
    write_panoptic(tmp_path / "a.png", LABELS, table)
    assert read_panoptic(tmp_path / "a.png")[1]["index"].tolist() == [7, 70_000, 2**24 - 1]
    full = np.ones((2, 2), np.uint8)
    write_panoptic(tmp_path / "b.png", full, table.replace(7, 1))
    assert read_panoptic(tmp_path / "b.png")[1]["area"].tolist() == [4]


def test_labels_without_any_segment(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS * 0, TABLE)
    labels, table = read_panoptic(tmp_path / "a.png")
    assert not labels.any()
    assert len(table) == 0
    assert "class" in table


def test_nothing_is_overwritten_unless_asked(tmp_path):
    (tmp_path / "a.json").write_text("precious")
    with pytest.raises(ValueError, match="exists already"):
        write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "precious"
    write_panoptic(tmp_path / "a.png", LABELS, TABLE, overwrite=True)
    assert len(read_panoptic(tmp_path / "a.png")[1]) == 3


def test_a_failure_leaves_the_old_files(tmp_path, monkeypatch):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    before = (tmp_path / "a.json").read_bytes()

    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(Pictures.Image, "save", full)
    with pytest.raises(OSError, match="disk full"):
        write_panoptic(tmp_path / "a.png", LABELS * 0, TABLE, overwrite=True)
    assert (tmp_path / "a.json").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "labels", "table", "sentence"),
    [
        ("a.tif", LABELS, TABLE, "must end in .png"),
        ("a.png", LABELS[None], TABLE, "Labels of 3 dimensions"),
        ("a.png", LABELS.astype(np.int64) + 1, TABLE, "values up to 16777216 do not fit"),
        ("a.png", LABELS - 1, TABLE, "must be integers of 0 or more"),
        ("a.png", LABELS, TABLE[["index"]], "lacks the columns 'index' and 'class'"),
        ("a.png", LABELS, TABLE[:1], "2 segments have no class, such as 70000"),
        ("none/a.png", LABELS, TABLE, "There is no folder"),
    ],
)
def test_what_does_not_fit_is_refused(name, labels, table, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence) as caught:
        write_panoptic(tmp_path / name, labels, table)
    assert str(caught.value).endswith(".")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"annotations": []}, "it does not describe a.png"),
        ({"categories": []}, "cannot be read"),
        (None, "it lacks the annotations and categories"),
        ("segments", "does not describe segment 7 of a.png"),
        ("picture", "There is no file"),
        ("grey", "its pixels are L, not the RGB"),
        ("json", "No JSON file describes the segments"),
    ],
)
def test_files_of_another_format_are_refused(change, sentence, tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    content = json.loads((tmp_path / "a.json").read_text())
    if change == "segments":
        content["annotations"][0]["segments_info"].pop(0)
    content = content | change if isinstance(change, dict) else [] if change is None else content
    (tmp_path / "a.json").write_text(json.dumps(content))
    if change == "picture":
        (tmp_path / "a.png").unlink()
    if change == "grey":
        Pictures.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "a.png")
    if change == "json":
        (tmp_path / "a.json").unlink()
    with pytest.raises(ValueError, match=sentence) as caught:
        read_panoptic(tmp_path / "a.png")
    assert str(caught.value).endswith(".")
