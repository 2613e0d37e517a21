"""No output of any command takes the place of an input, whatever name it is given."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pictures

from napari_segkit import ModelSpec, TrainConfig, cli, merged_model
from napari_segkit.evaluation import count_images
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.files import write_probabilities
from napari_segkit.io.writers import FileMetadata
from napari_segkit.segmenter import Segmenter

IMAGE = np.tile(np.repeat(np.array([20, 220], np.uint8), 6), (12, 2))
LABELS = (IMAGE > 100).astype(np.uint8)


@dataclass(frozen=True)
class Case:
    """A command line, in which words are files if a file has that name, and what it writes."""

    line: str
    outputs: str

    @property
    def files(self):
        """All files that are read."""
        words = [w for w in self.line.split() if w in INPUTS]
        return [*words, *(f for w in words for f in READ_WITH.get(w, ()))]


INPUTS = ("image.png", "mask.png", "ids.png", "classes.png", "regions.png", "list.csv")
INPUTS += ("maps.npy", "classes.segkit", "objects.segkit", "panoptic.png", "found.png")
READ_WITH = {
    "list.csv": ["image.png", "mask.png"],
    "panoptic.png": ["panoptic.json"],
    "found.png": ["found.json"],
}
MERGE = "merge classes.segkit objects.segkit -o new.segkit"
CASES = [
    Case("train image.png mask.png -o new.segkit", "new.segkit"),
    Case("train list.csv -o new.segkit", "new.segkit"),
    Case(
        "train image.png ids.png --object-classes classes.png --regions regions.png "
        "--model maskrcnn -o new.segkit",
        "new.segkit",
    ),
    Case(MERGE, "new.segkit"),
    *(
        Case(f"predict classes.segkit image.png -o new{e} --probabilities", f"new{e} {maps}")
        for e, maps in (
            (".tif", "probabilities/new.tif"),
            (".png", "probabilities/new.tif"),
            (".npy", "probabilities/new.npy"),
            (".nii.gz", "probabilities/new.nii.gz"),
        )
    ),
    Case("predict classes.segkit image.png -o new.png --palette", "new.png"),
    Case("predict objects.segkit image.png -o new.tif", "new.tif new.csv"),
    Case("predict objects.segkit image.png -o new.png --format panoptic", "new.png new.json"),
    Case("predict classes.segkit image.png -o out/ --format tif", "out/image.tif"),
    Case("smooth maps.npy image.png -o new.tif --probabilities", "new.tif probabilities/new.tif"),
    Case("smooth mask.png image.png -o new.nii", "new.nii"),
    Case("superpixels image.png --mask mask.png -o new.png", "new.png"),
    Case("evaluate mask.png classes.png --csv new.csv", "new.csv"),
    Case("evaluate list.csv --csv new.csv", "new.csv"),
    Case("evaluate panoptic.png found.png --kind panoptic --csv new.csv", "new.csv"),
]
TRAINING = ["--model", "pixels", "--epochs", "1", "--unlabelled", "none", "--device", "cpu"]
KINDS = ["symbolic link", "relative link", "hard link"]
MATRIX = [
    (case, output, name, kind)
    for case in CASES
    for output in case.outputs.split()
    for name in case.files
    for kind in KINDS
]
FAST = MATRIX[:: len(MATRIX) // 24]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with all inputs."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, values in {
        "image.png": IMAGE, "mask.png": LABELS, "ids.png": LABELS, "classes.png": LABELS,
        "regions.png": LABELS * 0 + 1,
    }.items():  # fmt: skip
        Pictures.fromarray(values).save(folder / name)
    (folder / "list.csv").write_text("images,masks\nimage.png,mask.png\n")
    metadata = FileMetadata("CYX")
    write_probabilities(folder / "maps.npy", np.stack([1 - LABELS, LABELS]), metadata)
    config = TrainConfig(epochs=1, unlabelled=None)
    classes = Segmenter(ModelSpec("pixels"), device="cpu").fit(IMAGE, LABELS, config)
    spec = ModelSpec("pixels", objects="components")
    labels_are = replace(config, labels_are="classes")
    objects = Segmenter(spec, device="cpu").fit(IMAGE, LABELS, labels_are)
    classes.save(folder / "classes.segkit")
    objects.save(folder / "objects.segkit")
    table = objects.predict_objects(IMAGE).table
    ids = objects.predict(IMAGE)
    for name in ("panoptic.png", "found.png"):
        write_panoptic(folder / name, ids, table)
    return folder


def make_alias(kind, output: Path, name: str):
    """Give a file a second name, the output's; gives the output as the command gets it."""
    output.parent.mkdir(exist_ok=True)
    if kind == "symbolic link":
        output.symlink_to(Path(name).absolute())
    elif kind == "relative link":
        output.symlink_to(os.path.relpath(name, output.parent))
    else:
        output.hardlink_to(name)


def copied(source, folder):
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("case", "output", "name", "kind"),
    [pytest.param(*v, marks=() if v in FAST else pytest.mark.slow) for v in MATRIX],
    ids=lambda v: getattr(v, "line", v),
)
def test_an_output_that_is_another_name_of_an_input_is_refused(
    case, output, name, kind, source, tmp_path, monkeypatch, capsys
):
    copied(source, tmp_path)
    monkeypatch.chdir(tmp_path)
    make_alias(kind, Path(output), name)
    before = contents(tmp_path)
    assert cli.main([*case.line.split(), "--overwrite"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{output} is an input (" in said
    assert contents(tmp_path) == before
    assert Path(output).samefile(name)


@pytest.mark.parametrize(
    "line",
    [
        "train image.png mask.png -o image.png",
        "merge classes.segkit objects.segkit -o classes.segkit",
        "merge classes.segkit objects.segkit -o ./objects.segkit",
        "predict classes.segkit image.png -o ../here/image.png",
        "predict classes.segkit image.png -o ../HERE/image.png",
        "smooth mask.png image.png -o mask.png",
        "smooth maps.npy image.png -o maps.npy",
        "superpixels image.png -o ./ --format png",
        "superpixels image.png --mask mask.png -o mask.png",
        "evaluate list.csv --csv list.csv",
        "evaluate panoptic.png found.png --kind panoptic --csv panoptic.json",
        "evaluate mask.png classes.png --csv classes.png",
    ],
)
def test_an_output_of_the_name_of_an_input_is_refused(line, source, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "HERE").symlink_to("here")  # as on a disk that does not know capitals
    copied(source, folder)
    monkeypatch.chdir(folder)
    before = contents(folder)
    assert cli.main([*line.split(), "--overwrite"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(".")
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train image.png mask.png -o new.h5", "new.h5 is no name of a model: choose new.segkit."),
        ("merge classes.segkit objects.segkit -o new.pt", "choose new.segkit."),
        ("evaluate mask.png classes.png --csv new.raw", "new.raw is no name of a table"),
        ("predict classes.segkit image.png -o new.npy", "new.npy will take 0.0 MB, but its disk"),
        ("train image.png mask.png -o mask.png/", "mask.png is no folder"),
        ("predict classes.segkit image.png -o mask.png/new/", "mask.png is no folder"),
        ("predict classes.segkit image.png -o dangling.tif", "is a link to a file that does not"),
        ("superpixels image.png -o loop.tif", "loop.tif is a link to itself"),
        ("train image.png mask.png -o dangling.segkit", "is a link to a file that does not"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(
    line, said, source, tmp_path, monkeypatch, capsys
):
    copied(source, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    for method in ("train_epochs", "predict_tiles"):
        monkeypatch.setattr(Segmenter, method, lambda *_, **__: pytest.fail("worked"))
    for name in ("dangling.tif", "dangling.segkit"):
        Path(name).symlink_to("nothing")
    Path("loop.tif").symlink_to("loop.tif")
    before = sorted(tmp_path.iterdir())
    assert cli.main([*line.split(), "--overwrite"]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("line", "module", "name", "output"),
    [
        ("train image.png mask.png -o new.segkit", Segmenter, "train_epochs", "new-2.segkit"),
        ("evaluate mask.png ids.png --csv new.csv", count_images, "report_images", "new-2.csv"),
        (MERGE, merged_model, "merge_panoptic", "new-2.segkit"),
    ],
)
def test_a_file_that_appears_during_the_work_stays(
    line, module, name, output, source, tmp_path, monkeypatch, capsys
):
    copied(source, tmp_path)
    monkeypatch.chdir(tmp_path)
    precious, work = Path(output.replace("-2", "")), getattr(module, name)

    def slow(*args, **options):
        precious.write_bytes(b"precious")
        return work(*args, **options)

    monkeypatch.setattr(module, name, slow)
    assert cli.main([*line.split(), *TRAINING * line.startswith("train")]) == 0
    printed, said = capsys.readouterr()
    assert precious.read_bytes() == b"precious"
    assert f"{precious} has appeared meanwhile and stays: the result is {output}." in said
    assert Path(output).stat().st_size > 100
    assert output in printed + said
