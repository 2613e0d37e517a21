"""A training set in place of arrays: one path for both, roles, and what is refused."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from napari_segkit import (
    ModelSpec,
    Segmenter,
    TileConfig,
    TrainConfig,
    TrainingRow,
    TrainingSet,
)
from napari_segkit.images import blocks
from napari_segkit.training import read_data

CONFIG = TrainConfig(
    epochs=1,
    steps_per_epoch=2,
    batch_size=2,
    tile=TileConfig(32, 16),
    unlabelled=None,
    validation=None,
)
SPEC = ModelSpec("segresnet", dims="2D")


class Unreadable:
    """An array whose pixels must not be asked for."""

    shape, ndim, dtype = (64, 64), 2, np.dtype("uint8")

    def __getitem__(self, index):
        raise AssertionError("read")

    __array__ = __getitem__


def fit(*args, **options):
    return Segmenter(SPEC, device="cpu").fit(*args, **options).history


def test_a_set_trains_as_its_arrays_do(scene):
    image, labels = scene
    held_out = np.roll(image, 5), np.roll(labels, 5)
    rows = [TrainingRow(image, labels), TrainingRow(image[:50], labels[:50])]
    rows.append(TrainingRow(*held_out, role="validate"))
    own = fit(TrainingSet(rows), config=CONFIG)
    images, masks = [image, image[:50]], [labels, labels[:50]]
    assert own == fit(images, masks, CONFIG, validation=held_out)


def test_rows_that_are_left_out_are_not_read(scene):
    left_out = TrainingRow(Unreadable(), Unreadable(), role="leave out")
    both = TrainingSet([left_out]) + TrainingSet([TrainingRow(*scene)])
    assert len(both) == 2
    assert fit(both, config=CONFIG) == fit(*scene, CONFIG)


def test_labels_of_dask_train_as_arrays_do_and_are_read_in_blocks(scene, monkeypatch):
    read = []

    def note(block):
        read.append(block.size)
        return block

    monkeypatch.setattr(blocks, "MAX_BLOCK", 24 * 48)
    monkeypatch.setattr(read_data, "MAX_BLOCK", 24 * 48)
    image, labels = (da.from_array(array, chunks=24) for array in scene)
    expected = fit(*scene, CONFIG)
    assert fit(image, labels.map_blocks(note, dtype=labels.dtype), CONFIG) == expected
    at_once = [len(list(blocks.blocks_of(labels))), len(list(blocks.slabs_of(labels.shape)))]
    assert at_once == [-(-scene[1].shape[0] // 24) * -(-scene[1].shape[1] // 48), 4]
    with pytest.raises(ValueError, match="negative values"):
        fit(image, labels.astype(int) - 1, CONFIG)


def test_the_name_of_a_row_is_that_of_its_image(scene):
    segmenter = Segmenter(SPEC, device="cpu")
    segmenter.fit(TrainingSet([TrainingRow(*scene, name="scene 1")]), config=CONFIG)
    assert segmenter.trained.provenance["images"] == ["scene 1"]


REFUSED = {
    "empty": ([], {}, "The training set is empty"),
    "validation only": ([{"role": "validate"}], {}, "holds 1 rows, none of the role 'train'"),
    "labels": ([{}], {"labels": np.zeros((4, 4))}, "labels cannot be given beside a TrainingSet"),
    "config": ([{}], {"labels": CONFIG}, "such as config=TrainConfig"),
    "validation": ([{}], {"validation": ()}, "validation cannot be given beside"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_sets_that_cannot_be_trained_on_are_refused_in_a_sentence(case, scene):
    options, arguments, message = REFUSED[case]
    rows = TrainingSet([replace(TrainingRow(*scene), **each) for each in options])
    with pytest.raises(ValueError, match=message) as error:
        fit(rows, **arguments)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_arrays_without_labels_are_refused(scene):
    with pytest.raises(ValueError, match="give both or a TrainingSet"):
        fit(scene[0])


def test_an_image_as_its_own_labels_is_refused(scene):
    with pytest.raises(ValueError, match=r"rows\[0\].image is given as image and as its own"):
        fit(TrainingSet([TrainingRow(scene[1], scene[1])]))


def test_rows_are_checked():
    with pytest.raises(ValueError, match="role is 'test': choose one of 'train'"):
        TrainingRow(0, 0, role="test")
    with pytest.raises(TypeError, match=r"rows\[0\] is"):
        TrainingSet([(0, 0)])
