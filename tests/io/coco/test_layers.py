"""COCO panoptic JSON files opened as napari layers."""

import json

import numpy as np
import pandas as pd
import pytest
from napari.layers import Labels
from npe2 import PluginManager, io_utils

from napari_segkit.instances.label_ids import read_objects
from napari_segkit.io.coco.layers import MAX_LAYERS, get_reader
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.image_files import find_images

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
PROVENANCE = {"model": "x", "kind": "panoptic", "image": {"name": "a.tif"}}


@pytest.fixture(autouse=True)
def discovered():
    if PLUGIN not in PluginManager.instance():
        PluginManager.instance().discover()


def opened(*paths):
    return io_utils.read([str(p) for p in paths], stack=False)


def test_a_result_opens_with_its_features_and_metadata(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE, provenance=PROVENANCE)
    ((data, meta, kind),) = opened(tmp_path / "a.json")
    layer = Labels(data, **meta)
    assert (kind, layer.name) == ("labels", "a")
    np.testing.assert_array_equal(layer.data, LABELS)
    pd.testing.assert_frame_equal(layer.features[list(TABLE)], TABLE, check_dtype=False)
    assert layer.features["area"].tolist() == [10, 12, 1]
    metadata = layer.metadata["segkit"]
    assert metadata | PROVENANCE == metadata
    assert [c[:2] for c in metadata["classes"]] == [[0, "background"], [1, "cell"], [2, "wall"]]
    objects = read_objects([layer])
    assert [c.name for c in objects.classes] == ["background", "cell"]
    assert np.unique(objects.ids[0]).tolist() == [0, 1, 2]  # the wall is no object


def test_files_of_other_programs_have_no_model_and_no_score(tmp_path):
    folder = tmp_path / "val"
    folder.mkdir()
    for name in ("a", "b", "gone"):
        write_panoptic(folder / f"{name}.png", LABELS, TABLE.drop(columns="score"))
    contents = [json.loads((folder / f"{n}.json").read_text()) for n in ("a", "b", "gone")]
    joined = contents[0] | {"annotations": [s["annotations"][0] for s in contents], "info": None}
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
def test_other_json_files_are_left_to_other_readers(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(content)
    assert get_reader(str(path)) is None
    with pytest.raises(ValueError, match="refused the file"):
        io_utils.read([str(path)], stack=False, plugin_name=PLUGIN)


def test_lists_with_other_or_missing_files_are_left_to_other_readers(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    (tmp_path / "b.json").write_text("[]")
    known = str(tmp_path / "a.json")
    assert get_reader([known, str(tmp_path / "b.json")]) is None
    assert get_reader([known, str(tmp_path / "none.json")]) is None
    assert get_reader([]) is None
    assert len(get_reader([known, known])([known, known])) == 2


def test_missing_or_too_many_pictures_are_refused(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    path = tmp_path / "a.json"
    contents = json.loads(path.read_text())
    path.write_text(
        json.dumps(contents | {"annotations": contents["annotations"] * (MAX_LAYERS + 1)})
    )
    with pytest.raises(ValueError, match=rf"describes {MAX_LAYERS + 1} pictures .* at most"):
        opened(path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match=r"describes a\.png, which is neither next to it"):
        opened(path)
    contents["annotations"][0] |= {"file_name": "../../a.png"}
    path.write_text(json.dumps(contents))
    with pytest.raises(ValueError, match=r"describes a\.png, which is neither next to it"):
        opened(path)


def test_the_json_files_in_a_folder_are_no_images(tmp_path):
    write_panoptic(tmp_path / "a.png", LABELS, TABLE)
    assert [f.name for f in find_images(tmp_path)] == ["a.png"]
