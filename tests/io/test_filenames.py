"""Stems and endings of file names."""

import pytest

from napari_segkit.io.filenames import ending, stem


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("a.png", "a", ".png"),
        ("a.ome.tif", "a", ".tif"),
        ("sub-01_T1w.nii.gz", "sub-01_T1w", ".nii.gz"),
        ("A.NII.GZ", "A", ".nii.gz"),
        ("a.nii", "a", ".nii"),
        ("a.b.TIF", "a.b", ".tif"),
        ("a.gz", "a", ".gz"),
        ("a", "a", ""),
    ],
)
def test_a_name_is_its_stem_and_its_ending(tmp_path, name, start, end):
    assert (stem(tmp_path / name), ending(tmp_path / name)) == (start, end)
