"""Random changes of training patches, whose labels follow.

One `grid_sample` of torch takes rotation, scale and deformation together in a millisecond. MONAI's
transforms resample for each (0.04 s for a patch of 256 x 256, 0.5 s for one of 64 x 64 x 64) and
take seconds to import; torchvision's cut intensities off at 0 and 1. The bias field is MONAI's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import combinations
from math import ceil, cos, radians, sin

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.ndimage import gaussian_filter
from torch.nn.functional import grid_sample

from napari_segkit.arguments import as_spacing, require_whole
from napari_segkit.config import AugmentConfig
from napari_segkit.config._schema import as_config
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.tiling import ALIKE, are_alike, read_mirrored

HALF = 0.5  # of the patches are warped, blurred, and so on
CELL = 32  # pixels between the control points of an elastic deformation

Image = NDArray[np.float32]  # (C, *spatial)
Target = NDArray[np.integer]  # (*spatial)
Patch = tuple[Image, Target]
Places = NDArray[np.float32]  # (axes, *spatial): where each pixel comes from, in pixels
ReadWindow = Callable[[Sequence[int], Sequence[int]], Patch]


def augment_of(config: AugmentConfig, image: AxesImage) -> AugmentConfig:
    """The changes for an image: what has an up and a down is not turned."""
    if config.upright == "yes" or (config.upright == "auto" and image.is_rgb):
        return replace(config, vertical_flip=False, quarter_turns=False)
    return config


class Augmentation:
    """The changes of patches of images with this spacing along their spatial axes.

    Patches have the channels of so many `slices`, one slice after the other.
    """

    def __init__(self, config: AugmentConfig, spacing: Sequence[float], slices: int = 1) -> None:
        self.config, self.slices = config, slices
        self.coarseness = np.divide(spacing, min(spacing))
        self.fine_axes = np.flatnonzero(self.coarseness < ALIKE)

    def draw(
        self,
        read: ReadWindow,
        size: Sequence[int],
        fixed: Sequence[int],
        random: np.random.Generator,
        *,
        warp: bool = True,
    ) -> Patch:
        """Return an image and target of `size`, changed.

        ``read(start, size)`` gives a window of both; the unchanged patch starts at 0. Before flips
        and turns, the pixel `fixed` of the patch stays where it is. `warp` allows other rotations,
        scale and deformation.
        """
        if not self.config.augment:
            return read([0] * len(size), size)
        places = self._places(size, fixed, random) if warp else None
        pair = read([0] * len(size), size) if places is None else _resample(read, places)
        image, target = self._turn(*pair, random)
        return self._change_intensities(image, random), target

    def _places(
        self, size: Sequence[int], fixed: Sequence[int], random: np.random.Generator
    ) -> Places | None:
        """Where the pixels of a rotated, scaled and deformed patch come from; None: as they are."""
        config = self.config
        if not (config.rotation or config.scale or config.elastic) or random.random() >= HALF:
            return None
        offsets = [np.arange(n, dtype=np.float32) - f for n, f in zip(size, fixed, strict=True)]
        grids = np.meshgrid(*offsets, indexing="ij", sparse=True)
        places = np.empty((len(size), *size), np.float32)
        for axis, row in enumerate(self._matrix(random)):
            places[axis] = fixed[axis] + sum(float(m) * g for m, g in zip(row, grids, strict=True))
        if config.elastic:
            for fine in self.fine_axes:
                moved = _smooth_field(size, config.elastic / 2, random)
                places[fine] += moved - moved[tuple(fixed)]
        return places

    def _matrix(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Random rotations in the planes of equal spacing, and a scale."""
        matrix, (low, high) = np.eye(len(self.coarseness)), _factors(self.config.scale)
        for pair in combinations(self.fine_axes, 2):
            angle = radians(random.uniform(-self.config.rotation, self.config.rotation))
            turn = np.eye(len(matrix))
            turn[np.ix_(pair, pair)] = [[cos(angle), -sin(angle)], [sin(angle), cos(angle)]]
            matrix = matrix @ turn
        matrix[self.fine_axes] *= np.exp(random.uniform(np.log(low), np.log(high)))
        return matrix

    def _turn(self, image: Image, target: Target, random: np.random.Generator) -> Patch:
        """Mirror both, and rotate them by quarter turns."""
        config = self.config
        chosen = (config.depth_flip, config.vertical_flip, config.horizontal_flip)[-target.ndim :]
        axes = [axis for axis, flip in zip(range(-target.ndim, 0), chosen, strict=True) if flip]
        flips = tuple([axis for axis in axes if random.random() < HALF])
        height, width = target.shape[-2:]
        alike = height == width and are_alike(self.coarseness[-2:].tolist())
        turns = int(random.integers(4)) if config.quarter_turns and alike else 0
        image, target = np.flip(image, flips), np.flip(target, flips)
        return np.rot90(image, turns, (-2, -1)), np.rot90(target, turns, (-2, -1))

    def _change_intensities(self, image: Image, random: np.random.Generator) -> Image:
        """Change an image whose intensities range from about 0 to 1."""
        config = self.config
        for strength, change in (
            (config.bias_field, _add_bias_field),
            (config.blur, partial(_blur, coarseness=self.coarseness)),
            (config.gamma, _change_gamma),
            (config.noise, _add_noise),
        ):
            if strength and random.random() < HALF:
                image = change(image, strength, random)
        contrast = random.uniform(*_factors(config.contrast))
        image = image * contrast + random.uniform(-config.brightness, config.brightness)
        channels = len(image) // self.slices
        if channels > 1 and random.random() < config.channel_drop:
            image[random.integers(channels) :: channels] = 0  # in all slices
        return image


def augmented_patches(
    image: NDArray[np.floating],
    labels: NDArray[np.integer],
    config: AugmentConfig | None = None,
    *,
    spacing: Sequence[float] | None = None,
    count: int = 9,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    """Change one patch at random several times, as a training does, to look at the result.

    Parameters
    ----------
    image : array (C, Y, X) or (C, Z, Y, X)
        The patch, with intensities that range from about 0 to 1. It is mirrored at its ends.
    labels : array (Y, X) or (Z, Y, X)
        Its labels, of any integer values.
    config : AugmentConfig, optional
        The changes; the default ones if not given.
    spacing : sequence of float, optional
        Pixel size along each axis of `labels`. None: the same along all.
    count : int
        Number of changed patches.
    seed : int
        Seed of the random numbers; the same one gives the same patches.

    Returns
    -------
    tuple of ndarray
        Images, float32 (count, C, *spatial), and labels of the dtype given, (count, *spatial).

    Raises
    ------
    ValueError
        If image, labels and spacing do not fit together, or a number is out of range.
    TypeError
        If labels are no whole numbers, or `config` is something else.
    """
    image, labels = np.asarray(image, np.float32), np.asarray(labels)
    config = as_config("config", config, AugmentConfig)
    require_whole("count", count, "the number of patches, at least 1", 1)
    require_whole("seed", seed, "a whole number of at least 0", 0)
    if labels.dtype.kind not in "iub":
        raise TypeError(f"labels are {labels.dtype}: give whole numbers.")
    if image.shape[1:] != labels.shape or labels.ndim not in (2, 3):
        raise ValueError(
            f"image of shape {image.shape} does not fit labels of shape {labels.shape}: give the "
            "image as (C, Y, X) or (C, Z, Y, X), and labels without C."
        )

    def read(start: Sequence[int], size: Sequence[int]) -> Patch:
        shape = labels.shape
        pixels = read_mirrored(lambda r: image[(slice(None), *r)], start, size, shape)
        return pixels, read_mirrored(lambda r: labels[r], start, size, shape)

    sizes = [1.0] * labels.ndim if spacing is None else as_spacing(spacing, labels.ndim)
    augmentation = Augmentation(config, sizes)
    centre, random = [n // 2 for n in labels.shape], np.random.default_rng(seed)
    pairs = [augmentation.draw(read, labels.shape, centre, random) for _ in range(count)]
    images, targets = zip(*pairs, strict=True)
    return np.stack(images), np.stack(targets)


def _factors(strength: float) -> tuple[float, float]:
    return 1 / (1 + strength), 1 + strength


def _smooth_field(
    size: Sequence[int], strength: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Cubic B-spline between random control points, within plus or minus `strength`."""
    splines = [_splines(n) for n in size]
    field = random.uniform(-strength, strength, [s.shape[1] for s in splines]).astype(np.float32)
    for spline in splines:  # each takes the first axis and appends its own
        field = np.tensordot(field, spline, (0, 1))
    return field


@lru_cache(maxsize=16)
def _splines(length: int) -> NDArray[np.float32]:
    """Weight of each control point at each pixel of an axis."""
    knots = np.arange(-3, ceil(length / CELL) + 4)
    return BSpline.design_matrix(np.arange(length) / CELL, knots, 3).toarray().astype(np.float32)


def _resample(read: ReadWindow, places: Places) -> Patch:
    """Take each pixel from its place: the image linearly, the target from the nearest pixel."""
    axes = tuple(range(1, places.ndim))
    low, high = np.floor(places.min(axes)).astype(int), np.ceil(places.max(axes)).astype(int)
    image, target = read(low.tolist(), (high - low + 1).tolist())
    inside = places - low.reshape(-1, *(1,) * len(axes)).astype(np.float32)
    nearest = tuple(np.rint(inside).astype(np.intp))
    scale = np.float32(2) / np.maximum(high - low, 1).astype(np.float32)
    grid = np.moveaxis(inside, 0, -1)[..., ::-1] * scale[::-1] - np.float32(1)
    found = grid_sample(
        torch.from_numpy(np.ascontiguousarray(image))[None],
        torch.from_numpy(grid)[None],
        padding_mode="border",  # rounding errors only
        align_corners=True,
    )
    return found[0].numpy(), target[nearest]


def _blur(
    image: Image, strength: float, random: np.random.Generator, coarseness: NDArray[np.float64]
) -> Image:
    sigmas = random.uniform(0, strength) / coarseness
    return gaussian_filter(image, (0, *sigmas), truncate=3.0)


def _change_gamma(image: Image, strength: float, random: np.random.Generator) -> Image:
    """Raise what lies between 0 and 1 to a power; the rest stays."""
    low, high = np.log(_factors(strength))
    changed = image.clip(0, 1) ** np.float32(np.exp(random.uniform(low, high)))
    return np.where((image > 0) & (image < 1), changed, image)


def _add_noise(image: Image, strength: float, random: np.random.Generator) -> Image:
    noise = random.standard_normal(image.shape, np.float32)
    return image + np.float32(random.uniform(0, strength)) * noise


def _add_bias_field(image: Image, strength: float, random: np.random.Generator) -> Image:
    from monai.transforms.intensity.array import RandBiasField

    transform = RandBiasField(coeff_range=(-strength, strength), prob=1)
    transform.set_random_state(seed=int(random.integers(2**32)))
    return np.asarray(transform(np.ascontiguousarray(image)), np.float32)
