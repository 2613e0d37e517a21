"""Images of the folder that the user names, and samples that come with scikit-image and SegKit."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from imageio.v3 import imread
from tifffile import imread as read_tiff

Pair = tuple[np.ndarray, np.ndarray]  # image and its truth
IMAGE_FILES = (".png", ".tif", ".jpg")


@dataclass(frozen=True)
class Images:
    """Pairs of the data sets in `folder`, which has a folder for each of them; None: only samples.

    A data set has the folders images and masks, with files of the same stem, and, where it is
    split, split.csv with the columns name and split.
    """

    folder: Path | None = None

    def has(self, name: str) -> bool:
        return self.folder is not None and (self.folder / name / "images").is_dir()

    def lacks(self, name: str) -> str:
        """Why rows of a data set are skipped; empty if it is there."""
        return "" if self.has(name) else f"needs {name} in the folder of the images (DATA=)"

    def stems(self, name: str, part: str | None = None) -> list[str]:
        """Names of the pairs, sorted; of the train or test part of split.csv."""
        assert self.folder is not None
        folder = self.folder / name
        if part is None:
            files = sorted((folder / "images").iterdir())
            return [file.stem for file in files if file.suffix in IMAGE_FILES]
        with (folder / "split.csv").open() as file:
            return [row["name"] for row in csv.DictReader(file) if row["split"] == part]

    def pair(self, name: str, stem: str) -> Pair:
        assert self.folder is not None
        files = [self._file(name, part, stem) for part in ("images", "masks")]
        image, labels = (read_tiff(f) if f.suffix == ".tif" else imread(f) for f in files)
        return _without_alpha(image), labels

    def _file(self, name: str, part: str, stem: str) -> Path:
        folder = Path(self.folder or "") / name / part
        return next(f for f in sorted(folder.glob(f"{stem}.*")) if f.suffix in IMAGE_FILES)

    def volume(self, name: str, image: str, labels: str) -> Pair:
        """Two NIfTI files as Z Y X."""
        import nibabel

        folder = Path(self.folder or "") / name
        one, other = (np.asarray(nibabel.load(folder / f).dataobj).T for f in (image, labels))
        return np.ascontiguousarray(one), np.ascontiguousarray(other)


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """`count` of them, evenly spaced."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]


def fit(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Cut to a shape, or mirrored until it has it; channels stay."""
    array = array[tuple(slice(n) for n in shape)]
    missing = [(0, n - m) for n, m in zip(shape, array.shape, strict=False)]
    return np.pad(array, missing + [(0, 0)] * (array.ndim - len(shape)), mode="symmetric")


@cache
def sample(name: str) -> Pair:
    """Image and truth of a sample of SegKit: coins or ihc, with classes from 0."""
    from napari_segkit.data import samples

    layers: Callable[[], list[Any]] = {"coins": samples.coins, "ihc": samples.ihc}[name]
    image, _, truth = (data for data, _, _ in layers())
    return np.asarray(image), np.asarray(truth).astype(np.uint8) - 1


def photograph() -> np.ndarray:
    """An RGB photograph of 512 x 512 pixels that comes with scikit-image."""
    from skimage.data import astronaut

    return astronaut()


def balls(shape: Sequence[int]) -> Pair:
    """Bright balls on a dark ground, with noise: a volume that needs no file."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    rng = np.random.default_rng(0)
    centres = np.ones(shape, bool)
    centres[tuple(rng.integers(0, n, int(np.prod(shape)) // 8000) for n in shape)] = False
    inside = distance_transform_edt(centres) < 7
    image = gaussian_filter(inside.astype(np.float32), 1) * 120 + 40
    image += rng.normal(0, 15, image.shape)
    return image.clip(0, 255).astype(np.uint8), inside.astype(np.uint8)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Scaled linearly to 0 to 255."""
    image = image.astype(float)
    return np.uint8(255 * (image - image.min()) / np.ptp(image))


def _without_alpha(image: np.ndarray) -> np.ndarray:
    return image[..., :3] if image.ndim == 3 and image.shape[-1] == 4 else image
