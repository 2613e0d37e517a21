"""Chosen classes with chosen values, for other programs."""

import numpy as np
import pytest

from napari_segkit.config import MaskConfig
from napari_segkit.images.class_values import class_values
from napari_segkit.images.classes import LabelClass

DENSE = (
    LabelClass(0, "ground", "#000000"),
    LabelClass(1, "leaf", "#00ff00"),
    LabelClass(3, "stem", "#aa5500"),
)
SCRIBBLED = DENSE[1:]
LABELS = np.array([[0, 1], [3, 1]], np.uint8)


@pytest.mark.parametrize(
    ("config", "written"),
    [
        (MaskConfig(masks="all"), {0: 0, 1: 1, 3: 3}),
        (MaskConfig(masks="stem"), {0: 0, 1: 0, 3: 3}),
        (MaskConfig(masks="leaf, 3", one_mask=True), {0: 0, 1: 1, 3: 1}),
        (MaskConfig(masks="ground", one_mask=True), {0: 1, 1: 0, 3: 0}),
        (MaskConfig(one_mask=True), {0: 0, 1: 1, 3: 1}),
        (MaskConfig(values="255"), {0: 0, 1: 255, 3: 255}),
        (MaskConfig(one_mask=True, values="255"), {0: 0, 1: 255, 3: 255}),
        (MaskConfig(values="stem=255"), {0: 0, 1: 1, 3: 255}),
        (MaskConfig(masks="stem", values="stem = 255"), {0: 0, 1: 0, 3: 255}),
        (MaskConfig(values="leaf=3, stem=1"), {0: 0, 1: 3, 3: 1}),
        (MaskConfig(values="leaf=7,stem=7"), {0: 0, 1: 7, 3: 7}),
        (MaskConfig(values="ground=255,leaf=0,stem=0"), {0: 255, 1: 0, 3: 0}),
        (MaskConfig(values="stem=1000"), {0: 0, 1: 1, 3: 1000}),
    ],
)
def test_each_class_gets_the_value_asked_for(config, written):
    values = class_values(DENSE, config)
    expected = np.vectorize(written.get)(LABELS)
    found = values.apply(LABELS)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == (np.uint8 if max(written.values()) < 256 else np.uint16)


@pytest.mark.parametrize(
    ("classes", "config", "expected"),
    [
        (DENSE, MaskConfig(masks="stem"), [(0, "ground"), (3, "stem")]),
        (DENSE, MaskConfig(values="255"), [(0, "ground"), (255, "leaf, stem")]),
        (DENSE, MaskConfig(masks="ground", one_mask=True), [(0, "background"), (1, "ground")]),
        (SCRIBBLED, MaskConfig(values="stem=2"), [(1, "leaf"), (2, "stem")]),
        (SCRIBBLED, MaskConfig(masks="stem", values="9"), [(0, "leaf"), (9, "stem")]),
    ],
)
def test_the_written_values_keep_the_names_of_their_classes(classes, config, expected):
    assert [(c.value, c.name) for c in class_values(classes, config).classes] == expected


@pytest.mark.parametrize(
    ("classes", "config", "said"),
    [
        (DENSE, MaskConfig(masks="root"), "no class 'root'; choose among ground, leaf, stem"),
        (DENSE, MaskConfig(values="root=2"), "no class 'root'"),
        (DENSE, MaskConfig(values="leaf=-1"), "give each class a whole number"),
        (DENSE, MaskConfig(values="leaf=a"), "give each class a whole number"),
        (DENSE, MaskConfig(values="leaf=1,3"), "give each class a whole number"),
        (DENSE, MaskConfig(values="leaf"), "give each class a whole number"),
        (DENSE, MaskConfig(values="0"), "give numbers from 1"),
        (DENSE, MaskConfig(values="leaf=4294967296"), "give numbers from 1"),
        (DENSE, MaskConfig(one_mask=True, values="leaf=2"), "One mask has one value"),
        (DENSE, MaskConfig(masks="leaf", values="stem=2"), "The values name stem, but only leaf"),
        (DENSE, MaskConfig(masks="ground"), "'ground' has the value 0"),
        (DENSE, MaskConfig(values="leaf=3"), "'leaf' would be written as 3, .* of 'stem'"),
        (SCRIBBLED, MaskConfig(one_mask=True), "leaf, stem, would be the same everywhere"),
        (SCRIBBLED, MaskConfig(values="255"), "would be the same everywhere"),
    ],
)
def test_what_cannot_be_told_apart_or_read_is_refused(classes, config, said):
    with pytest.raises(ValueError, match=said):
        class_values(classes, config)
