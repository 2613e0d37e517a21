import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

MODEL = Path(__file__).parents[2] / "earlier_files" / "pixels.segkit"
HEAVY = ("segmentation_models_pytorch", "timm", "torchvision", "monai", "torch._dynamo", "sympy")
CODE = f"""
import sys
from napari_segkit.cli import main

main(sys.argv[1:])
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def test_predicting_with_the_pixel_classifier_imports_no_library_of_networks(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (40, 48), np.uint8)
    Image.fromarray(values).save(tmp_path / "small.png")
    arguments = ["predict", MODEL, tmp_path / "small.png", "-o", tmp_path / "out.png"]
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert (tmp_path / "out.png").is_file()
    assert result.stdout.splitlines()[-1] == ""


def test_training_the_pixel_classifier_imports_no_library_of_networks(tmp_path):
    random = np.random.default_rng(0)
    for name, most in (("image", 255), ("labels", 3)):
        values = random.integers(0, most, (40, 48)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    arguments = ["train", tmp_path / "image.png", tmp_path / "labels.png"]
    arguments += ["--model", "pixels", "-o", tmp_path / "model.segkit"]
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert (tmp_path / "model.segkit").is_file()
    assert result.stdout.splitlines()[-1] == ""
