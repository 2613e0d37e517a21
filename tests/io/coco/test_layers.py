"""JSON files of the COCO panoptic format, opened as napari opens files."""

import json

import numpy as np
import pandas as pd
import pytest
from napari.layers import Labels
from npe2 import PluginManager, io_utils

from napari_segkit.instances.label_ids import read_objects
from napari_segkit.io.coco.layers import MAX_LAYERS, get_reader
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.folders import files_by_stem

PLUGIN = "napari-segkit"
LABELS = np.zeros((6, 8), np.int32)
LABELS[1:3, 2:7], LABELS[3:6, :4], LABELS[5, 7] = 7, 70_000, 9
TABLE = pd.DataFrame(
    {
        "index": [7, 70_000, 9],
        "class": ["cell", "wall", "cell"],
        "kind": ["thing", "stuff", "thing"],
        "score": [0.5, 1.0, 0.875],
    }
)
MADE = {"model": "x", "kind": "panoptic", "image": {"name": "a.tif"}}


@pytest.fixture(autouse=True)
def discovered():
    if PLUGIN not in PluginManager.instance():
        PluginManager.instance().discover()


def opened(*paths):
    return io_utils.read([str(p) for p in paths], stack=False)


def test_a_result_opens_as_it_was_shown(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE, provenance=MADE)
    ((data, meta, kind),) = opened(tmp_path / "a.json")
    layer = Labels(data, **meta)
    assert (kind, layer.name) == ("labels", "a")
    np.testing.assert_array_equal(layer.data, LABELS)
    pd.testing.assert_frame_equal(layer.features[list(TABLE)], TABLE, check_dtype=False)
    assert layer.features["area"].tolist() == [10, 12, 1]
    made = layer.metadata["segkit"]
    assert made | MADE == made
    assert [c[:2] for c in made["classes"]] == [[0, "background"], [1, "cell"], [2, "wall"]]
    learned = read_objects([layer])
    assert [c.name for c in learned.classes] == ["background", "cell"]
    assert np.unique(learned.ids[0]).tolist() == [0, 1, 2]  # the wall is no object


def test_files_of_others_say_no_model_and_no_score(tmp_path):
    folder = tmp_path / "val"
    folder.mkdir()
    for name in ("a", "b", "gone"):
        write_panoptic(folder / f"{name}.png", LABELS, TABLE.drop(columns="score"))
    said = [json.loads((folder / f"{n}.json").read_text()) for n in ("a", "b", "gone")]
    joined = said[0] | {"annotations": [s["annotations"][0] for s in said], "info": None}
    (tmp_path / "val.json").write_text(json.dumps(joined))
    (folder / "gone.png").unlink()
    layers = opened(tmp_path / "val.json")
    assert [meta["name"] for _, meta, _ in layers] == ["a", "b"]
    for data, meta, _ in layers:
        np.testing.assert_array_equal(data, LABELS)
        assert "score" not in meta["features"]
        assert "metadata" not in meta


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2",
        "[]",
        '"segments_info"',
        '{"type": "FeatureCollection", "features": []}',
        '{"annotations": [{"bbox": [0, 0, 1, 1]}], "categories": [], "note": "segments_info"}',
        '{"annotations": [{"segments_info": [], "file_name": "a.png"}]}',
        '{"annotations": ["segments_info"], "categories": []}',
        '{"annotations": {"segments_info": []}, "categories": []}',
    ],
)
def test_json_of_another_kind_is_left_to_others(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(content)
    assert get_reader(str(path)) is None
    with pytest.raises(ValueError, match="refused the file"):
        io_utils.read([str(path)], stack=False, plugin_name=PLUGIN)


def test_some_of_another_kind_or_missing_are_left_to_others(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    (tmp_path / "b.json").write_text("[]")
    known = str(tmp_path / "a.json")
    assert get_reader([known, str(tmp_path / "b.json")]) is None
    assert get_reader([known, str(tmp_path / "none.json")]) is None
    assert get_reader([]) is None
    assert len(get_reader([known, known])([known, known])) == 2


def test_pictures_that_are_not_there_or_too_many_are_said(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    path = tmp_path / "a.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"annotations": said["annotations"] * (MAX_LAYERS + 1)}))
    with pytest.raises(ValueError, match=rf"describes {MAX_LAYERS + 1} pictures .* at most"):
        opened(path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match=r"describes a\.png, which is neither next to it"):
        opened(path)
    said["annotations"][0] |= {"file_name": "../../a.png"}
    path.write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"describes a\.png, which is neither next to it"):
        opened(path)


def test_a_folder_of_such_files_holds_pictures_only(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    assert list(files_by_stem(tmp_path)) == ["a"]
