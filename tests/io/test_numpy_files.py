"""Arrays of NumPy's files: of any order and byte order, several in a file, or no numbers."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, cli
from napari_segkit.io.files import read_image, read_labels

VALUES = np.arange(42).reshape(6, 7)


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<u4", ">i8", ">f4", "float64", "float16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_order_in_memory_reads_the_same_values(tmp_path, dtype, order):
    stored = np.asarray(VALUES, dtype, order=order)
    np.save(tmp_path / "a.npy", stored)
    np.savez_compressed(tmp_path / "b.npz", stored)
    for name in ("a.npy", "b.npz"):
        np.testing.assert_array_equal(read_image(tmp_path / name).data, VALUES)
        np.testing.assert_array_equal(read_labels(tmp_path / name), VALUES)


@pytest.mark.parametrize("dtype", [">u2", ">f4", ">f8"])
def test_big_endian_images_are_trained_on_and_predicted(dtype):
    y, x = np.mgrid[:40, :50]
    labels = ((y - 20) ** 2 + (x - 25) ** 2 < 100) + np.uint8(1)
    image = labels * 100 + x
    seg = Segmenter(ModelSpec("pixels")).fit(image.astype(dtype), labels.astype(">u4"))
    np.testing.assert_array_equal(seg.predict(image.astype(dtype)), seg.predict(image.astype("f4")))


def test_of_several_arrays_the_named_one_is_read_and_the_others_are_said(tmp_path):
    arrays = {"image": VALUES + 0.5, "labels": VALUES, "spacing": np.ones(3)}
    np.savez(tmp_path / "a.npz", **arrays)
    said = r"a\.npz holds 3 arrays \(image \(6, 7\), labels \(6, 7\), spacing \(3,\)\): "
    with pytest.warns(UserWarning, match=said + "image was read"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.npz").data, arrays["image"])
    with pytest.warns(UserWarning, match=said + "labels was read"):
        np.testing.assert_array_equal(read_labels(tmp_path / "a.npz"), VALUES)


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize(
    "arrays",
    [
        {"arr_0": VALUES, "arr_1": VALUES},
        {"raw": VALUES, "image": VALUES, "labels": VALUES, "mask": VALUES},
        {"spacing": np.ones(3)},
    ],
)
def test_arrays_that_may_all_be_meant_are_refused_by_name(tmp_path, read, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=r"a\.npz cannot be read: of its arrays") as error:
        read(tmp_path / "a.npz")
    assert all(f"{name} {array.shape}" in str(error.value) for name, array in arrays.items())


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([VALUES, None], dtype=object), "Python objects"),
        (np.zeros((6, 7), [("a", "u1"), ("b", "f4")]), r"not numbers"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.zeros((6, 7), "datetime64[s]"), "not numbers"),
        (np.zeros(5), r"has shape \(5,\)"),
        (np.array(3), r"has shape \(\)"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(tmp_path, read, array, reason):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"a\.npy cannot be read: it.* {reason}"):
        read(tmp_path / "a.npy")


def test_a_folder_of_npz_files_is_trained_on(tmp_path, capsys):
    for folder, array in (("images", VALUES * 1.0), ("masks", VALUES // 21 + 1)):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "a.npz", array)
    folders = [str(tmp_path / "images"), str(tmp_path / "masks")]
    model = str(tmp_path / "m.segkit")
    assert cli.main(["train", *folders, "-o", model, "--model", "pixels"]) == 0
    assert "  1: 21\n  2: 21\n" in capsys.readouterr().err
