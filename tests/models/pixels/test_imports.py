import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

EARLIER = Path(__file__).parents[2] / "earlier_files" / "pixels.segkit"
HEAVY = ("segmentation_models_pytorch", "timm", "torchvision", "monai", "torch._dynamo", "sympy")
CODE = f"""
import ast, sys
from napari_segkit.cli import main

for arguments in ast.literal_eval(sys.argv[1]):
    assert main(arguments) == 0
    print("loaded:", *[name for name in {HEAVY} if name in sys.modules])
"""


def test_the_pixel_classifier_imports_no_library_of_networks(tmp_path):
    random = np.random.default_rng(0)
    for name, most in (("image", 255), ("labels", 3)):
        values = random.integers(0, most, (40, 48)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    image, labels, model = (tmp_path / n for n in ("image.png", "labels.png", "model.segkit"))
    runs = [
        ["train", image, labels, "--model", "pixels", "-o", model],
        ["predict", model, image, "-o", tmp_path / "out.png"],
        ["predict", EARLIER, image, "-o", tmp_path / "earlier.png"],
    ]
    arguments = [[str(part) for part in run] for run in runs]
    command = [sys.executable, "-c", CODE, repr(arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert all((tmp_path / name).is_file() for name in ("out.png", "earlier.png"))
    assert [line for line in result.stdout.splitlines() if line.startswith("loaded:")] == [
        "loaded:"
    ] * len(runs)
