"""Wrong options and files on the command line: one sentence, status 2, and nothing is written."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, cli

Y, X = np.indices((48, 56))
DISC = (Y - 24) ** 2 + (X - 28) ** 2 < 150
IMAGE = (np.random.default_rng(0).integers(0, 60, DISC.shape) + 150 * DISC).astype(np.uint8)
LABELS = np.where(Y % 4 == 0, 1 + DISC, 0).astype(np.uint8)

TRAIN = ["train", "img", "msk", "-o", "new.segkit", "--epochs", "1", "--model", "segresnet"]
TRAIN += ["--device", "cpu"]
PREDICT = ["predict", "m.segkit", "img/0.png", "-o", "new.tif", "--device", "cpu"]
SMOOTH = ["smooth", "p.tif", "img/0.png", "-o", "new.tif", "--device", "cpu"]
SUPERPIXELS = ["superpixels", "img/0.png", "-o", "new.tif"]
EVALUATE = ["evaluate", "truth.tif", "msk/0.tif"]

OPTIONS = [
    (TRAIN, "--epochs", ["0", "-1", "1.5", "x", "nan", "", "9" * 40]),
    (TRAIN, "--batch-size", ["1", "0", "x"]),
    (TRAIN, "--learning-rate", ["0", "nan", "inf", "x"]),
    (TRAIN, "--minutes", ["0", "-3", "nan"]),
    (TRAIN, "--unlabelled", ["-1", "x", "1.5", "99999999999"]),
    (TRAIN, "--labels-are", ["x", ""]),
    (TRAIN, "--voxel-size", ["0", "nan", "-1"]),
    (TRAIN, "--tile-size", ["3", "999999"]),
    (TRAIN, "--model", ["Unet", "", "yolo"]),
    (TRAIN, "--encoder", ["resnet99"]),
    (TRAIN, "--weights", ["imagnet", "none.pth"]),
    (TRAIN, "--dims", ["4D", "3D"]),
    (TRAIN, "--objects", ["rims"]),
    (TRAIN, "--device", ["gpu", "cuda:99", ""]),
    (TRAIN, "--threads", ["0", "-1", "x", "1.5"]),
    (TRAIN, "--axes", ["", "YXX", "Q"]),
    (TRAIN, "--spacing", ["", "a", "1,,2", "1,2,3,4", "-1,1", "nan,1", "0"]),
    (TRAIN, "--object-classes", ["nothere", "msk"]),
    (TRAIN, "--window", ["-1", "99"]),
    (PREDICT, "--masks", ["sky", "", ","]),
    (PREDICT, "--values", ["a", "1=x", "-1", "=", "99999999999999"]),
    (
        PREDICT,
        "--clean",
        ["x", ":", "1:", "1: foo=2", "1: min_size", "1: min_size=-1", "9: largest"],
    ),
    (PREDICT, "--refine", ["x"]),
    (PREDICT, "--crf-iterations", ["0", "x"]),
    (PREDICT, "--format", ["x"]),
    (PREDICT, "--score", ["2", "nan"]),
    (PREDICT, "--link", ["2"]),
    (SMOOTH, "--classes", ["a", "1", "1,1", "0.5,2", "-1,2", "1,2,3"]),
    (SUPERPIXELS, "--size", ["0", "x", "nan"]),
    (SUPERPIXELS, "--compactness", ["0"]),
    (SUPERPIXELS, "--axes", ["Q", "ZYX"]),
    (SUPERPIXELS, "--spacing", ["0,0"]),
    (EVALUATE, "--kind", ["x"]),
    (EVALUATE, "--unlabelled", ["-1", "x"]),
]
FILES = ["nothere.tif", "emptydir", "text.png", "empty.png", "cut.tif", "objects.npy"]
FILES += ["complex.npy", "line.npy", "texts.npy", "bad.npy", "bad.nii.gz", "other.json", ""]
FILES += ["a\0b", "x" * 300]
PLACES = [
    ["train", "FILE", "msk", "-o", "new.segkit"],
    ["train", "img/0.png", "FILE", "-o", "new.segkit"],
    ["predict", "FILE", "img/0.png", "-o", "new.tif"],
    ["predict", "m.segkit", "FILE", "-o", "new.tif"],
    ["smooth", "FILE", "img/0.png", "-o", "new.tif"],
    ["smooth", "p.tif", "FILE", "-o", "new.tif"],
    ["superpixels", "FILE", "-o", "new.tif"],
    ["superpixels", "img/0.png", "-o", "new.tif", "--mask", "FILE"],
    ["evaluate", "FILE", "truth.tif"],
    ["evaluate", "truth.tif", "FILE"],
    ["merge", "m.segkit", "FILE", "-o", "new.segkit"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, labels, a model, and files that are none."""
    folder = tmp_path_factory.mktemp("misuse")
    for name in ("img", "msk", "emptydir"):
        (folder / name).mkdir()
    Pictures.fromarray(IMAGE).save(folder / "img/0.png")
    tifffile.imwrite(folder / "msk/0.tif", LABELS)
    tifffile.imwrite(folder / "truth.tif", LABELS)
    tifffile.imwrite(folder / "p.tif", np.stack([1 - 0.8 * DISC, 0.8 * DISC]).astype("f4"))
    tile = TileConfig(32, 16)
    quick = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, tile=tile)
    segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
    segmenter.fit(IMAGE, LABELS, quick).save(folder / "m.segkit")
    (folder / "text.png").write_text("hello")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.tif").write_bytes((folder / "truth.tif").read_bytes()[:60])
    (folder / "bad.npy").write_bytes(b"\x93NUMPYxx")
    (folder / "bad.nii.gz").write_bytes(b"\x1f\x8bxx")
    (folder / "other.json").write_text("{}")
    np.save(folder / "objects.npy", np.array([None]), allow_pickle=True)
    np.save(folder / "complex.npy", IMAGE * 1j)
    np.save(folder / "line.npy", np.arange(5))
    np.save(folder / "texts.npy", np.array([["a"]]))
    return folder


def said(arguments, folder, monkeypatch, capsys):
    """What a command says in the end; it must fail as a request, and write nothing."""
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    try:
        status = cli.main(arguments)
    except SystemExit as ended:  # by argparse
        status = ended.code
    assert status == 2
    assert sorted(folder.rglob("*")) == before
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        pytest.param(command, option, value, marks=() if number == 0 else pytest.mark.slow)
        for command, option, values in OPTIONS
        for number, value in enumerate(values)
    ],
)
def test_option_values_that_cannot_be_are_said(
    command, option, value, folder, monkeypatch, capsys, require_sentence
):
    line = said([*command, f"{option}={value}"], folder, monkeypatch, capsys)
    if line.startswith("segkit "):  # argparse names the option and the value
        line = f"{line.removesuffix('.')}."
        assert option in line
    require_sentence(line)


def quick_or_slow(place, file):
    row, column = PLACES.index(place), FILES.index(file)
    return () if (row - column) % len(PLACES) == 0 else pytest.mark.slow


@pytest.mark.parametrize(
    ("place", "file"),
    [
        pytest.param(place, file, marks=quick_or_slow(place, file))
        for place in PLACES
        for file in FILES
    ],
)
def test_files_that_cannot_be_used_are_said(
    place, file, folder, monkeypatch, capsys, require_sentence
):
    arguments = [file if part == "FILE" else part for part in place]
    require_sentence(said(arguments, folder, monkeypatch, capsys))
