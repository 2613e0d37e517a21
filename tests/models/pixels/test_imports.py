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
