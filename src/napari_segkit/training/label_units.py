"""What labels can be divided into: groups, images, or parts of them; counted by class."""

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cached_property, partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.devices import free_memory
from napari_segkit.images.array_cache import MappedArray
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.labels import IGNORE, add_to_ids, to_indices
from napari_segkit.images.types import AnyArray
from napari_segkit.models import choose_ndim, model_info

from .choose_parts import Counts
from .dataset import LabelledImages
from .label_parts import Mask, Parts, counts_of, divide, margin_around

DIVIDING = 24  # bytes per pixel of an image that is divided into parts
MAX_DIVIDED = 2**27  # pixels of the images that regions are held out of: their masks are kept


class LabelUnits:
    """Labelled images, and what of them stays together when some are held out."""

    def __init__(self, spec: ModelSpec, config: TrainConfig, labelled: LabelledImages) -> None:
        self.config, self.labelled = config, labelled
        self.random = np.random.default_rng(config.seed)
        self.ndim = min(choose_ndim(spec, image.axes) for image, _ in labelled.pairs)
        self.is_folded = model_info(spec.name).training == "pixels"
        self.has_masks = model_info(spec.name).has_masks
        self.names = [c.name for c in labelled.classes]
        indices = partial(_indices, labelled=labelled)
        self.indices = [MappedArray(v, indices, np.dtype(np.int16)) for _, v in labelled.pairs]

    def units(self, groups: Sequence[str] = ()) -> list[list[int]]:
        """Numbers of the images that stay together: of one group, or with the same pixels."""
        names = [g or f"\0{n}" for n, g in enumerate(groups or [""] * len(self.indices))]
        for number, first in enumerate(self.first_alike):
            if names[number] != names[first]:
                names = [names[first] if name == names[number] else name for name in names]
        units: dict[str, list[int]] = {}
        for number, name in enumerate(names):
            units.setdefault(name, []).append(number)
        return list(units.values())

    @cached_property
    def first_alike(self) -> list[int]:
        """Number of the first image with the same pixels as each image."""
        images = [image for image, _ in self.labelled.pairs]
        known = [(k.zero_part, k.whole, k.ranges) for k in self.labelled.intensities]
        keys: list[Hashable] = [(image.shape, *known[n : n + 1]) for n, image in enumerate(images)]
        times = Counter(keys)
        first: dict[Hashable, int] = {}
        return [
            first.setdefault((key, fingerprint(image) if times[key] > 1 else ""), number)
            for number, (key, image) in enumerate(zip(keys, images, strict=True))
        ]

    def image_counts(self) -> list[NDArray[np.int64]]:
        """Labelled pixels of each class in each image."""
        if self.labelled.counts:
            values = [c.value for c in self.labelled.classes]
            return [np.array([own.get(v, 0) for v in values]) for own in self.labelled.counts]
        arrays = map(np.asarray, self.indices)
        return [np.bincount(i[i >= 0], minlength=len(self.names)) for i in arrays]

    def left_out(self, masks: Sequence[Mask | None]) -> list[Mask | None]:
        """What is not trained on: what is held out, around it, and the same of equal images."""
        pairs = zip(masks, self.labelled.pairs, strict=True)
        around = [
            None if mask is None else margin_around(mask, image.label_axes, self.ndim)
            for mask, (image, _) in pairs
        ]
        return [around[first] for first in self.first_alike]

    def parts(self) -> tuple[list[Parts], Counts]:
        """Parts of each image, numbered through from 1, and how much they hold of each class."""
        parts, counts, last, divided = [], [], 0, self._divided()
        for number, (image, values) in enumerate(self.labelled.pairs):
            if number not in divided or self.first_alike[number] != number:
                parts.append(np.broadcast_to(np.int32(0), image.label_shape))
                continue  # parts of an image are left out of equal ones, too
            indices = np.asarray(self.indices[number])
            ids = None if self.labelled.class_of is None else np.asarray(values)
            own = divide(indices, image.label_axes, self.ndim, ids, bands=self.has_masks)
            counts.append(counts_of(own, indices, len(self.names)))
            parts.append(add_to_ids(own, last))
            last += len(counts[-1])
        return parts, np.concatenate(counts)

    def too_large(self) -> str:
        """Why the images cannot be divided into parts in memory; empty if they can."""
        largest = max(prod(image.label_shape) for image, _ in self.labelled.pairs)
        needed, free = largest * DIVIDING / 2**30, free_memory("cpu") / 2**30
        if needed <= free:
            return ""
        return (
            f"holding regions of an image of {largest / 1e6:.0f} megapixels out needs about "
            f"{needed:.1f} GiB of memory, of which {free:.1f} are free; give images for it"
        )

    def _divided(self) -> set[int]:
        """Numbers of the images that are divided: all, or some at random of a large set."""
        sizes = np.array([prod(image.label_shape) for image, _ in self.labelled.pairs])
        if sizes.sum() <= MAX_DIVIDED or self.is_folded:
            return set(range(len(sizes)))
        order = self.random.permutation(len(sizes))
        count = max(1, int((sizes[order].cumsum() <= MAX_DIVIDED).sum()))
        return set(order[:count].tolist())

    def named(self, is_meant: Mask) -> list[str]:
        """Names of the classes that are meant."""
        return [name for name, meant in zip(self.names, is_meant, strict=True) if meant]


def _indices(values: AnyArray, labelled: LabelledImages) -> AnyArray:
    """Index of the class of each pixel, -1 where it is not labelled."""
    if labelled.class_of is None:
        return to_indices(values, [c.value for c in labelled.classes])
    return np.where(values < 0, IGNORE, labelled.class_of[np.maximum(values, 0)]).astype(np.int16)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, the first of many."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
