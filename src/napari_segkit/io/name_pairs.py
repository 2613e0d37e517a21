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
    are_a_series,
    bids_entities,
    by_key,
    full_name,
    numbers_agree,
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
    mask for each object, and subjects' folders. ValueError if a file could have several partners.
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
    _require_one_each(pairs, second, kind)
    return sorted(pairs, key=lambda p: place(p[0])), sorted([*first, *second], key=place)


def _require_one_each(pairs: Pairs, left_over: Files, kind: PairKind) -> None:
    """Refuse labels such as a and a_mask for one image, of which one may be its copy."""
    left, right = without(kind.first_words), without(kind.second_words)
    others = by_key(left_over, right)
    for first, second in pairs:
        keys = dict.fromkeys((right(second), full_name(first), left(first)))
        rivals = [file for key in keys for file in others.get(key, ())]
        if rivals and len(second.paths) == 1:
            raise _unclear([first, second, *rivals])


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
    """Pairs of names, where only one of the sides has sub-folders; each must occur once."""
    left, right = (partial(_bare_name, words=own) for own in words)
    return _equal(first, second, (left, right))


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
        if images and len(images) == 1 and not _is_of_series(images[0], files):
            pairs.append((images[0], ImageFiles(tuple(f.path for f in files), folder)))
    if all(len(masks.paths) == 1 for _, masks in pairs):
        return []
    note = f"Each mask in {pairs[0][1].folder} and such folders is taken as one object."
    warnings.warn(note, UserWarning, stacklevel=5)
    return pairs


def _is_of_series(image: ImageFiles, masks: Files) -> bool:
    """Whether the masks are those of other slices or frames, not of objects of this image."""
    is_named = image.stem in PurePath(masks[0].folder).parts
    name, *others = (strip_word(f.stem, (*IMAGE_WORDS, *LABEL_WORDS)) for f in (image, *masks))
    return not is_named and any(are_a_series(name, other) for other in others)


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
    names = {k: _bare_own_names(left[k][0], right[k][0], kind) for k in common}
    return [(left[k][0], right[k][0]) for k in common if numbers_agree(*names[k])]


def _bare_own_names(first: ImageFiles, second: ImageFiles, kind: PairKind) -> tuple[str, str]:
    left, right = own_name(first), own_name(second)
    return strip_word(left, kind.first_words), strip_word(right, kind.second_words)


def _subject(file: ImageFiles) -> tuple[str, ...] | None:
    return subject(file) or None


def _unclear(files: Files) -> ValueError:
    names = shorten([f"{f.path.parent.name}/{f.path.name}" for f in files])
    endings = [re.split("[-_]", f.path.name)[-1] for f in files if re.search("[-_]", f.path.name)]
    if not endings and files[0].path.name != files[1].path.name:
        endings = [files[0].path.name]
    folder = f"{files[-1].path.parent.name}/*{files[-1].path.suffix}"
    pattern = f"folder/**/*{endings[0]}" if endings else folder
    return ValueError(
        f"Which of {names} belong together is not clear from their names: choose the files by "
        f'patterns in quotes, such as "{pattern}", or {LIST_HINT}.'
    )
