"""Model files that an earlier version wrote give the labels that it gave.

Small files are kept whole. Of large networks only the header and the shapes of the tensors are
kept; the tensors are filled by a formula.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data
from skimage.segmentation import find_boundaries

from napari_segkit import Segmenter

FILES = Path(__file__).parent / "earlier_files"
NETWORKS = sorted(path.stem for path in FILES.glob("*.json"))
# borders of masks of random weights are at the threshold, which each kind of CPU rounds its own way
LEAST = {"maskrcnn": 0.999}


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are added up in the order in which they were then."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def image(ndim):
    plane = data.coins()[20:148, 20:148]
    return plane if ndim == 2 else np.stack([np.roll(plane, i, 1)[:48, :48] for i in range(9)])


def fill(name, shape, gain):
    """Tensor values by a formula of the tensor's name and shape."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).uniform(-1, 1, shape)
    last = name.split(".")[-1]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if last == "running_var" or (last == "weight" and len(shape) == 1):
        noise = 1 + 0.2 * noise
    elif len(shape) > 1:
        noise *= (gain / np.prod(shape[1:])) ** 0.5
    return torch.from_numpy(np.asarray(0.1 * noise if last == "bias" else noise, np.float32))


def write_model(description, path):
    tensors = {
        name: fill(name, shape, description["gain"])
        for name, shape in description["shapes"].items()
    }
    for name, values in description["settings"].items():
        tensors[name] = torch.tensor(values, dtype=torch.float32)
    save_file(tensors, path, {"segkit": json.dumps(description["header"])})


def agreement(found, name):
    return np.mean(found == np.load(FILES / f"{name}.npz")["labels"])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name, tmp_path):
    description = json.loads((FILES / f"{name}.json").read_text())
    write_model(description, tmp_path / "model.segkit")
    with pytest.warns(UserWarning, match="model.segkit has no checksum"):
        segmenter = Segmenter.load(tmp_path / "model.segkit", device="cpu")
    found = segmenter.predict(image(segmenter.trained.ndim))
    stored = np.load(FILES / f"{name}.npz")["labels"]
    assert (found == stored).mean() >= LEAST.get(name, 0.9999)
    inside = ~(find_boundaries(found) | find_boundaries(stored))
    assert (found == stored)[inside].mean() >= 0.9999


def test_pixel_classifier():
    with pytest.warns(UserWarning, match="pixels.segkit has no checksum"):
        segmenter = Segmenter.load(FILES / "pixels.segkit", device="cpu")
    assert agreement(segmenter.predict(data.coins()), "pixels") >= 0.9999
    probabilities = segmenter.predict_proba(data.coins())[1, ::8, ::8]
    stored = np.load(FILES / "pixels.npz")["probabilities"]
    np.testing.assert_allclose(probabilities, stored, atol=1e-3)
