"""CSV lists as spreadsheets and people write them."""

import pytest

from napari_segkit.io.folders import pair_files

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]


@pytest.fixture
def folder(tmp_path):
    for name in ("i.png", "m.png", "möwe.png", "a, b.png"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "i.png").touch()
    return tmp_path


def read(folder, content, name="list.csv"):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    pairs = pair_files(folder / name)
    return [tuple(f.path.relative_to(folder).as_posix() for f in pair) for pair in pairs]


@pytest.mark.parametrize(
    "text",
    [
        "images;masks\ni.png;m.png\n",
        "images\tmasks\ni.png\tm.png\n",
        "images, masks\ni.png , m.png\n",
        "Images,MASKS\ni.png,m.png\n",
        "sep=;\r\nimages;masks\r\ni.png;m.png\r\n",
        '"images","masks"\r\n"i.png", "m.png"\r\n',
        "images,masks\r\ri.png,m.png\r",
        "\nimages,masks\n\n,\n./i.png,sub/../m.png,\n\n",
        "masks;classes;images\nm.png;a, b;i.png",
        "Image,Mask\ni.png,m.png\n",
        "img;label\ni.png;m.png\n",
        "prediction,truth\ni.png,m.png\n",
    ],
)
def test_lists_are_read_as_they_are_meant(folder, text):
    pairs = read(folder, text)
    assert [tuple((folder / p).resolve().name for p in pair) for pair in pairs] == [
        ("i.png", "m.png")
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_encoding_is_read(folder, encoding):
    text = "images,masks\nmöwe.png,m.png\n".encode(encoding)
    assert read(folder, text) == [("möwe.png", "m.png")]


def test_a_file_in_several_lines_is_said(folder):
    text = "images,masks\ni.png,m.png\nsub/i.png,m.png\n"
    with pytest.warns(UserWarning, match=r"lists m\.png in several lines \(2, 3\)"):
        assert len(read(folder, text)) == 2


def test_names_with_the_separator_are_quoted(folder):
    assert read(folder, 'images,masks\n"a, b.png",m.png\n') == [("a, b.png", "m.png")]


def test_backslashes_separate_folders(folder):
    assert read(folder, "images,masks\nsub\\i.png,m.png\n") == [("sub/i.png", "m.png")]


@pytest.mark.parametrize("name", ["a%2C%20b.png", "m%C3%B6we.png"])
def test_names_may_be_encoded_as_in_addresses(folder, name):
    assert read(folder, f"images,masks\n{name},m.png\n")[0][1] == "m.png"


def test_columns_that_are_not_read_are_named(folder):
    with pytest.warns(UserWarning, match=r"list\.csv has columns that are not read: set, note\."):
        assert read(folder, "set,images,masks,Note\n1,i.png,m.png,x\n") == [("i.png", "m.png")]


def test_a_list_without_names_of_columns_begins_with_images_and_masks(folder):
    with pytest.warns(UserWarning, match=r"first line of .*list\.csv names no columns"):
        pairs = read(folder, "i.png;m.png\nsub/i.png;möwe.png\n")
    assert pairs == [("i.png", "m.png"), ("sub/i.png", "möwe.png")]


def test_a_list_may_end_in_tsv(folder):
    assert read(folder, "images\tmasks\ni.png\tm.png\n", "list.tsv") == [("i.png", "m.png")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("images,masks\ni.png,m.png\ni.png\n", r"Line 3 of .*list\.csv has no entry under masks"),
        ("images,masks\n\n,m.png\n", r"Line 3 of .*list\.csv has no entry under images"),
        ("images,masks\na, b.png,m.png\n", r"Line 2 of .*has 3 entries for 2 columns"),
        ("images,masks\ni.png,x.png\n", r"list\.csv lists .* not exist: line 2: .*x\.png"),
        ("images,masks\ni.png,m.png\nm.png,./m.png\n", r"Line 3 of .*as image and as labels"),
        ("images,masks,Masks\ni.png,m.png,m.png\n", "columns images and masks"),
        ("picture;label\ni.png;m.png\n", r"its first line is picture, label\."),
        ("images;label;mask\ni.png;m.png;m.png\n", "columns images and masks"),
        ("", "its first line is empty"),
        (b"images,masks\n\xff\x81.png,m.png\n", "line 2: "),
    ],
)
def test_bad_lines_are_named(folder, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(folder, text)
