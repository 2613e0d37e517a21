"""Sample images from other packages, two with scribbles and truth (File > Open Sample)."""

from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray
from skimage import data

from napari_segkit.images.classes import LabelClass, default_color, layer_options
from napari_segkit.images.types import AnyArray, LayerData


def coins() -> list[LayerData]:
    """Greek coins from Pompeii, greyscale, with scribbles and truth.

    Returns
    -------
    list of tuple
        Three layers: the image "coins" (Y X, 303 x 384, uint8), "coins scribbles" and
        "coins truth" (the same shape, uint8). 1 is background, 2 is coin, and 0 in the
        scribbles is unlabelled.

    Notes
    -----
    The image is `skimage.data.coins`, from the Brooklyn Museum Collection; no known copyright
    restrictions. The truth follows the boundary of each of the 24 coins along the steepest
    gradient and was corrected by hand.
    """
    return _sample("coins", data.coins, ("background", "coin"))


def ihc() -> list[LayerData]:
    """Stained glands of the colon, in colour, with scribbles and truth.

    Returns
    -------
    list of tuple
        Three layers: the image "ihc" (Y X C, 512 x 512 x 3, uint8 RGB), "ihc scribbles" and
        "ihc truth" (Y X, uint8). 1 is lumen (the empty space in glands and vessels), 2 is
        stroma (the pale tissue between the glands, with its nuclei), 3 is gland (the brown
        epithelium, with its nuclei), and 0 in the scribbles is unlabelled.

    Notes
    -----
    The image is `skimage.data.immunohistochemistry`, acquired at the Center for Microscopy And
    Molecular Imaging (CMMI): FHL2 in brown (DAB), nuclei in blue (hematoxylin); no known
    copyright restrictions. The truth comes from colour thresholds and outlines corrected by
    hand, not from a pathologist.
    """
    return _sample("ihc", data.immunohistochemistry, ("lumen", "stroma", "gland"))


def mri() -> list[LayerData]:
    """Echo-planar images of a human brain, oblique, at two time points.

    Returns
    -------
    list of tuple
        One layer: the image "mri" (T Z Y X, 2 x 24 x 96 x 128, int16) in mm and s, placed along
        its voxel grid so that it can be painted on, with the file's header in
        ``metadata["nifti"]``.

    Notes
    -----
    The file is `example4d.nii.gz` of nibabel's tests, which are part of its wheel (MIT licence).
    Its voxels measure 2.2 x 2 x 2 mm, X runs from right to left, and Y and Z are rotated by
    9 degrees about X. The header gives the time step as 2000 s, which must mean ms.
    """
    from napari_segkit.io.nifti.layers import read_nifti

    with as_file(files("nibabel") / "tests" / "data" / "example4d.nii.gz") as path:
        data, meta, kind = read_nifti(path)
    meta["name"] = "mri"
    return [(data, meta, kind)]


def _sample(name: str, read: Callable[[], AnyArray], classes: tuple[str, ...]) -> list[LayerData]:
    image = read()
    named = [LabelClass(v, label, default_color(v)) for v, label in enumerate(classes, 1)]
    display = layer_options(named)
    scribbles, truth = f"{name} scribbles", f"{name} truth"
    return [
        (image, {"name": name, "rgb": image.ndim == 3}, "image"),
        (_labels(scribbles), display | {"name": scribbles}, "labels"),
        (_labels(truth), display | {"name": truth, "visible": False}, "labels"),
    ]


def _labels(name: str) -> NDArray[np.uint8]:
    """Values of a sample's labels: the palette indices of a PNG."""
    from PIL import Image

    path = files(__package__) / "sample_images" / f"{name.replace(' ', '_')}.png"
    with path.open("rb") as stream, Image.open(stream) as picture:
        return np.array(picture)
