"""A JSON file of COCO panoptic labels that was changed anywhere: a sentence, or what it says."""

import json
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_segkit.io.coco.layers import get_reader
from napari_segkit.io.coco.panoptic_files import read_panoptic

IDS = np.zeros((6, 8), np.uint8)
IDS[:3], IDS[4:, 2:5] = 1, 200
SEGMENTS = [
    {"id": 1, "category_id": 7, "area": 24, "bbox": [0, 0, 8, 3], "iscrowd": 0},
    {"id": 200, "category_id": 9, "area": 6, "bbox": [2, 4, 3, 2], "iscrowd": 1, "score": 0.5},
]
CONTENT = {
    "info": {"provenance": {"threads": 1}},
    "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
    "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": SEGMENTS}],
    "categories": [
        {"id": 7, "name": "sky", "isthing": 0},
        {"id": 9, "name": "cell", "isthing": 1},
    ],
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ODD = st.sampled_from([1, 7, 9, 200, 2**24, 10**400, -1, "a.png", "x" * 300, "a\0b", ".."])
VALUES = ODD | st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def places(value, path=()):
    """Where a value can be put, in a JSON tree."""
    yield path
    if not isinstance(value, dict | list):
        return
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield from places(each, (*path, key))


def changed(path, value, *, delete):
    content = deepcopy(CONTENT)
    if not path:
        return value
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if delete:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return content


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("coco") / "a.png"
    colours = np.zeros((*IDS.shape, 3), np.uint8)
    colours[..., 0] = IDS
    Image.fromarray(colours).save(path)
    return path


PATHS = [*places(CONTENT)]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PATHS), VALUES, st.booleans())
def test_any_change_is_said_or_read_as_it_says(picture, require_said, path, value, delete):
    file = picture.with_suffix(".json")
    content = changed(path, value, delete=delete)
    file.write_text(json.dumps(content), encoding="utf-8")
    try:
        ids, table = read_panoptic(picture)
    except ValueError as error:
        require_said(error)
    else:
        np.testing.assert_array_equal(ids, IDS)
        segments = content["annotations"][0]["segments_info"]
        names = {each["id"]: each["name"] for each in content["categories"]}
        assert list(table["index"]) == [each["id"] for each in segments]
        assert list(table["class"]) == [names[each["category_id"]] for each in segments]
    if (reader := get_reader(file)) is not None:
        try:
            ((labels, _, kind),) = reader(file)
        except ValueError as error:
            require_said(error)
        else:
            assert kind == "labels"
            np.testing.assert_array_equal(labels, IDS)
