"""Files that belong together by their names and folders."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

from .channel_files import pair_channels
from .filenames import shorten
from .image_files import ImageFiles
from .name_words import (
    IMAGE_WORDS,
    LABEL_WORDS,
    PREDICTION_WORDS,
    Key,
    bids_entities,
    by_key,
    full_name,
    own_name,
    place,
    strip_word,
    subject,
    without,
)

LIST_HINT = "give a CSV list with the columns images and masks"
Pairs = list[tuple[ImageFiles, ImageFiles]]
Files = Sequence[ImageFiles]
Way = Callable[[Files, Files], Pairs]


@dataclass(frozen=True)
class PairKind:
    """What two paired files are, and the words that may stand before or after their names."""

    first: str
    second: str
    first_words: tuple[str, ...]
    second_words: tuple[str, ...]
    example: str  # two names
    may_be_same: bool = False


NAMES = "c0_img.png and c0_masks.png"
TRAINING = PairKind("image", "labels", IMAGE_WORDS, LABEL_WORDS, NAMES)
MASKING = PairKind("image", "mask", IMAGE_WORDS, LABEL_WORDS, NAMES, may_be_same=True)
EVALUATION = PairKind("prediction", "truth", PREDICTION_WORDS, LABEL_WORDS, "c0.png and c0_gt.png")
REFINEMENT = PairKind(
    "probabilities", "image", PREDICTION_WORDS, IMAGE_WORDS, "c0.tif and c0_img.png"
)


def pair_names(first: Files, second: Files, kind: PairKind) -> tuple[Pairs, list[ImageFiles]]:
    """Pairs in the order of their names, and the files without a partner.

    Each way to pair takes the files that those before it left: equal names, names without words,
    those of BIDS and nnU-Net, names alone. Only where names pair nothing, folders do: those of one
    mask for each object, and subjects' folders.
    """
    pairs: Pairs = []
    by_folders: list[Way] = [partial(_in_subjects, kind=kind)]
    if kind is TRAINING:
        by_folders.insert(0, _object_masks)
    for find in (*_by_names(first, second, kind), *by_folders):
        if not (first and second) or (pairs and find in by_folders):
            break
        found = find(first, second)
        pairs += found
        paired = {path for pair in found for files in pair for path in files.paths}
        first = [f for f in first if f.path not in paired]
        second = [f for f in second if f.path not in paired]
    return sorted(pairs, key=lambda p: place(p[0])), sorted([*first, *second], key=place)


def _by_names(first: Files, second: Files, kind: PairKind) -> list[Way]:
    left, right = without(kind.first_words), without(kind.second_words)
    keys = [(place, place), (full_name, right), (left, full_name), (left, right)]
    ways: list[Way] = [partial(_equal, keys=k) for k in keys]
    ways.append(partial(_bids, everything=(first, second)))
    ways += [partial(_channels, kind=kind, keys=k) for k in ((full_name, full_name), (left, right))]
    if any(map(subject, first)) != any(map(subject, second)):
        ways.append(partial(_names_alone, words=(kind.first_words, kind.second_words)))
    return ways


def _equal(first: Files, second: Files, keys: tuple[Key, Key]) -> Pairs:
    """Pairs of equal keys; ValueError if a file could have several partners."""
    left, right = by_key(first, keys[0]), by_key(second, keys[1])
    common = [key for key in left if key in right]
    for key in common:
        if len(left[key]) + len(right[key]) > 2:
            raise _unclear([*left[key], *right[key]])
    return [(left[key][0], right[key][0]) for key in common]


def _bids(first: Files, second: Files, everything: tuple[Files, Files]) -> Pairs:
    """Pairs of the same subject, session and run; ValueError if it has several modalities.

    Where one of its files has a partner already, the others stay without.
    """
    left, right = by_key(first, bids_entities), by_key(second, bids_entities)
    total = [by_key(files, bids_entities) for files in everything]
    whole = [
        key
        for key in left
        if key in right and (left[key], right[key]) == (total[0][key], total[1][key])
    ]
    files = [f for key in whole for f in left[key]], [f for key in whole for f in right[key]]
    return _equal(*files, (bids_entities, bids_entities))


def _channels(first: Files, second: Files, kind: PairKind, keys: tuple[Key, Key]) -> Pairs:
    if kind is REFINEMENT:
        return [(one, image) for image, one in pair_channels(second, first, keys[0])]
    return pair_channels(first, second, keys[1], several=kind is not EVALUATION)


def _names_alone(first: Files, second: Files, words: Sequence[Sequence[str]]) -> Pairs:
    """Pairs of names that occur once, where only one of the sides has sub-folders."""
    left, right = (
        by_key(files, partial(_bare_name, words=own))
        for files, own in zip((first, second), words, strict=True)
    )
    once = [k for k in left if len(left[k]) == 1 and len(right.get(k, ())) == 1]
    return [(left[k][0], right[k][0]) for k in once]


def _bare_name(file: ImageFiles, words: Sequence[str]) -> str | None:
    return strip_word(file.stem, words) or None


def _object_masks(first: Files, second: Files) -> Pairs:
    """Images with a folder of one mask for each object: masks/x, or x/images and x/masks."""
    groups = by_key(second, lambda file: file.folder or None)
    named = by_key(first, lambda file: (*subject(file), file.stem))
    in_images = by_key(first, _subject_of_images)
    pairs = []
    for files in groups.values():
        folder, key = files[0].folder, subject(files[0])
        is_masks = not strip_word(PurePath(folder).name, LABEL_WORDS)
        images = named.get(key) or (in_images.get(key) if is_masks else None)
        if images and len(images) == 1:
            pairs.append((images[0], ImageFiles(tuple(f.path for f in files), folder)))
    if all(len(masks.paths) == 1 for _, masks in pairs):
        return []
    note = f"Each mask in {pairs[0][1].folder} and such folders is taken as one object."
    warnings.warn(note, UserWarning, stacklevel=5)
    return pairs


def _subject_of_images(file: ImageFiles) -> tuple[str, ...] | None:
    """Subject of an image in a folder such as ``images``."""
    is_images = not strip_word(PurePath(file.folder).name, IMAGE_WORDS)
    return _subject(file) if is_images else None


def _in_subjects(first: Files, second: Files, kind: PairKind) -> Pairs:
    """Pairs of the only two files in each subject's folder, such as t1 and seg of case1_seg."""
    left, right = by_key(first, _subject), by_key(second, _subject)
    common = [key for key in left if len(right.get(key, ())) == 1]
    if len(common) < 2 or len({own_name(right[key][0]) for key in common}) > 1:
        common = [k for k in common if not strip_word(own_name(right[k][0]), kind.second_words)]
    for key in common:
        if len(left[key]) > 1:
            raise _unclear([*left[key], *right[key]])
    return [(left[key][0], right[key][0]) for key in common]


def _subject(file: ImageFiles) -> tuple[str, ...] | None:
    return subject(file) or None


def _unclear(files: Files) -> ValueError:
    names = shorten([f"{f.path.parent.name}/{f.path.name}" for f in files])
    ending = re.split("[-_]", files[0].path.name)[-1]
    return ValueError(
        f"Which of {names} belong together is not clear from their names: choose the files by "
        f'patterns in quotes, such as "folder/**/*{ending}", or {LIST_HINT}.'
    )
