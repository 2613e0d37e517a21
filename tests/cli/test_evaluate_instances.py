"""``segkit evaluate`` on files of objects and of segments."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from napari_segkit import cli, error_map, evaluate
from napari_segkit.evaluation.kinds import KINDS
from napari_segkit.io.coco.panoptic_files import write_panoptic
from napari_segkit.io.files import read_image, write_labels
from napari_segkit.io.label_classes import read_classes
from napari_segkit.io.writers import FileMetadata


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def scene(seed):
    """Squares with ids, and the same slightly shifted."""
    truth = np.zeros((40, 48), np.uint16)
    for i in range(12):
        y, x = 10 * (i // 4) + 2, 12 * (i % 4) + 2
        truth[y : y + 8, x : x + 8] = 300 * (i + 1)
    prediction = np.roll(truth, 1 + seed, axis=1)
    prediction[prediction == 300] = 0
    return prediction, truth


@pytest.fixture
def folders(tmp_path):
    """Folders `predicted` and `truth` with two pairs of label images."""
    for name, place in (("predicted", 0), ("truth", 1)):
        (tmp_path / name).mkdir()
        for i in range(2):
            tifffile.imwrite(tmp_path / name / f"{i}.tif", scene(i)[place])
    return tmp_path


@pytest.fixture
def coco(tmp_path):
    """The same as folders of PNG files, each with a JSON file."""
    table = pd.DataFrame({"index": 300 * np.arange(1, 13), "class": ["cell"] * 11 + ["wall"]})
    table["kind"] = ["thing"] * 11 + ["stuff"]
    for name, place in (("predicted", 0), ("truth", 1)):
        (tmp_path / name).mkdir()
        for i in range(2):
            write_panoptic(tmp_path / name / f"{i}.png", scene(i)[place], table)
    return tmp_path


def test_the_kinds_are_those_of_evaluate(capsys):
    with pytest.raises(SystemExit):
        run("evaluate", "--help")
    assert f"{{{','.join(KINDS)}}}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--thresholds", "0.5"], "--thresholds are for --kind instance only"),
        (["--connectivity", "faces"], "choose --kind instance and --labels-are classes, too"),
    ],
)
def test_mistakes_name_options_before_any_work(arguments, said, tmp_path, capsys):
    assert run("evaluate", tmp_path, tmp_path, *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_list_names_the_groups_of_its_images(folders):
    rows = [f"predicted/{i}.tif,truth/{i}.tif,s{i % 2}" for i in (0, 1)]
    (folders / "list.csv").write_text("\n".join(["prediction,truth,subject", *rows]))
    report = evaluate(folders / "list.csv", labels_are="objects")
    assert [image.group for image in report.images.values()] == ["s0", "s1"]


def test_objects_are_pooled_over_images(folders, capsys):
    table = folders / "figures.csv"
    inputs = folders / "predicted", folders / "truth"
    assert run("evaluate", *inputs, "--kind", "instance", "--csv", table) == 0
    printed = capsys.readouterr().out
    expected = evaluate(*(list(s) for s in zip(scene(0), scene(1), strict=True)), kind="instance")
    assert "0.tif: F1 0.9565 and AP 0.9167 at IoU 0.5" in printed
    assert "Pooled objects of 2 images" in printed
    assert expected.summary() in printed
    figures = pd.read_csv(table)
    assert figures["image"].unique().tolist() == ["0.tif", "1.tif", "pooled"]
    pooled = figures[figures["image"] == "pooled"]
    assert pooled["threshold"].tolist() == [*map(str, expected.thresholds), "mean"]
    np.testing.assert_allclose(pooled["ap"], [*expected.ap.values(), expected.mean_ap])
    assert pooled["pq"].tolist()[-1] == pytest.approx(expected.pq)


def test_segments_are_read_with_their_classes(coco, capsys):
    table = coco / "figures.csv"
    inputs = coco / "predicted", coco / "truth"
    assert run("evaluate", *inputs, "--kind", "panoptic", "--csv", table) == 0
    printed = capsys.readouterr().out
    assert "Pooled segments of 2 images" in printed
    figures = pd.read_csv(table)
    pooled = figures[figures["image"] == "pooled"]
    assert pooled["class"].tolist() == ["cell", "wall", "mean", "mean", "mean"]
    assert pooled["hits"].tolist()[:2] == [20, 2]
    assert pooled["misses"].tolist()[:2] == [2, 0]
    iou = np.mean([56 / 72, 48 / 80])
    assert pooled["sq"].tolist()[:2] == pytest.approx([iou, iou])


def test_unlabelled_and_connected_components_are_options(folders, capsys):
    files = folders / "predicted/0.tif", folders / "truth/0.tif"
    assert run("evaluate", *files, "--kind", "instance", "--unlabelled", "300") == 0
    assert "11 objects in the truth, 11 predicted" in capsys.readouterr().out
    masks = [folders / name for name in ("mask.tif", "true.tif")]
    for file in masks:
        tifffile.imwrite(file, (scene(0)[1] > 0).astype(np.uint8))
    assert run("evaluate", *masks, "--kind", "instance") == 2
    said = capsys.readouterr().err
    assert "--labels-are classes or --labels-are objects or --kind semantic" in said
    options = ["--kind", "instance", "--labels-are", "classes"]
    assert run("evaluate", *masks, *options) == 0
    assert "12 objects in the truth, 12 predicted" in capsys.readouterr().out


def test_instance_ids_given_as_classes_suggest_the_instance_kind(folders, capsys):
    assert run("evaluate", folders / "predicted/0.tif", folders / "truth/0.tif") == 2
    assert "--labels-are classes or --kind instance." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("panoptic", "truth/0.tif", "No JSON file describes the segments"),
        ("instance", "nowhere.tif", "no file or folder"),
    ],
)
def test_mistakes_are_reported_in_one_line(kind, name, said, folders, capsys):
    assert run("evaluate", folders / "predicted/0.tif", folders / name, "--kind", kind) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in last
    assert last.endswith(".")


def test_maps_of_what_is_wrong_are_written_with_their_legend(folders, capsys):
    inputs = folders / "predicted", folders / "truth"
    maps = folders / "maps"
    assert run("evaluate", *inputs, "--kind", "instance", "--errors", maps) == 0
    assert sorted(file.name for file in maps.iterdir()) == ["0.png", "1.png"]
    expected = error_map(*scene(1), kind="instance")
    assert (np.asarray(Image.open(maps / "1.png")) == expected.values).all()
    assert read_classes(maps / "1.png") == expected.classes
    assert Image.open(maps / "1.png").getpalette()[3:6] == [0x00, 0x9E, 0x73]
    assert run("evaluate", *inputs, "--kind", "instance", "--errors", maps) == 2
    assert "exists already" in capsys.readouterr().err
    assert run("evaluate", *inputs, "--errors", inputs[0], "--overwrite") == 2


def test_the_map_of_a_stack_lies_where_the_prediction_does(tmp_path):
    stack = np.stack([scene(0)[1], scene(1)[1]])
    for name, labels in (("predicted", stack), ("truth", np.roll(stack, 1, 2))):
        metadata = FileMetadata("ZYX", (2.0, 0.5, 0.5), unit="um")
        write_labels(tmp_path / f"{name}.tif", labels, metadata)
    files = tmp_path / "predicted.tif", tmp_path / "truth.tif"
    assert run("evaluate", *files, "--kind", "instance", "--errors", tmp_path / "new" / "maps") == 0
    written = read_image(tmp_path / "new" / "maps" / "predicted.tif")
    assert (written.axes, written.spacing) == ("ZYX", (2.0, 0.5, 0.5))
