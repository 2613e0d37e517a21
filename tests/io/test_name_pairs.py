"""Images and labels that belong together by their names, and files that do not."""

import os
from unicodedata import normalize

import pytest

from napari_segkit.io.folders import describe_pairs, pair_files, training_files
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.name_pairs import EVALUATION, MASKING, REFINEMENT


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def names_of(pairs):
    return [(first.name, second.name) for first, second in pairs]


@pytest.mark.parametrize("word", ["mask", "masks", "label", "labels", "seg", "gt", "Mask"])
def test_words_before_or_after_a_name_are_left_out(tmp_path, word):
    images = touch(tmp_path / "images", "a.png", "img_b.png", "c_images.tif", "d_image.nii.gz")
    labels = touch(
        tmp_path / "labels", f"a_{word}.png", f"b_{word}.png", f"{word}_c.tif", f"d_{word}.nii.gz"
    )
    assert names_of(pair_files(images, labels)) == [
        ("a.png", f"a_{word}.png"),
        ("c_images.tif", f"{word}_c.tif"),
        ("d_image.nii.gz", f"d_{word}.nii.gz"),
        ("img_b.png", f"b_{word}.png"),
    ]


def test_equal_names_come_before_words(tmp_path):
    images = touch(tmp_path / "images", "a.png", "a_img.png")
    labels = touch(tmp_path / "labels", "a.png", "a_mask.png")
    assert names_of(pair_files(images, labels)) == [("a.png",) * 2, ("a_img.png", "a_mask.png")]


def test_accents_pair_however_they_are_stored(tmp_path):
    images = touch(tmp_path / "images", normalize("NFC", "möwe.png"))
    labels = touch(tmp_path / "labels", normalize("NFD", "möwe_gt.png"))
    assert len(pair_files(images, labels)) == 1


def test_names_that_could_pair_in_several_ways_are_refused(tmp_path):
    images = touch(tmp_path / "images", "a.png")
    labels = touch(tmp_path / "labels", "a_mask.png", "a_seg.png")
    with pytest.raises(ValueError, match=r"labels/a_mask\.png, labels/a_seg\.png .* not clear"):
        pair_files(images, labels)


def test_swapped_folders_do_not_pair(tmp_path):
    images = touch(tmp_path / "a", "a_img.png")
    labels = touch(tmp_path / "b", "a_mask.png")
    with pytest.raises(ValueError, match="have no partner"):
        pair_files(labels, images)


def test_one_folder_may_hold_images_and_labels(tmp_path):
    touch(tmp_path, "c0_img.png", "c0_masks.png", "c1.png", "c1_masks.png")
    files = training_files(tmp_path)
    expected = [("c0_img.png", "c0_masks.png"), ("c1.png", "c1_masks.png")]
    assert names_of((f.image, f.labels) for f in files) == expected


def test_files_of_one_folder_without_a_partner_are_named(tmp_path):
    touch(tmp_path, "c0_img.png", "c0_masks.png", "c1_masks.png", "overview.png")
    sentence = r"2 files without a partner in .*, left out: c1_masks\.png, overview\.png"
    with pytest.warns(UserWarning, match=sentence):
        assert len(training_files(tmp_path)) == 1


def test_one_folder_without_pairs_is_refused(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    with pytest.raises(ValueError, match=r"No labels were given for .*\(a\.png, b\.png\)"):
        training_files(tmp_path)


def other_spelling(file, way, folder):
    """The same file or folder under another path."""
    if way == "relative":
        return os.path.relpath(file)
    if way == "dots":
        return file.parent / "x" / ".." / file.name
    link = folder / f"link{file.suffix}"
    if way == "symbolic":
        link.symlink_to(file)
    else:
        link.hardlink_to(file)
    return link


@pytest.mark.parametrize("way", ["same", "relative", "dots", "symbolic", "hard"])
@pytest.mark.parametrize("kind", [EVALUATION, REFINEMENT])
def test_a_file_is_not_its_own_partner(tmp_path, way, kind):
    file = touch(tmp_path / "a", "a.png") / "a.png"
    (tmp_path / "a" / "x").mkdir()
    other = file if way == "same" else other_spelling(file, way, tmp_path)
    with pytest.raises(ValueError, match=r"a\.png is given as image and as labels, .* CSV list"):
        pair_files(file, other)
    with pytest.raises(ValueError, match=f"as {kind.first} and as {kind.second}"):
        pair_files(file, other, kind)


def test_a_file_may_be_its_own_mask(tmp_path):
    file = touch(tmp_path, "a.png") / "a.png"
    assert pair_files(file, file, MASKING) == [(ImageFiles((file,)),) * 2]


def test_a_folder_is_not_its_own_partner(tmp_path):
    folder = touch(tmp_path / "a", "c0_img.png", "c0_masks.png")
    (tmp_path / "b").symlink_to(folder)
    for other in (folder, tmp_path / "b", os.path.relpath(folder)):
        with pytest.raises(ValueError, match=r"its own labels: .*c0_img\.png and c0_masks\.png"):
            training_files(folder, other)
        with pytest.raises(ValueError, match="as prediction and as truth"):
            pair_files(folder, other, EVALUATION)


def test_folders_of_links_to_the_same_files_are_refused(tmp_path):
    folder = touch(tmp_path / "a", "a.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a_mask.png").symlink_to(folder / "a.png")
    with pytest.raises(ValueError, match=r"a/a\.png is given as image and as labels"):
        pair_files(folder, tmp_path / "b")


def test_pairs_are_described_by_the_first_three(tmp_path):
    pair = ImageFiles((tmp_path / "a.png",), "x"), ImageFiles((tmp_path / "a_mask.png",))
    assert describe_pairs([pair]) == "1 pair: x/a.png with a_mask.png."
    shown = ", ".join(["x/a.png with a_mask.png"] * 3)
    assert describe_pairs([pair] * 3) == f"3 pairs: {shown}."
    assert describe_pairs([pair] * 5) == f"5 pairs: {shown} and 2 more."
