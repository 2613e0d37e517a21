"""Pairs of image and label files."""

import pytest

from napari_segkit.io.filenames import stem
from napari_segkit.io.folders import TrainingFiles, pair_files, training_files
from napari_segkit.io.image_files import ImageFiles, find_images, is_folder


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def paths(pairs):
    """The pairs as paths, of files that are one each."""
    return [tuple(path for files in pair for path in files.paths) for pair in pairs]


def one(path):
    return ImageFiles((path,))


def test_two_files_are_a_pair(tmp_path):
    touch(tmp_path, "a.tif", "other.png")
    pair = (tmp_path / "a.tif", tmp_path / "other.png")
    assert paths(pair_files(*pair)) == [pair]


def test_folders_pair_by_name_whatever_the_ending(tmp_path):
    images = touch(tmp_path / "images", "b.ome.tif", "a.png", "notes.txt", ".hidden.png")
    labels = touch(tmp_path / "labels", "a.tif", "b.npy")
    expected = [(images / "a.png", labels / "a.tif"), (images / "b.ome.tif", labels / "b.npy")]
    assert paths(pair_files(images, labels)) == expected


def test_files_without_a_partner_are_named_and_left_out(tmp_path):
    images = touch(tmp_path / "images", "a.png", "b.png")
    labels = touch(tmp_path / "labels", "a.png", "c.png")
    sentence = r"2 files without a partner .*, left out: .*images/b\.png, .*labels/c\.png"
    with pytest.warns(UserWarning, match=sentence):
        pairs = pair_files(images, labels)
    assert paths(pairs) == [(images / "a.png", labels / "a.png")]


def test_a_few_labels_of_many_images_are_enough(tmp_path):
    images = touch(tmp_path / "images", *[f"{i}.png" for i in range(20)])
    labels = touch(tmp_path / "labels", "7.png")
    with pytest.warns(UserWarning, match=r"19 files .*0\.png, .*12\.png and 14 more\."):
        assert paths(pair_files(images, labels)) == [(images / "7.png", labels / "7.png")]


def test_folders_of_which_few_files_pair_are_refused(tmp_path):
    images = touch(tmp_path / "images", "a.png", "b.png", "c.png")
    labels = touch(tmp_path / "labels", "a.png", "d.png", "e.png")
    sentence = r"4 files .* no partner, and 1 of them have one: .*b\.png, .*c\.png, .*d\.png"
    with pytest.raises(ValueError, match=sentence):
        pair_files(images, labels)


def test_duplicate_names_are_refused(tmp_path):
    images = touch(tmp_path / "images", "a.png", "a.tif")
    labels = touch(tmp_path / "labels", "a.png")
    with pytest.raises(ValueError, match=r"differ only in their ending.*a\.png"):
        pair_files(images, labels)


def test_paths_in_a_list_are_relative_to_its_folder(tmp_path):
    touch(tmp_path / "x", "a.png", "b.tif")
    (tmp_path / "list.csv").write_text("images,masks,set\nx/a.png,x/b.tif,train\n")
    with pytest.warns(UserWarning, match=r"list\.csv has columns that are not read: set\."):
        pairs = pair_files(tmp_path / "list.csv")
    assert paths(pairs) == [(tmp_path / "x/a.png", tmp_path / "x/b.tif")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pictures,masks\na,b\n", "columns images and masks"),
        ("images,masks\n", "at least one row"),
        ("images,masks\na.png,b.png\n", r"do not exist: .*a\.png, .*b\.png"),
        ("images,masks\na.png\n", r"Line 2 of .*list\.csv has no entry under masks"),
    ],
)
def test_invalid_lists_are_refused(tmp_path, text, sentence):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        pair_files(tmp_path / "list.csv")


def test_files_that_cannot_be_paired_are_refused(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(ValueError, match="No labels were given"):
        pair_files(tmp_path / "a.png")
    with pytest.raises(ValueError, match="two files, or two folders"):
        pair_files(tmp_path, tmp_path / "a.png")
    with pytest.raises(ValueError, match="There is no file or folder"):
        pair_files(tmp_path / "a.png", tmp_path / "b.png")


def test_a_folder_that_is_an_image_is_taken_as_a_file(tmp_path):
    for name in ("img.zarr", "notes.v2", "img.tif", "run.raw", "notes"):
        (tmp_path / name).mkdir()
    touch(tmp_path, "a.png", "labels.tif")
    assert [f.name for f in find_images(tmp_path)] == ["a.png", "img.zarr", "labels.tif"]
    assert not is_folder(tmp_path / "img.zarr")
    assert is_folder(tmp_path / "notes.v2")
    pair = (tmp_path / "img.zarr", tmp_path / "labels.tif")
    assert paths(pair_files(*pair)) == [pair]
    (tmp_path / "list.csv").write_text("images,masks\nimg.zarr,labels.tif\n")
    assert paths(pair_files(tmp_path / "list.csv")) == [pair]


def test_a_folder_without_images_is_refused(tmp_path):
    touch(tmp_path, "notes.txt", "table.csv")
    with pytest.raises(ValueError, match="holds no image"):
        find_images(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a"),
        ("a.ome.tif", "a"),
        ("a.nii.gz", "a"),
        ("a.b.tif", "a.b"),
        ("a", "a"),
        ("1.2.84", "1.2.84"),
    ],
)
def test_names_without_their_endings(tmp_path, name, expected):
    assert stem(tmp_path / name) == expected


def test_classes_and_regions_are_matched_by_name(tmp_path):
    images = touch(tmp_path / "images", "a.png", "b.png")
    labels = touch(tmp_path / "labels", "a.tif", "b.tif")
    more = touch(tmp_path / "more", "b.png", "a.npy", "c.png")
    expected = [
        TrainingFiles(one(images / "a.png"), one(labels / "a.tif"), None, one(more / "a.npy")),
        TrainingFiles(one(images / "b.png"), one(labels / "b.tif"), None, one(more / "b.png")),
    ]
    assert training_files(images, labels, regions=more) == expected


def test_a_list_may_leave_regions_out(tmp_path):
    touch(tmp_path, "a.png", "b.png", "r.png")
    listed = tmp_path / "list.csv"
    listed.write_text("images,masks,regions\na.png,b.png,\nb.png,a.png,r.png\n")
    a, b, regions = (one(tmp_path / name) for name in ("a.png", "b.png", "r.png"))
    assert training_files(listed) == [TrainingFiles(a, b), TrainingFiles(b, a, None, regions)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("images,masks,classes\na.png,b.png,\nb.png,a.png,a.png\n", "of some images only"),
        ("images,masks,regions\na.png,b.png,r.png\n", r"do not exist: .*r\.png"),
    ],
)
def test_lists_with_missing_files_are_refused(text, sentence, tmp_path):
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        training_files(tmp_path / "list.csv")
