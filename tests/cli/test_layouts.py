"""Commands on the folders of studies: sub-folders, channels as files, patterns, new folders."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit import cli
from napari_segkit.io.files import read_labels
from napari_segkit.segmenter import Segmenter

PIXELS = ["--model", "pixels", "--epochs", "1", "--unlabelled", "none", "--device", "cpu"]


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def disc(seed=0, shape=(24, 30)):
    """A bright disc on noise, and its mask."""
    y, x = np.indices(shape)
    mask = ((y - 12) ** 2 + (x - 12 - seed) ** 2 < 40).astype(np.uint8)
    noise = np.random.default_rng(seed).integers(0, 60, shape)
    return (noise + 150 * mask).astype(np.uint8), mask


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(np.stack([pixels] * 3, axis=-1), np.eye(4)), path)
    else:
        Pictures.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder for each subject, and a model trained on them."""
    folder = tmp_path_factory.mktemp("study")
    for i in range(2):
        image, mask = disc(i)
        save(folder / f"data/sub-0{i}/image.png", image)
        save(folder / f"data/sub-0{i}/label.png", mask)
    assert run("train", folder / "data", "-o", folder / "m.segkit", *PIXELS) == 0
    return folder


@pytest.fixture
def channels(tmp_path):
    """nnU-Net's folders; only the second channel shows the disc."""
    for name, seed in (("x", 0), ("y", 3)):
        image, mask = disc(seed)
        save(tmp_path / f"d/imagesTr/{name}_0000.nii.gz", np.full_like(image, 7))
        save(tmp_path / f"d/imagesTr/{name}_0001.nii.gz", image)
        save(tmp_path / f"d/labelsTr/{name}.nii.gz", mask)
    return tmp_path / "d"


def train(*arguments):
    return run("train", *arguments, *PIXELS)


def test_sub_folders_are_mirrored_in_a_new_folder(study, tmp_path, capsys):
    out = tmp_path / "new/results"
    pattern = f"{study}/data/*/image.png"
    assert run("predict", study / "m.segkit", pattern, "-o", f"{out}/") == 0
    written = [out / f"sub-0{i}/image.tif" for i in range(2)]
    assert capsys.readouterr().out.split() == [str(file) for file in written]
    for i, file in enumerate(written):
        assert (read_labels(file) == disc(i)[1]).mean() > 0.95


def test_labels_among_the_images_are_said(study, tmp_path, capsys):
    out = ["-o", tmp_path / "out"]
    assert run("predict", study / "m.segkit", study / "data", *out) == 0
    said = "Note: 2 of 4 files have names of labels and are taken as images: sub-00/label.png, "
    assert said in capsys.readouterr().err


def test_several_images_may_be_given(study, tmp_path):
    images = [study / f"data/sub-0{i}/image.png" for i in range(2)]
    assert run("predict", study / "m.segkit", images[0], "-o", f"{tmp_path}/one/") == 0
    assert (tmp_path / "one/image.tif").is_file()
    assert run("predict", study / "m.segkit", *images, "-o", tmp_path / "two") == 2
    assert not (tmp_path / "two").exists()
    save(tmp_path / "b.png", disc()[0])
    both = images[0], tmp_path / "b.png"
    assert run("predict", study / "m.segkit", *both, "-o", tmp_path / "two") == 0
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["b.tif", "image.tif"]


def test_several_images_need_a_folder(study, tmp_path, capsys):
    for given in (["data"], ["data/sub-00/image.png", "data/sub-01/image.png"]):
        images = [study / path for path in given]
        assert run("predict", study / "m.segkit", *images, "-o", tmp_path / "out.tif") == 2
        assert "out.tif is a file: give a folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_image_given_twice_is_predicted_once(study, tmp_path, capsys):
    image, pattern = study / "data/sub-00/image.png", f"{study}/data/*/image.png"
    assert run("predict", study / "m.segkit", image, pattern, "-o", tmp_path / "out") == 0
    assert len(capsys.readouterr().out.split()) == 2


def test_results_are_no_images_of_the_next_run(study, tmp_path):
    save(tmp_path / "i/a.png", disc()[0])
    for _ in range(2):
        out = ["-o", tmp_path / "i/out", "--overwrite"]
        assert run("predict", study / "m.segkit", tmp_path / "i", *out) == 0
        assert run("superpixels", tmp_path / "i", *out) == 0
    assert [p.name for p in (tmp_path / "i/out").rglob("*")] == ["a.tif"]


def test_a_new_folder_may_be_given_for_a_model(study, tmp_path):
    data = study / "data"
    assert train(data, "-o", f"{tmp_path}/models/") == 0
    assert Segmenter.load(tmp_path / "models/model.segkit").is_trained
    assert train(data, "-o", tmp_path / "models") == 2
    assert train(data, data / "nothing", "-o", f"{tmp_path}/empty/") == 2
    assert not (tmp_path / "empty").exists()


def test_pairs_can_be_shown_alone(study, tmp_path, capsys):
    data = study / "data"
    images, labels = f"{data}/*/image.png", f"{data}/*/label.png"
    expected = [f"{data}/sub-0{i}/image.png\t{data}/sub-0{i}/label.png" for i in range(2)]
    (tmp_path / "m.segkit").touch()
    for command in (["train", data], ["train", images, labels], ["smooth", images, labels]):
        assert run(*command, "--show-pairs") == 0
        assert capsys.readouterr().out.splitlines() == expected
        assert run(*command, "-o", tmp_path / "m.segkit", "--show-pairs") == 0
        assert capsys.readouterr().out.splitlines() == expected
    assert run("evaluate", images, labels, "--show-pairs") == 0
    assert capsys.readouterr().out.splitlines() == expected
    assert not (tmp_path / "m.segkit").read_bytes()


def test_a_picture_of_pairs_is_written_alone(study, tmp_path, capsys):
    data, picture = study / "data", tmp_path / "pairs.png"
    for show in (picture, tmp_path / "again"):
        assert train(data, "--show", show) == 0
    assert capsys.readouterr().out.split() == [str(picture), str(tmp_path / "again.png")]
    with Pictures.open(picture) as shown:
        assert (shown.mode, shown.width > shown.height) == ("RGB", True)
    assert picture.read_bytes() == (tmp_path / "again.png").read_bytes()
    image = data / "sub-00/image.png"
    for taken in (picture, tmp_path / "m.tif", image):
        before = image.read_bytes()
        assert train(data, "--show", taken, *["--overwrite"] * (taken == image)) == 2
        assert image.read_bytes() == before


@pytest.mark.parametrize("command", ["train", "smooth"])
def test_a_missing_output_is_asked_before_the_work(command, study, capsys):
    assert run(command, study / "data/*/image.png", study / "data/*/label.png") == 2
    assert capsys.readouterr().err == (
        "Where to write is missing: add -o and a name, or --show-pairs.\n"
    )


def test_swapped_images_and_labels_are_said(study, tmp_path, capsys):
    image, label = (study / f"data/sub-00/{name}.png" for name in ("image", "label"))
    assert train(label, image, "-o", tmp_path / "m.segkit") == 0
    said = capsys.readouterr().err
    assert "label.png only 2 values: check that images and labels are not swapped" in said
    assert train(image, label, "-o", tmp_path / "n.segkit") == 0
    assert "swapped" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "evaluate", "smooth"])
def test_a_pattern_that_the_shell_expanded_is_asked_in_quotes(command, tmp_path, capsys):
    for name in ("a.png", "b.png", "a_mask.png", "b_mask.png"):
        save(tmp_path / name, disc()[1])
    out = [] if command == "evaluate" else ["-o", tmp_path / "m.segkit"]
    assert run(command, *sorted(tmp_path.glob("*.png")), *out) == 2
    assert "put patterns in quotes, such as 'img/*.png'" in capsys.readouterr().err


def test_channels_in_files_are_trained_and_predicted_together(channels, tmp_path, capsys):
    model = tmp_path / "m.segkit"
    assert train(channels / "imagesTr", channels / "labelsTr", "-o", model) == 0
    assert "Each image has 2 channels, one in each file: x_0000" in capsys.readouterr().err
    assert Segmenter.load(model).trained.channels == 2
    out = tmp_path / "out"
    assert run("predict", model, channels / "imagesTr", "-o", out) == 0
    assert capsys.readouterr().out.split() == [str(out / "x.nii.gz"), str(out / "y.nii.gz")]
    found = np.asarray(nib.load(out / "y.nii.gz").dataobj)
    assert (found[..., 1] == disc(3)[1]).mean() > 0.95
    assert run("evaluate", out, channels / "labelsTr") == 0


def test_a_missing_channel_is_named_before_the_work(channels, tmp_path, capsys):
    model = tmp_path / "m.segkit"
    assert train(channels, "-o", model) == 0
    (channels / "imagesTr/y_0000.nii.gz").unlink()
    assert run("predict", model, channels / "imagesTr", "-o", tmp_path / "out") == 2
    assert "imagesTr has no y_0000.nii.gz, but images have 2" in capsys.readouterr().err
    assert train(channels, "-o", tmp_path / "other.segkit") == 2
    assert "imagesTr has no y_0000.nii.gz, but images have 2" in capsys.readouterr().err


def test_channels_of_other_pixels_are_named(channels, tmp_path, capsys):
    save(channels / "imagesTr/y_0001.nii.gz", disc(shape=(24, 31))[0])
    assert train(channels, "-o", tmp_path / "m.segkit") == 2
    assert "y_0001.nii.gz (ZYX (3, 31, 24)" in capsys.readouterr().err


def test_channels_that_lie_elsewhere_are_named(channels, tmp_path, capsys):
    file = channels / "imagesTr/y_0001.nii.gz"
    moved = np.eye(4)
    moved[:3, 3] = 0, 0, 100
    nib.save(nib.Nifti1Image(np.asarray(nib.load(file).dataobj), moved), file)
    assert train(channels, "-o", tmp_path / "m.segkit") == 2
    told = capsys.readouterr().err
    assert "y_0000.nii.gz and y_0001.nii.gz do not lie on each other" in told


def test_channels_of_a_list_are_predicted_by_their_names(channels, capsys):
    """In any order, and with results below the output, wherever the images are."""
    rows = [[f"../d/imagesTr/{n}_000{c}.nii.gz" for c in (0, 1)] for n in ("x", "y")]
    lists, out = channels.parent / "lists", channels.parent / "out"
    lists.mkdir()

    def write(name, columns, *lines):
        (lists / name).write_text("\n".join(map(",".join, [columns, *lines])))
        return lists / name

    masks = [f"../d/labelsTr/{n}.nii.gz" for n in ("x", "y")]
    pairs = [[*row, mask] for row, mask in zip(rows, masks, strict=True)]
    training = write("train.csv", ["images:dim", "images:disc", "masks"], *pairs)
    assert train(training, "-o", lists / "m.segkit") == 0
    turned = write("new.csv", ["images:disc", "images:dim"], *(row[::-1] for row in rows))
    assert run("predict", lists / "m.segkit", turned, "-o", out) == 0
    found = np.asarray(nib.load(out / "y.nii.gz").dataobj)
    assert (found[..., 1] == disc(3)[1]).mean() > 0.95
    capsys.readouterr()
    other = write("other.csv", ["images:disc", "images:t1"], rows[0])
    assert run("predict", lists / "m.segkit", other, "-o", lists / "a.nii.gz") == 2
    assert "those of the model are dim, disc: give these" in capsys.readouterr().err


def test_a_model_of_one_channel_takes_each_file(study, tmp_path, capsys):
    for name in ("x_0000", "x_0001", "y_0000", "y_0001"):
        save(tmp_path / f"i/{name}.png", disc()[0])
    assert run("predict", study / "m.segkit", tmp_path / "i", "-o", tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert len(out.split()) == 4
    assert "x_0000.png, x_0001.png are images of their own" in err


def test_frames_in_colour_are_no_channels(tmp_path, capsys):
    for number in range(3):
        image, mask = disc(number)
        save(tmp_path / f"i/f_000{number}.png", np.stack([image, 255 - image, image], axis=-1))
        save(tmp_path / f"m/f_000{number}.png", mask)
    assert train(tmp_path / "i", tmp_path / "m", "-o", tmp_path / "m.segkit") == 0
    assert run("predict", tmp_path / "m.segkit", tmp_path / "i", "-o", tmp_path / "out") == 0
    assert len(capsys.readouterr().out.split()) == 4


def test_one_mask_for_each_object_becomes_ids(tmp_path, capsys):
    for name, shift in (("ab", 0), ("cd", 4)):
        image, mask = disc(shift)
        other = np.zeros_like(mask)
        other[2:6, 22:28] = 1
        save(tmp_path / f"d/{name}/images/{name}.png", image + 150 * other)
        save(tmp_path / f"d/{name}/masks/1f.png", 255 * mask)
        save(tmp_path / f"d/{name}/masks/2e.png", 255 * other)
    options = ["--objects", "components"]
    assert train(tmp_path / "d", "-o", tmp_path / "m.segkit", *options) == 0
    said = capsys.readouterr().err
    assert "Each mask in ab/masks and such folders is taken as one object." in said
    assert "  object: 4\n" in said


def test_bids_is_trained_with_a_modality_chosen_by_a_pattern(tmp_path, capsys):
    root = tmp_path / "bids"
    for i in range(2):
        image, mask = disc(i)
        for suffix in ("T1w", "T2w"):
            save(root / f"sub-{i}/anat/sub-{i}_{suffix}.nii.gz", image)
        save(root / f"derivatives/m/sub-{i}/anat/sub-{i}_space-orig_dseg.nii.gz", mask)
    assert train(root, "-o", tmp_path / "m.segkit") == 2
    assert '"folder/**/*T1w.nii.gz"' in capsys.readouterr().err
    patterns = f"{root}/sub-*/**/*_T1w.nii.gz", f"{root}/derivatives/**/*_dseg.nii.gz"
    assert train(*patterns, "-o", tmp_path / "m.segkit") == 0
    assert "2 pairs: sub-0/anat/sub-0_T1w.nii.gz with m/sub-0/anat" in capsys.readouterr().err


def test_superpixels_of_images_without_a_mask_are_left_out(tmp_path, capsys):
    for name in ("a", "b", "c"):
        save(tmp_path / f"i/{name}.png", disc()[0])
    for name in ("a", "b"):
        save(tmp_path / f"m/{name}.png", disc()[1])
    masks = ["--mask", f"{tmp_path}/m/*.png"]
    assert run("superpixels", f"{tmp_path}/i/*.png", "-o", f"{tmp_path}/out/", *masks) == 0
    out, err = capsys.readouterr()
    assert len(out.split()) == 2
    assert "1 file without a partner" in err


def test_smoothing_mirrors_the_sub_folders_of_images(tmp_path):
    for name in ("s1", "s2"):
        image, mask = disc()
        save(tmp_path / f"i/{name}/a.png", image)
        (tmp_path / f"l/{name}").mkdir(parents=True)
        tifffile.imwrite(tmp_path / f"l/{name}/a_mask.tif", mask)
    assert run("smooth", tmp_path / "l", tmp_path / "i", "-o", tmp_path / "out") == 0
    assert (read_labels(tmp_path / "out/s2/a.tif") == disc()[1]).mean() > 0.9
