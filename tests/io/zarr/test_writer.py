"""Results in OME-Zarr folders: layout, coarse levels, unfinished and complete folders."""

import json

import numpy as np
import pytest
import zarr

from napari_segkit.images.classes import LabelClass
from napari_segkit.io.files import read_image
from napari_segkit.io.image_files import find_images
from napari_segkit.io.zarr.layers import get_reader
from napari_segkit.io.zarr.result_paths import check_target, part_folder
from napari_segkit.io.zarr.writer import (
    create_result,
    finish_result,
    open_result,
    open_unfinished,
)
from napari_segkit.steps import drain

CLASSES = (LabelClass(0, "background", "#000000"), LabelClass(1, "cell", "#ff8000"))
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 2, (1030, 601)).astype(np.uint8)


def make(target, labels=LABELS, axes="YX", **options):
    chunks = (1,) * (labels.ndim - 2) + (256, 256)
    result = create_result(target, axes, labels.shape, chunks, dtype=labels.dtype, **options)
    result.labels[...] = labels
    return result


def ome(folder, group):
    return json.loads((folder / group / "zarr.json").read_text())["attributes"]["ome"]


def test_the_folder_is_ome_zarr_with_levels_classes_and_sizes(tmp_path):
    target = tmp_path / "out.zarr"
    result = make(target, classes=CLASSES, spacing=(1, 0.5, 0.25), unit="um", record={"model": "m"})
    assert not target.exists()
    result = drain(finish_result(result))
    assert result.record["model"] == "m"
    np.testing.assert_array_equal(result.labels[...], LABELS)
    about = ome(target, "labels/prediction")
    datasets = about["multiscales"][0]["datasets"]
    scales = [d["coordinateTransformations"][0]["scale"] for d in datasets]
    assert scales == [[0.5, 0.25], [1.0, 0.5], [2.0, 1.0]]
    assert about["multiscales"][0]["axes"][0] == {
        "name": "y",
        "type": "space",
        "unit": "micrometer",
    }
    assert about["image-label"]["colors"][1] == {"label-value": 1, "rgba": [255, 128, 0, 255]}
    assert about["image-label"]["properties"][1] == {"label-value": 1, "name": "cell"}
    assert ome(target, "labels")["labels"] == ["prediction"]
    group = zarr.open_group(target, mode="r")["labels/prediction"]
    for level in (1, 2):
        expected = LABELS[:: 2**level, :: 2**level]
        np.testing.assert_array_equal(group[str(level)][...], expected)
    assert list(tmp_path.iterdir()) == [target]


def test_other_programs_find_the_labels_at_the_root(tmp_path):
    target = tmp_path / "out.zarr"
    drain(finish_result(make(target, classes=CLASSES, spacing=(1, 0.5, 0.25), unit="um")))
    root, inside = ome(target, ""), ome(target, "labels/prediction")
    assert root["image-label"] == inside["image-label"]
    (image,), (labels,) = root["multiscales"], inside["multiscales"]
    assert image["axes"] == labels["axes"]
    for one, other in zip(image["datasets"], labels["datasets"], strict=True):
        assert one == other | {"path": f"labels/prediction/{other['path']}"}
        assert isinstance(zarr.open_group(target, mode="r")[one["path"]], zarr.Array)
    (layer,) = get_reader(target)(target)  # once, not as an image, too
    assert layer[2] == "labels"
    with pytest.raises(ValueError, match="labels and no image"):
        read_image(target)


def test_coarse_probabilities_are_means_of_what_is_there(tmp_path):
    result = make(tmp_path / "out.zarr", classes=CLASSES, probabilities=True, uncertainty=True)
    maps = RANDOM.random((2, *LABELS.shape), np.float32)
    result.probabilities[...] = maps
    result = drain(finish_result(result))
    assert (result.probabilities.chunks, result.probabilities.shards) == (
        (1, 256, 256),
        (2, 256, 256),
    )
    coarse = zarr.open_group(result.folder, mode="r")["probabilities/1"]
    inside = maps[:, :, :600].reshape(2, 515, 2, 300, 2).mean((2, 4))
    np.testing.assert_allclose(coarse[:, :, :300], inside, rtol=1e-5)
    edge = maps[:, :, 600].reshape(2, 515, 2).mean(2)
    np.testing.assert_allclose(coarse[:, :, 300], edge, rtol=1e-5)
    assert result.uncertainty.shape == LABELS.shape


def test_in_a_series_time_comes_first(tmp_path):
    labels = np.stack([LABELS[:300, :300]] * 3)
    result = make(tmp_path / "out.zarr", labels, "TYX", classes=CLASSES, probabilities=True)
    assert (result.probability_axes, result.probabilities.shape) == ("TCYX", (3, 2, 300, 300))


def test_an_unfinished_result_is_gone_on_with_and_is_no_image(tmp_path):
    target = tmp_path / "out.zarr"
    make(target)
    steps = finish_result(open_unfinished(target))
    next(steps)
    steps.close()
    with pytest.raises(ValueError, match="holds no image"):
        find_images(tmp_path)
    result = open_unfinished(target)
    np.testing.assert_array_equal(result.labels[...], LABELS)
    level = zarr.open_group(result.folder, mode="r+")["labels/prediction/1"]
    level[:256, :256] = 7  # what is there is not made again
    drain(finish_result(result))
    level = zarr.open_group(target, mode="r")["labels/prediction/1"]
    assert level[0, 0] == 7
    assert level[300, 0] == LABELS[600, 0]
    assert open_unfinished(target) is None


def test_what_stands_there_is_replaced_only_if_it_is_a_result_and_that_is_wanted(tmp_path):
    target = tmp_path / "out.zarr"
    drain(finish_result(make(target)))
    with pytest.raises(ValueError, match="exists already: choose another name, or overwrite"):
        drain(finish_result(make(target, 1 - LABELS)))
    np.testing.assert_array_equal(open_result(target).labels[...], LABELS)
    drain(finish_result(open_unfinished(target), overwrite=True))
    np.testing.assert_array_equal(open_result(target).labels[...], 1 - LABELS)
    drain(finish_result(make(target / "labels" / "corrected")))
    with pytest.raises(ValueError, match="holds further labels, corrected: move them"):
        check_target(target, overwrite=True)
    (tmp_path / "images").mkdir()
    zarr.open_group(tmp_path / "theirs.zarr", mode="w")
    for name in ("images", "theirs.zarr"):
        with pytest.raises(ValueError, match=f"{name} exists already and is no result"):
            check_target(tmp_path / name, overwrite=True)


@pytest.mark.parametrize(("zarr_format", "version"), [(2, "0.4"), (3, "0.5")])
def test_labels_are_added_to_an_image_in_its_format(tmp_path, zarr_format, version):
    image = tmp_path / "image.zarr"
    group = zarr.open_group(image, mode="w", zarr_format=zarr_format)
    group.create_array("0", data=LABELS)
    ome = {"multiscales": [{"version": version}], "version": version}
    group.attrs.update(ome if zarr_format == 2 else {"ome": ome})
    before = {p: p.read_bytes() for p in image.rglob("*") if p.is_file()}
    drain(finish_result(make(image / "labels" / "nuclei", classes=CLASSES)))
    drain(finish_result(make(image / "labels" / "cells")))
    assert {p: p.read_bytes() for p in before} == before
    labels = zarr.open_group(image, mode="r")["labels"]
    listed = dict(labels.attrs) if zarr_format == 2 else labels.attrs["ome"]
    assert listed["labels"] == ["nuclei", "cells"]
    nuclei = labels["nuclei"]
    assert nuclei.metadata.zarr_format == zarr_format
    about = dict(nuclei.attrs) if zarr_format == 2 else nuclei.attrs["ome"]
    assert about["image-label"]["source"] == {"image": "../../"}
    assert (about if zarr_format == 3 else about["multiscales"][0])["version"] == version
    with pytest.raises(ValueError, match="choose a folder of its own for probabilities"):
        make(image / "labels" / "more", classes=CLASSES, probabilities=True)


def test_a_folder_that_takes_nothing_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="nothing can be written"):
        check_target(tmp_path / "file" / "out.zarr")
    result = make(tmp_path / "out.zarr")
    assert result.folder.parent == part_folder(tmp_path / "out.zarr")
