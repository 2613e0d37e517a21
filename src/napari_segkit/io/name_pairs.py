"""Files that belong together by their names."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unicodedata import normalize

from .filenames import stem

IMAGE_WORDS = ("img", "image", "images")
LABEL_WORDS = ("mask", "masks", "label", "labels", "seg", "gt")
CHANNEL = re.compile(r"(.+)_\d{4}$")  # of nnU-Net, in which a channel is a file
LIST_HINT = "give a CSV list with the columns images and masks"
Pairs = list[tuple[Path, Path]]
Key = Callable[[Path], str]


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
EVALUATION = PairKind("prediction", "truth", LABEL_WORDS, LABEL_WORDS, "c0.png and c0_gt.png")
REFINEMENT = PairKind("probabilities", "image", LABEL_WORDS, IMAGE_WORDS, "c0.tif and c0_img.png")


def pair_names(
    first: Sequence[Path], second: Sequence[Path], kind: PairKind
) -> tuple[Pairs, list[Path]]:
    """Pairs in the order of their names, and the files without a partner.

    Names are equal, or equal without a word such as ``_mask``, or those of nnU-Net.
    """
    pairs: Pairs = []
    words = partial(
        _equal, first_key=_without(kind.first_words), second_key=_without(kind.second_words)
    )
    for find in (_equal, words, _first_channels):
        found = find(first, second)
        pairs += found
        first = [p for p in first if p not in {a for a, _ in found}]
        second = [p for p in second if p not in {b for _, b in found}]
    unpaired = sorted([*first, *second], key=_name)
    return sorted(pairs, key=lambda pair: _name(pair[0])), unpaired


def pair_in_one_folder(files: Sequence[Path]) -> tuple[Pairs, list[Path]]:
    """As `pair_names`, of images and labels in one folder, such as c0_img.png and c0_masks.png."""
    key = _without(LABEL_WORDS)
    labels = [p for p in files if key(p) != _name(p)]
    images = [p for p in files if p not in labels]
    return pair_names(images, labels, TRAINING)


def shorten(names: Iterable[str]) -> str:
    """Comma-separated names, at most five."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _name(path: Path) -> str:
    """Stem of a file name; accents are one character, however they are stored."""
    return normalize("NFC", stem(path))


def _without(words: Sequence[str]) -> Key:
    """Key that leaves out one of the words, before or after the name."""
    either = "|".join(words)
    affix = re.compile(rf"(?:{either})_(?P<after>.+)|(?P<before>.+)_(?:{either})", re.IGNORECASE)

    def key(path: Path) -> str:
        match = affix.fullmatch(_name(path))
        return _name(path) if match is None else match["after"] or match["before"]

    return key


def _first_channels(first: Sequence[Path], second: Sequence[Path]) -> Pairs:
    """Pairs of nnU-Net's names, x_0000 and x; ValueError if an image has several channels."""
    channels = _by_key(first, lambda path: CHANNEL.sub(r"\1", _name(path)))
    pairs = []
    for path in second:
        files = channels.get(_name(path), [])
        if len(files) > 1:
            raise ValueError(
                f"{shorten(p.name for p in files)} are channels of one image, with the labels "
                f"{path.name}: save them as one file with a channel axis."
            )
        pairs += [(file, path) for file in files if _name(file).endswith("_0000")]
    return pairs


def _equal(
    first: Sequence[Path],
    second: Sequence[Path],
    first_key: Key = _name,
    second_key: Key = _name,
) -> Pairs:
    """Pairs of equal keys; ValueError if a file could have several partners."""
    left, right = _by_key(first, first_key), _by_key(second, second_key)
    common = left.keys() & right.keys()
    for key in sorted(common):
        files = [*left[key], *right[key]]
        if len(files) > 2:
            names = shorten(f"{p.parent.name}/{p.name}" for p in files)
            raise ValueError(
                f"Which of {names} belong together is not clear from their names: keep two of "
                f"them, or {LIST_HINT}."
            )
    return [(left[key][0], right[key][0]) for key in common]


def _by_key(files: Iterable[Path], key: Key) -> dict[str, list[Path]]:
    grouped: dict[str, list[Path]] = {}
    for file in files:
        grouped.setdefault(key(file), []).append(file)
    return grouped
