"""The commands on real files, with small trainings."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import ModelSpec, TileConfig, cli, evaluate, list_models
from napari_segkit.cli.main import make_parser
from napari_segkit.cli.terminal import error_line, show_progress
from napari_segkit.cli.training_settings import spec_and_config
from napari_segkit.io.files import read_labels
from napari_segkit.models.presets import preset
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Step, drain
from napari_segkit.training.events import TrainStep
from napari_segkit.training.semantic import SemanticTrainer

TINY = ["--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "2", "--tile-size", "64"]
TINY += ["--device", "cpu", "--threads", "1", "--model", "segresnet"]  # trains fastest
TINY += ["--validation", "none"]


def scene(seed, shape=(70, 80)):
    """A bright disc on noise, and the mask of the disc."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    mask = (y - 35) ** 2 + (x - 30 - seed) ** 2 < 300
    image = rng.integers(0, 60, shape) + 150 * mask
    return image.astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders `images` and `masks` with two pairs, and copies of the masks in `truth`."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("images", "masks", "truth"):
        (folder / name).mkdir()
    for i in range(2):
        image, mask = scene(i)
        Pictures.fromarray(image).save(folder / f"images/{i}.png")
        tifffile.imwrite(folder / f"masks/{i}.tif", mask)
        tifffile.imwrite(folder / f"truth/{i}.tif", mask)
    return folder


@pytest.fixture(scope="module")
def model(data):
    """A model file trained by the command."""
    path = data / "model.segkit"
    arguments = ["train", data / "images", data / "masks", "-o", path, "--unlabelled", "none"]
    assert run(*arguments, *TINY) == 0
    return path


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def test_train_shows_label_statistics_and_progress(data, tmp_path, capsys):
    path = tmp_path / "a.segkit"
    arguments = ["train", data / "images", data / "masks", "-o", path, "--unlabelled", "none"]
    assert run(*arguments, *TINY, "--validation", "auto") == 0
    out, err = capsys.readouterr()
    counts = np.bincount(np.concatenate([scene(i)[1].ravel() for i in range(2)]))
    assert out.strip() == str(path)
    assert f"  0: {counts[0]}\n  1: {counts[1]}\n  not labelled: 0" in err
    assert "On CPU, 1 thread" in err
    assert "epoch 1" in err
    assert "2/2" in err
    segmenter = Segmenter.load(path)
    assert [c.value for c in segmenter.classes] == [0, 1]
    assert segmenter.trained.config.unlabelled is None
    assert segmenter.trained.config.batch_size == 2


def test_a_list_of_files_trains_too(data, tmp_path):
    listed = data / "list.csv"
    listed.write_text("images,masks\nimages/0.png,masks/0.tif\n")
    assert run("train", listed, "-o", tmp_path / "a.segkit", "--unlabelled", "none", *TINY) == 0


def test_predict_a_folder(data, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("predict", model, data / "images", "-o", out, "--probabilities") == 0
    names = ("0.tif", "probabilities/0.tif", "1.tif", "probabilities/1.tif")
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    labels = read_labels(out / "0.tif")
    assert labels.shape == (70, 80)
    assert set(np.unique(labels)) <= {0, 1}
    maps = tifffile.imread(out / "probabilities/0.tif")
    assert maps.shape == (2, 70, 80)
    np.testing.assert_array_equal(maps.argmax(0), labels)
    with tifffile.TiffFile(out / "0.tif") as file:
        described = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"]
    kept = json.loads(described)
    assert kept["file"] == "0.png"
    assert kept["image"] == {"name": "0.png", "axes": "YX", "shape": [70, 80]}


def test_the_labels_are_the_same_as_in_python(data, model, tmp_path):
    image = data / "images/1.png"
    assert run("predict", model, image, "-o", tmp_path / "a.png", "--device", "cpu") == 0
    direct = Segmenter.load(model, device="cpu").predict(scene(1)[0])
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), direct)


def test_predictions_are_not_overwritten_unless_asked(data, model, tmp_path, capsys):
    target = tmp_path / "0.tif"
    target.write_bytes(b"precious")
    assert run("predict", model, data / "images", "-o", tmp_path) == 1
    err = capsys.readouterr().err
    assert "0.png: " in err
    assert "exists already" in err
    assert "1 of 2 files failed." in err
    assert target.read_bytes() == b"precious"
    assert (tmp_path / "1.tif").exists()
    assert run("predict", model, data / "images", "-o", tmp_path, "--overwrite") == 0
    assert read_labels(target).shape == (70, 80)


def test_a_broken_file_does_not_stop_the_others(data, model, tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(b"nonsense")
    (images / "b.png").write_bytes((data / "images/0.png").read_bytes())
    assert run("predict", model, images, "-o", tmp_path / "out") == 1
    assert "a.png" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["b.tif"]


def test_evaluate_pools_pixels_and_lists_images(data, model, tmp_path, capsys):
    out, table = tmp_path / "out", tmp_path / "figures.csv"
    assert run("predict", model, data / "images", "-o", out) == 0
    capsys.readouterr()
    assert run("evaluate", out, data / "masks", "--csv", table) == 0
    printed = capsys.readouterr().out
    assert "0.tif: mean IoU" in printed
    assert "Pooled pixels of 2 images" in printed
    assert "unlabelled: none (every pixel counts)" in printed
    figures = pd.read_csv(table)
    assert figures["image"].unique().tolist() == ["0.tif", "1.tif", "pooled"]
    pooled = figures[(figures["image"] == "pooled") & figures["truth_pixels"].notna()]
    truth = np.concatenate([scene(i)[1].ravel() for i in range(2)])
    predicted = np.concatenate([read_labels(out / f"{i}.tif").ravel() for i in range(2)])
    assert pooled["truth_pixels"].tolist() == np.bincount(truth).tolist()
    expected = [
        ((truth == c) & (predicted == c)).sum() / ((truth == c) | (predicted == c)).sum()
        for c in (0, 1)
    ]
    assert pooled["iou"].tolist() == pytest.approx(expected)


def test_evaluate_leaves_out_unlabelled_pixels(data, capsys):
    mask, truth = data / "masks/0.tif", data / "truth/0.tif"
    assert run("evaluate", mask, truth, "--unlabelled", "0") == 0
    assert "unlabelled: 0 (its pixels are not counted)" in capsys.readouterr().out


def test_pairs_are_said_before_the_work(data, tmp_path, capsys):
    assert run("evaluate", data / "masks", data / "truth") == 0
    assert capsys.readouterr().err == "2 pairs: 0.tif with 0.tif, 1.tif with 1.tif.\n"
    for i in range(2):
        image, mask = scene(i)
        Pictures.fromarray(image).save(tmp_path / f"c{i}_img.png")
        Pictures.fromarray(mask).save(tmp_path / f"c{i}_masks.png")
    Pictures.fromarray(image).save(tmp_path / "overview.png")
    arguments = ["train", tmp_path, "-o", tmp_path / "a.segkit", "--unlabelled", "none"]
    assert run(*arguments, "--model", "pixels", "--epochs", "1") == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("left out: overview.png.")
    pairs = "c0_img.png with c0_masks.png, c1_img.png with c1_masks.png"
    assert said[1] == f"2 pairs: {pairs}."


def test_images_with_equal_names_are_distinguished(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "p.tif", scene(0)[1])
        tifffile.imwrite(tmp_path / name / "t.tif", scene(0)[1])
    listed, table = tmp_path / "list.csv", tmp_path / "figures.csv"
    listed.write_text("images,masks\na/p.tif,a/t.tif\nb/p.tif,b/t.tif\na/p.tif,b/t.tif\n")
    assert run("evaluate", listed, "--csv", listed, "--overwrite") == 2
    assert "the result would replace it" in capsys.readouterr().err
    assert run("evaluate", listed, "--csv", table) == 0
    printed = capsys.readouterr().out
    assert "Pooled pixels of 3 images" in printed
    assert "a/p.tif: mean IoU" in printed
    assert "b/p.tif: mean IoU" in printed
    figures = pd.read_csv(table)
    names = figures[figures["class"].isin(["0", "1", "mean"])]["image"].tolist()
    assert [names.count(n) for n in ("a/p.tif", "b/p.tif", "pooled")] == [6, 3, 3]


def test_a_table_is_not_overwritten_unless_asked(data, tmp_path, capsys):
    mask, truth = data / "masks/0.tif", data / "truth/0.tif"
    table = tmp_path / "figures.csv"
    table.write_text("precious")
    assert run("evaluate", mask, truth, "--csv", table) == 2
    assert "exists already" in capsys.readouterr().err
    assert table.read_text() == "precious"
    assert run("evaluate", mask, truth, "--csv", table, "--overwrite") == 0
    assert pd.read_csv(table)["image"].unique().tolist() == ["0.tif", "pooled"]
    assert [p.name for p in tmp_path.iterdir()] == ["figures.csv"]


def test_a_stack_for_a_png_is_refused_before_the_work(model, tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in/a.tif", np.stack([scene(i)[0] for i in range(2)]))
    monkeypatch.setattr(Segmenter, "predict_tiles", None)
    out = tmp_path / "out"
    arguments = ["--format", "png", "--probabilities"]
    assert run("predict", model, tmp_path / "in", "-o", out, *arguments) == 1
    assert "do not fit a PNG" in capsys.readouterr().err
    assert not out.exists()


NAN, CARD = "The loss became nan.", "CUDA out of memory. Tried to\n allocate"
LOWER = {"train": "--batch-size or --tile-size", "predict": "--region, leave --probabilities out"}


@pytest.mark.parametrize(
    ("command", "problem", "said"),
    [
        *((command, FloatingPointError(NAN), NAN) for command in LOWER),
        *((command, RuntimeError(CARD), option) for command, option in LOWER.items()),
        *((command, MemoryError(), option) for command, option in LOWER.items()),
    ],
)
def test_a_failure_is_reported_in_one_line(
    command, problem, said, data, model, tmp_path, monkeypatch, capsys
):
    def fail(*_, **__):
        raise problem
        yield

    for name in ("train_epochs", "predict_tiles"):
        monkeypatch.setattr(Segmenter, name, fail)
    image, mask = data / "images/0.png", data / "masks/0.tif"
    files = {"train": (image, mask, "x.segkit"), "predict": (model, image, "x.tif")}
    *inputs, name = files[command]
    assert run(command, *inputs, "-o", tmp_path / name) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_models_are_listed(capsys):
    assert run("models") == 0
    listed = capsys.readouterr().out
    assert all(info.name in listed for info in list_models())
    assert '"fast on CPU"' in listed


def test_model_details_list_encoders_and_licences(capsys):
    assert run("models", "segformer") == 0
    about = capsys.readouterr().out
    assert "resnet50" in about
    assert "mit_b0: NVIDIA's licence" in about
    assert run("models", "nothing") == 2


@pytest.mark.parametrize("first", [True, False])
def test_a_preset_sets_the_options_not_given(first):
    options, wish = ["--epochs", "20", "--overlap", "96"], ["--preset", "best on a GPU"]
    asked = [*wish, *options] if first else [*options, *wish]
    args = make_parser().parse_args(["train", "a.png", "b.png", "-o", "m.segkit", *asked])
    known = preset("best on a GPU")
    spec, config = spec_and_config(args)
    assert spec == known.spec
    assert config == replace(known.config, epochs=20, tile=TileConfig(512, 96))


@pytest.mark.parametrize(
    ("options", "name", "dims"),
    [([], "unet", "2D"), (["--minutes", "1"], "pixels", "3D"), (["--minutes", "60"], "unet", "2D")],
)
def test_the_volume_preset_follows_the_minutes(options, name, dims):
    asked = ["--preset", "volume", "--device", "cpu", *options]
    args = make_parser().parse_args(["train", "a.nii", "b.nii", "-o", "m.segkit", *asked])
    spec, config = spec_and_config(args)
    assert (spec.name, spec.dims) == (name, dims)
    assert config.minutes == (float(options[1]) if options else None)


@pytest.mark.parametrize("name", ["fpn", "mednext"])
def test_another_model_does_not_take_the_presets_encoder(name):
    asked = ["--preset", "volume", "--model", name, "--device", "cpu"]
    args = make_parser().parse_args(["train", "a.png", "b.png", "-o", "m.segkit", *asked])
    assert spec_and_config(args) == (ModelSpec(name), preset("volume").config)


@pytest.mark.parametrize("arguments", [["--help"], ["models"]])
def test_help_and_models_load_no_torch(arguments):
    code = (
        "import sys; from napari_segkit.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'numpy', 'qtpy', 'napari'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("command", ["train", "predict", "evaluate"])
def test_every_option_is_explained(command, capsys):
    with pytest.raises(SystemExit):
        run(command, "--help")
    text = " ".join(capsys.readouterr().out.split())
    named = {"train": "--unlabelled INT|none", "predict": "--overlap INT|none"}
    assert named.get(command, "--labels-are {ask,classes,objects}") in text


MISTAKES = [
    (["train", "IMAGES", "-o", "x.segkit"], "No labels were given"),
    (["train", "IMAGES", "nowhere", "-o", "x.segkit"], "no file or folder nowhere"),
    (["train", "IMAGES", "MASKS", "-o", "x.segkit", "--epochs", "0"], "epochs is 0"),
    (["train", "IMAGES", "MASKS", "-o", "x.segkit", "--model", "vnet"], "no model 'vnet'"),
    (["train", "IMAGES", "MASKS", "-o", "x.segkit", "--device", "cuda:9"], "cuda:9"),
    (["train", "IMAGES", "MASKS", "-o", "nowhere/x.segkit"], "no folder nowhere"),
    (["train", "IMAGES", "MASKS", "-o", "MODEL"], "exists already"),
    (["train", "IMAGES", "MASKS", "-o", "x.segkit", "--unlabelled", "0"], "one class only"),
    (["train", "IMAGES", "MASKS", "-o", "x.segkit", "--axes", "QX"], "axes='QX'"),
    (["predict", "MODEL", "IMAGES", "-o", "IMAGES"], "choose another folder"),
    (["predict", "MODEL", "IMAGE", "-o", "x.gif"], "ending in"),
    (["predict", "MODEL", "nowhere.png", "-o", "x.tif"], "There is no file"),
    (["predict", "IMAGE", "IMAGE", "-o", "x.tif"], "0.png"),
    (["predict", "nowhere.segkit", "IMAGE", "-o", "x.tif"], "nowhere.segkit"),
    (["predict", "MODEL", "IMAGE", "-o", "x.tif", "--tile-size", "3"], "--tile-size is 3"),
    (["evaluate", "IMAGE", "nowhere.png"], "nowhere.png"),
    (["evaluate", "MASK", "TRUTH", "--csv", "nowhere/x.csv"], "no folder nowhere"),
    (["evaluate", "MASK", "TRUTH", "--unlabelled", "-5"], "unlabelled is -5"),
    (["evaluate", "MASK", "MASK"], "is given as prediction and as truth"),
    (["evaluate", "MASKS", "MASKS"], "each file would be paired with itself"),
    (["train", "IMAGE", "IMAGE", "-o", "x.segkit"], "is given as image and as labels"),
    (["train", "IMAGES", "IMAGES", "-o", "x.segkit"], "each file would be its own labels"),
    (["smooth", "MASK", "MASK", "-o", "x.tif"], "is given as probabilities and as image"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_mistakes_are_reported_in_one_line(
    arguments, said, data, model, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    places = {
        "IMAGES": data / "images",
        "MASKS": data / "masks",
        "IMAGE": data / "images/0.png",
        "MASK": data / "masks/0.tif",
        "TRUTH": data / "truth/0.tif",
        "MODEL": model,
    }
    assert run(*(places.get(a, a) for a in arguments)) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in last
    assert last.endswith(".")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["merge", "a", "b"],
        ["train", "a", "b", "-o", "c", "--unlabelled", "all"],
        ["train", "a", "b", "-o", "c", "--labels-are", "things"],
        ["train", "a", "b", "-o", "c", "--threads", "0"],
        ["predict", "a", "b", "-o", "c", "--threads", "-2"],
        ["smooth", "a", "b", "-o", "c", "--threads", "1000000000"],
        ["predict", "a", "b", "-o", "c", "--format", "bmp"],
        ["unknown"],
        [],
    ],
)
def test_wrong_options_are_explained(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_questions_about_instance_labels_name_options(data, tmp_path, capsys):
    ids = np.zeros((70, 80), np.uint16)
    for i in range(12):
        ids[i * 5 : i * 5 + 3, 10:20] = i + 1
    for name in ("ids.tif", "truth.tif"):
        tifffile.imwrite(tmp_path / name, ids)
    arguments = ["train", data / "images/0.png", tmp_path / "ids.tif", "-o", tmp_path / "a.segkit"]
    assert run(*arguments, *TINY) == 2
    assert "--labels-are objects or --labels-are classes" in capsys.readouterr().err
    assert run("evaluate", tmp_path / "ids.tif", tmp_path / "truth.tif") == 2
    assert "--labels-are objects or --labels-are classes" in capsys.readouterr().err


def test_an_interrupted_training_is_saved(data, tmp_path, monkeypatch, capsys):
    from napari_segkit.training.gradient import GradientTrainer

    events = interrupted(1, GradientTrainer._events)
    monkeypatch.setattr(GradientTrainer, "_events", events)
    arguments = ["train", data / "images", data / "masks", "-o", tmp_path / "a.segkit"]
    tiny = [*TINY, "--steps-per-epoch", "50", "--unlabelled", "none"]
    before = signal.getsignal(signal.SIGINT)
    assert run(*arguments, *tiny) == 0
    assert "the model is saved as trained so far" in capsys.readouterr().err
    assert len(Segmenter.load(tmp_path / "a.segkit").history) == 2
    assert signal.getsignal(signal.SIGINT) is before


def interrupted(times, work, number=signal.SIGINT, step=2):
    """The generator `work` with Ctrl-C pressed `times` times in its second step."""
    pressed_in = step

    def press(*arguments, **options):
        for step in work(*arguments, **options):
            for _ in range(times * (step.done == pressed_in)):
                signal.raise_signal(number)
            yield step

    return press


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_other_signals_end_a_training_as_ctrl_c_does(number, data, tmp_path, monkeypatch, capsys):
    from napari_segkit.training.pixels import PixelTrainer

    events = interrupted(1, PixelTrainer._events, number, step=6)
    monkeypatch.setattr(PixelTrainer, "_events", events)
    path = tmp_path / "a.segkit"
    tiny = [*TINY, "--unlabelled", "none", "--model", "pixels"]
    assert run("train", data / "images/0.png", data / "masks/0.tif", "-o", path, *tiny) == 0
    assert "Stopping after this step" in capsys.readouterr().err
    assert Segmenter.load(path).is_trained


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("stage", ["check", "write"])
def test_a_signal_ends_a_folder_after_the_file_that_is_written(
    stage, number, status, data, model, tmp_path, monkeypatch, capsys
):
    from napari_segkit.jobs.file_writer import FileWriter
    from napari_segkit.jobs.output_options import OutputOptions

    owner, name = {"check": (OutputOptions, "check_format"), "write": (FileWriter, "write")}[stage]
    work = getattr(owner, name)

    def press(*arguments):
        signal.raise_signal(number)
        return work(*arguments)

    monkeypatch.setattr(owner, name, press)
    assert run("predict", model, data / "images", "-o", tmp_path / "out") == status
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "Interrupted."
    assert not any("failed" in line for line in said)
    written = [p.name for p in tmp_path.glob("out/*")]
    assert written == (["0.tif"] if stage == "write" else [])


def test_a_signal_while_the_command_starts_ends_it_without_a_traceback():
    code = (
        "import os, signal; from napari_segkit.cli import main\n"
        "main.__globals__['make_parser'] = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if os.name == "posix":
        assert (ended.returncode, ended.stderr) == (143, "Interrupted.\n")


@pytest.mark.parametrize(("times", "status"), [(2, 0), (3, 130)])
def test_the_second_interrupt_still_saves(times, status, data, tmp_path, monkeypatch, capsys):
    from napari_segkit.training.gradient import GradientTrainer

    events = interrupted(times, GradientTrainer._events)
    monkeypatch.setattr(GradientTrainer, "_events", events)
    path = tmp_path / "a.segkit"
    tiny = [*TINY, "--steps-per-epoch", "50", "--unlabelled", "none"]
    assert run("train", data / "images", data / "masks", "-o", path, *tiny) == status
    assert "Stopping and saving" in capsys.readouterr().err
    assert path.exists() == (status == 0)


def test_an_interrupt_while_saving_does_not_stop_it(data, tmp_path, monkeypatch):
    write = Segmenter.save

    def slow(self, path, *, overwrite):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        write(self, path, overwrite=overwrite)

    monkeypatch.setattr(Segmenter, "save", slow)
    path = tmp_path / "a.segkit"
    arguments = ["train", data / "images/0.png", data / "masks/0.tif", "-o", path]
    assert run(*arguments, *TINY, "--unlabelled", "none", "--model", "pixels") == 0
    assert Segmenter.load(path).is_trained


def test_an_interrupt_before_the_first_step_saves_nothing(data, tmp_path, monkeypatch, capsys):
    from napari_segkit.training.pixels import PixelTrainer

    monkeypatch.setattr(PixelTrainer, "steps", interrupted(1, PixelTrainer.steps))
    arguments = ["train", data / "images", data / "masks", "-o", tmp_path / "a.segkit"]
    tiny = [*TINY, "--unlabelled", "none", "--model", "pixels"]
    assert run(*arguments, *tiny) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "Interrupted before the first training step: nothing was saved."
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_saved_is_saved_elsewhere(data, tmp_path, monkeypatch, capsys):
    from napari_segkit.training.gradient import GradientTrainer

    folder, spare = tmp_path / "gone", tmp_path / "spare"
    folder.mkdir()
    spare.mkdir()

    events = GradientTrainer._events

    def remove(trainer):
        yield from events(trainer)
        folder.rmdir()

    monkeypatch.setattr(GradientTrainer, "_events", remove)
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    arguments = ["train", data / "images/0.png", data / "masks/0.tif", "-o", folder / "a.segkit"]
    assert run(*arguments, *TINY, "--unlabelled", "none") == 2
    (saved,) = spare.glob("*/a.segkit")
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"There is no folder {folder}" in said
    assert f"The model was saved as {saved} instead." in said
    assert Segmenter.load(saved).is_trained


def test_an_error_at_the_end_of_a_training_leaves_the_model(data, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(
        "napari_segkit.training.semantic.SemanticTrainer._measure_batch_statistics", fail
    )
    path = tmp_path / "a.segkit"
    arguments = ["train", data / "images", data / "masks", "-o", path, "--unlabelled", "none"]
    assert run(*arguments, *TINY) == 1
    *_, error, saved = capsys.readouterr().err.splitlines()
    assert error.startswith("Out of memory: give a smaller --batch-size")
    assert saved == "The model is saved as trained before this error."


def test_a_training_that_diverges_leaves_the_model_and_tells_by_its_status(
    data, tmp_path, monkeypatch, capsys
):
    loss, factors = SemanticTrainer._loss, iter([1, 0.5, np.nan])
    monkeypatch.setattr(SemanticTrainer, "_loss", lambda *args: loss(*args) * next(factors))
    path = tmp_path / "a.segkit"
    arguments = ["train", data / "images", data / "masks", "-o", path, "--unlabelled", "none"]
    assert run(*arguments, *TINY, "--steps-per-epoch", "3") == 1
    *_, error, saved = capsys.readouterr().err.splitlines()
    assert error.startswith("The loss became nan at step 3")
    assert saved == "The model is saved as trained before this error."
    assert len(Segmenter.load(path).history) == 2
    assert len(Segmenter.load(path).history) == 2


@pytest.mark.parametrize("ended", [SystemExit(3), UserWarning("a warning as an error")])
def test_a_library_that_ends_the_work_is_an_error(
    ended, data, model, tmp_path, monkeypatch, capsys
):
    def fail(*_, **__):
        raise ended
        yield

    monkeypatch.setattr(Segmenter, "predict_tiles", fail)
    assert run("predict", model, data / "images", "-o", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "2 of 2 files failed." in said
    assert "SystemExit: 3" in said or "a warning as an error" in said


def test_closed_outputs_lose_no_model(data, tmp_path, monkeypatch):
    class Closed(StringIO):
        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    monkeypatch.setattr("sys.stdout", Closed())
    path = tmp_path / "a.segkit"
    arguments = ["train", data / "images/0.png", data / "masks/0.tif", "-o", path]
    assert run(*arguments, *TINY, "--unlabelled", "none", "--model", "pixels") == 0
    assert Segmenter.load(path).is_trained


def test_a_time_limit_is_said(data, tmp_path, monkeypatch, capsys):
    from napari_segkit.training.schedule import Schedule

    monkeypatch.setattr(Schedule, "tick", lambda self: setattr(self, "seconds", 30.0 * self.done))
    arguments = ["train", data / "images", data / "masks", "-o", tmp_path / "a.segkit"]
    tiny = [*TINY, "--steps-per-epoch", "50", "--unlabelled", "none", "--minutes", "1"]
    assert run(*arguments, *tiny) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "The time limit is reached after 2 of 50 steps (4 patches)."
    assert any(line.endswith("2/2") for line in said)


def test_the_demo_gets_its_options(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    demo = pytest.importorskip("napari_segkit._qt.app.demo")
    asked = {}
    monkeypatch.setattr(demo, "main", lambda **options: asked.update(options) or 0)
    assert run("demo", "--screenshot", "a.png", "--no-stay") == 0
    assert asked == {"screenshot": "a.png", "stay": False}


def test_progress_is_a_line_for_every_tenth(capsys):
    def steps():
        for done in range(1, 101):
            yield Step(done, 100)
        return "result"

    assert drain(show_progress(steps(), lambda _: "work")) == "result"
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"work  {done}/100" for done in range(10, 101, 10)]


def test_progress_is_a_line_a_minute_with_the_time_left(monkeypatch, capsys):
    clock = iter(range(0, 10_000, 45))
    monkeypatch.setattr("napari_segkit.cli.terminal.monotonic", lambda: next(clock))
    drain(show_progress((Step(done, 100) for done in range(1, 12)), lambda _: "work"))
    assert capsys.readouterr().err.splitlines() == [
        "work  2/100, 1:13:30 left",
        "work  4/100, 1:12:00 left",
        "work  6/100, 1:10:30 left",
        "work  8/100, 1:09:00 left",
        "work  10/100, 1:07:30 left",
    ]


def test_progress_on_a_terminal_is_a_bar_with_the_time_left(monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert drain(show_progress((Step(done, 2) for done in (1, 2)), lambda _: "work")) is None
    assert "work: 100%" in terminal.getvalue()
    assert "2/2 [" in terminal.getvalue()


def test_progress_passes_commands_on_and_closes_the_steps():
    received = []

    def steps():
        try:
            while True:
                received.append((yield Step(1, 1)))
        finally:
            received.append("closed")

    shown = show_progress(steps(), lambda _: "work")
    next(shown)
    assert shown.send("snapshot") == Step(1, 1)
    shown.close()
    assert received == ["snapshot", "closed"]


def test_an_error_is_one_line():
    assert error_line(ValueError("two\n  lines")) == "two lines"
    assert error_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_an_evaluation_leaves_out_what_a_model_was_trained_on(data, model, tmp_path, capsys):
    for name in ("images", "masks"):
        shutil.copytree(data / name, tmp_path / name)
    image, mask = scene(2)
    Pictures.fromarray(image).save(tmp_path / "images/2.png")
    tifffile.imwrite(tmp_path / "masks/2.tif", mask)
    segmenter = Segmenter.load(model, device="cpu")
    trained = [segmenter.trained_pixels(scene(seed)[0]) for seed in range(2)]
    seen = sum(int(t.sum()) for t in trained)
    shutil.copytree(tmp_path / "masks", tmp_path / "truth")
    command = ["evaluate", tmp_path / "masks", tmp_path / "truth", "--unseen-by", model]
    assert run(*command, "--images", tmp_path / "images") == 0
    said = capsys.readouterr()
    assert 0 < seen <= 2 * mask.size
    assert f"{3 * mask.size - seen:,} pixels, accuracy 1.0000" in said.out
    assert f"Left out: {seen:,} pixels of " in said.out
    assert run(*command) == 2
    assert "--unseen-by and --images go together" in capsys.readouterr().err


def test_an_evaluation_of_a_region_is_written_as_json(tmp_path, capsys):
    truth = np.zeros((30, 40), np.uint8)
    truth[5:20, 5:20] = 255
    for name, labels in (("truth", truth), ("made", np.roll(truth // 255, 2, axis=0))):
        tifffile.imwrite(tmp_path / f"{name}.tif", labels)
    command = ["evaluate", tmp_path / "made.tif", tmp_path / "truth.tif", "--region", "0:15,:"]
    assert run(*command) == 0
    assert "Perhaps the same: 1 of the prediction as 255 of the truth" in capsys.readouterr().out
    assert run(*command, "--class-map", "1=255", "--json", tmp_path / "a.json") == 0
    assert "600 pixels outside of it are left out" in capsys.readouterr().out
    part = np.roll(truth, 2, axis=0)[:15], truth[:15]
    written = json.loads((tmp_path / "a.json").read_text())
    assert str(evaluate(*part).mean_iou) in json.dumps(written)
    assert run(*command, "--json", tmp_path / "a.json") == 2
    assert run(*command, "--json", tmp_path / "a.csv") == 2
    assert "choose one ending in .json" in capsys.readouterr().err
    assert run(*command[:-1], "40:50,:") == 2
    assert "--region is 40:50 along Y" in capsys.readouterr().err


def test_an_evaluation_on_what_a_model_was_trained_on_is_refused(data, model, tmp_path, capsys):
    segmenter = Segmenter.load(model, device="cpu")
    trained = [segmenter.trained_pixels(scene(seed)[0]) for seed in range(2)]
    seed = int(trained[1].any())
    mask = np.where(trained[seed], scene(seed)[1], 9).astype(np.uint8)
    tifffile.imwrite(tmp_path / "seen.tif", mask)
    image, prediction = data / f"images/{seed}.png", data / f"masks/{seed}.tif"
    command = ["evaluate", prediction, tmp_path / "seen.tif", "--unlabelled", "9"]
    assert run(*command, "--unseen-by", model, "--images", image) == 2
    assert "was trained on every labelled pixel" in capsys.readouterr().err


def test_the_time_left_of_a_training_is_that_of_its_steps(capsys):
    step = TrainStep(500, 1000, epoch=1, loss=1.0, seconds=60.0, images=2000, seconds_left=61.0)
    drain(show_progress((s for s in [step]), lambda _: "work"))
    assert "work  500/1000, 1:01 left" in capsys.readouterr().err
