"""Results of zarr as tiled BigTIFF files."""

import errno

import numpy as np
import pytest
import tifffile

from napari_segkit.images.classes import LabelClass
from napari_segkit.io.files import read_image, read_labels
from napari_segkit.io.label_classes import read_classes, read_record
from napari_segkit.io.replace_file import WriteError
from napari_segkit.io.writers import FileMetadata
from napari_segkit.io.zarr.to_tiff import write_tiff_pyramid
from napari_segkit.steps import drain

RANDOM = np.random.default_rng(0)
CLASSES = (LabelClass(1, "cell", "#ff8000"), LabelClass(2, "nucleus", "#00ff80"))


@pytest.mark.parametrize(("axes", "shape"), [("YX", (600, 520)), ("ZYX", (1, 600, 520))])
def test_ids_of_objects_and_axes_of_length_one_are_read_again(tmp_path, axes, shape):
    ids = RANDOM.integers(0, 2**20, shape).astype(np.int32)
    file = tmp_path / "ids.tif"
    drain(write_tiff_pyramid(file, [ids, ids[..., ::2, ::2]], FileMetadata(axes, unit="um")))
    np.testing.assert_array_equal(read_labels(file), ids)
    with tifffile.TiffFile(file) as tiff:
        np.testing.assert_array_equal(tiff.series[0].asarray().reshape(shape), ids)


@pytest.mark.parametrize(("axes", "shape"), [("YX", (1100, 700)), ("ZYX", (3, 600, 520))])
def test_labels_and_their_levels_are_read_again(tmp_path, axes, shape):
    levels = [RANDOM.integers(0, 3, shape).astype(np.uint8)]
    levels.append(levels[0][..., ::2, ::2])
    metadata = FileMetadata(axes, (2, 0.5, 0.25), {"model": "m"}, unit="um", classes=CLASSES)
    file = tmp_path / "out.tif"
    steps = list(write_tiff_pyramid(file, levels, metadata))
    assert (steps[-1].done, len(steps)) == (steps[-1].total, steps[-1].total)
    np.testing.assert_array_equal(read_labels(file), levels[0])
    image, coarse = read_image(file), read_image(file, level=1)
    assert (image.axes, image.spacing[1:], image.unit) == (axes, (0.5, 0.25), "um")
    np.testing.assert_array_equal(coarse.data, levels[1])
    assert coarse.spacing[1:] == (1, 0.5)
    assert read_classes(file) == CLASSES
    assert read_record(file)["model"] == "m"
    with tifffile.TiffFile(file) as tiff:
        assert tiff.is_bigtiff
        assert tiff.pages[0].is_tiled
        assert len(tiff.series) == 1


def test_a_stopped_or_failed_file_does_not_appear(tmp_path):
    level = RANDOM.integers(0, 3, (2000, 700)).astype(np.uint8)
    file, metadata = tmp_path / "out.tif", FileMetadata("YX")
    steps = write_tiff_pyramid(file, [level], metadata)
    next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())
    file.touch()
    with pytest.raises(ValueError, match="exists already"):
        drain(write_tiff_pyramid(file, [level], metadata))


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    level = RANDOM.integers(0, 3, (5000, 700)).astype(np.uint8)
    monkeypatch.setattr(tifffile.TiffWriter, "write", fail)
    with pytest.raises(WriteError, match=r"out\.tif cannot be written: the disk is full"):
        drain(write_tiff_pyramid(tmp_path / "out.tif", [level], FileMetadata("YX")))
    assert not list(tmp_path.iterdir())
