"""Files that belong together by their names and folders."""

import re
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

from .channel_files import pair_channels
from .image_files import ImageFiles, shorten
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
    those of BIDS and nnU-Net, names alone, folders of one mask for each object, subjects' folders.
    """
    pairs: Pairs = []
    for find in _ways(first, second, kind):
        found = find(first, second) if first and second else []
        pairs += found
        paired = {path for pair in found for files in pair for path in files.paths}
        first = [f for f in first if f.path not in paired]
        second = [f for f in second if f.path not in paired]
    return sorted(pairs, key=lambda p: place(p[0])), sorted([*first, *second], key=place)


def _ways(first: Files, second: Files, kind: PairKind) -> list[Callable[[Files, Files], Pairs]]:
    left, right = without(kind.first_words), without(kind.second_words)
    keys = [(place, place), (full_name, right), (left, full_name), (left, right)]
    ways: list[Callable[[Files, Files], Pairs]] = [partial(_equal, keys=k) for k in keys]
    everything = first, second
    ways.append(partial(_bids, everything=everything))
    ways += [partial(_channels, kind=kind, keys=k) for k in ((full_name, full_name), (left, right))]
    if any(map(subject, first)) != any(map(subject, second)):
        ways.append(partial(_names_alone, words=(kind.first_words, kind.second_words)))
    if kind is TRAINING:
        ways.append(partial(_object_masks, everything=everything))
    return [*ways, partial(_in_subjects, everything=everything, words=kind.second_words)]


def _equal(first: Files, second: Files, keys: tuple[Key, Key]) -> Pairs:
    """Pairs of equal keys; ValueError if a file could have several partners."""
    left, right = by_key(first, keys[0]), by_key(second, keys[1])
    common = [key for key in left if key in right]
    for key in common:
        if len(left[key]) + len(right[key]) > 2:
            raise _unclear([*left[key], *right[key]])
    return [(left[key][0], right[key][0]) for key in common]


def _untouched(files: Files, everything: Files, key: Key) -> dict[Hashable, list[ImageFiles]]:
    """Files of each key of which none has a partner so far."""
    total = by_key(everything, key)
    return {k: group for k, group in by_key(files, key).items() if len(group) == len(total[k])}


def _bids(first: Files, second: Files, everything: tuple[Files, Files]) -> Pairs:
    """Pairs of the same subject, session and run; ValueError if it has several modalities."""
    left, right = (
        [f for group in _untouched(files, every, bids_entities).values() for f in group]
        for files, every in zip((first, second), everything, strict=True)
    )
    return _equal(left, right, (bids_entities, bids_entities))


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


def _object_masks(first: Files, second: Files, everything: tuple[Files, Files]) -> Pairs:
    """Images with a folder of one mask for each object: masks/x, or x/images and x/masks."""
    groups = _untouched(second, everything[1], lambda file: file.folder or None)
    if all(len(files) == 1 for files in groups.values()):
        return []
    named = by_key(first, lambda file: (*subject(file), file.stem))
    alone = _untouched(first, everything[0], _subject)
    pairs = []
    for files in groups.values():
        folder = files[0].folder
        is_masks = not strip_word(PurePath(folder).name, LABEL_WORDS)
        images = named.get(subject(files[0])) or (alone.get(subject(files[0])) if is_masks else [])
        if images and len(images) == 1:
            pairs.append((images[0], ImageFiles(tuple(f.path for f in files), folder)))
    if pairs:
        note = (
            f"{pairs[0][1].folder} and other folders hold several masks of one image: each mask is "
            "taken as one object."
        )
        warnings.warn(note, UserWarning, stacklevel=5)
    return pairs


def _in_subjects(
    first: Files, second: Files, everything: tuple[Files, Files], words: Sequence[str]
) -> Pairs:
    """Pairs of the only two files in each subject's folder, such as t1 and seg of case1_seg."""
    left, right = (
        _untouched(files, every, _subject)
        for files, every in zip((first, second), everything, strict=True)
    )
    common = [key for key in left if len(right.get(key, ())) == 1]
    same_names = len(common) > 1 and len({own_name(right[key][0]) for key in common}) == 1
    pairs = [
        (left[key], right[key][0])
        for key in common
        if same_names or not strip_word(own_name(right[key][0]), words)
    ]
    for images, labels in pairs:
        if len(images) > 1:
            raise _unclear([*images, labels])
    return [(images[0], labels) for images, labels in pairs]


def _subject(file: ImageFiles) -> tuple[str, ...] | None:
    return subject(file) or None


def _unclear(files: Files) -> ValueError:
    names = shorten([f"{f.path.parent.name}/{f.path.name}" for f in files])
    ending = re.split("[-_]", files[0].path.name)[-1]
    return ValueError(
        f"Which of {names} belong together is not clear from their names: choose the files by "
        f'patterns in quotes, such as "folder/**/*{ending}", or {LIST_HINT}.'
    )
