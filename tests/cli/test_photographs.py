"""A list of photographs and their masks, trained on as tutorials do."""

import numpy as np
import pytest
from PIL import Image as Pictures

from napari_segkit import ModelSpec, Segmenter, cli
from napari_segkit.cli.main import make_parser
from napari_segkit.cli.training_settings import spec_and_config
from napari_segkit.io.files import read_labels
from napari_segkit.models.presets import preset

SIZES = [(60, 90), (90, 60), (64, 64), (100, 80), (40, 70)]
SMALL = ["--encoder", "resnet18", "--resize", "32", "--epochs", "2", "--batch-size", "4"]


@pytest.fixture
def folder(tmp_path):
    """Photographs in colour and one in grey, masks of 0 and 255, one of half the size; a list."""
    lines = ["images,masks"]
    for number, (height, width) in enumerate(SIZES):
        y, x = np.mgrid[:height, :width]
        mask = (y / height - 0.5) ** 2 + (x / width - 0.5) ** 2 < 0.08
        noise = np.random.default_rng(number).integers(0, 80, (height, width, 3))
        photo = Pictures.fromarray((noise + 150 * mask[..., None]).astype(np.uint8))
        photo = photo.convert("L") if number == 2 else photo
        photo.save(tmp_path / f"p{number}.jpg", quality=95)
        mask = mask[::2, ::2] if number == 3 else mask
        Pictures.fromarray(255 * mask.astype(np.uint8)).save(tmp_path / f"m{number}.png")
        lines.append(f"p{number}.jpg,m{number}.png")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    return tmp_path


def train(folder, *more):
    arguments = ["train", "list.csv", "-o", "a.segkit", "--preset", "Classic tutorial"]
    return [str(folder / a) if "." in a else a for a in arguments] + list(more)


def test_the_preset_trains_on_a_list_as_it_is(folder, capsys):
    assert cli.main(train(folder, *SMALL, "--device", "cpu")) == 0
    said = capsys.readouterr().err
    assert "The ImageNet weights of resnet18 are not on this computer" in said
    assert "p2.jpg: grey among images in colour" in said
    segmenter = Segmenter.load(folder / "a.segkit", device="cpu")
    assert "Validation: 1 of 5 images." in said
    assert segmenter.trained.provenance["images_seen"] == 2 * (len(SIZES) - 1)
    pictures = [str(folder / f"p{number}.jpg") for number in range(len(SIZES))]
    assert (
        cli.main(["predict", str(folder / "a.segkit"), *pictures, "-o", str(folder / "out")]) == 0
    )
    for number, shape in enumerate(SIZES):
        assert read_labels(folder / f"out/p{number}.tif").data.shape == shape


def test_imagenet_weights_are_taken_where_they_are(folder, monkeypatch, capsys):
    monkeypatch.setattr("napari_segkit.models.weights.pretrained.cached", lambda spec: True)
    spec, config = spec_and_config(make_parser().parse_args(train(folder)))
    assert spec == ModelSpec("unet", encoder="resnet50", weights="imagenet")
    assert config == preset("Classic tutorial").config
    given = make_parser().parse_args(train(folder, "--weights", "none"))
    assert spec_and_config(given)[0] == ModelSpec("unet", encoder="resnet50")
    assert not capsys.readouterr().err
