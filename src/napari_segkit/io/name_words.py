"""What names and folders say: words such as ``mask``, subjects, BIDS entities."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import PurePath

from .image_files import ImageFiles

IMAGE_WORDS = (
    *("img", "imgs", "image", "images", "volume", "volumes", "leftImg8bit"),
    r"t(?=\d{3})",  # of the Cell Tracking Challenge, as man_seg and man_track
)
LABEL_WORDS = (
    *("mask", "masks", "label", "labels", "seg", "segs", "gt", "man_seg", "man_track"),
    *("segmentation", "segmentations", "annotation", "annotations", "truth"),
    *("labelled", "labeled", r"ground[-_ ]?truth", "cp_masks", "gtFine_labelIds"),
    *("simple segmentation", "object[- ]identities", "object predictions"),  # ilastik
)
PREDICTION_WORDS = (
    *(*LABEL_WORDS, "pred", "preds", "prediction", "predictions"),
    *("probs", "probability", "probabilities"),
)
DERIVED = ("desc", "label", "seg", "atlas", "res", "den")  # entities of BIDS derivatives
OWN_SPACES = ("orig", "individual", "native", "scanner", "T1w", "T2w")  # others are templates
BIDS_LABELS = ("dseg", "mask", "seg")
BIDS_NAME = re.compile(r"sub-[^_]+(?:_[a-zA-Z]+-[^_]+)*_[a-zA-Z0-9]+")
Key = Callable[[ImageFiles], Hashable]  # None: this key is not for the file


def place(file: ImageFiles) -> tuple[str, str]:
    """Sub-folder and name, as they are."""
    return file.folder, file.stem


def subject(file: ImageFiles) -> tuple[str, ...]:
    """Sub-folders without words, such as ``01`` of ``01/masks`` and of ``images/01``."""
    parts = (strip_word(p, (*IMAGE_WORDS, *PREDICTION_WORDS)) for p in PurePath(file.folder).parts)
    return tuple(part for part in parts if part)


def full_name(file: ImageFiles) -> tuple[tuple[str, ...], str]:
    """Subject and name."""
    return subject(file), file.stem


def without(words: Sequence[str]) -> Callable[[ImageFiles], tuple[tuple[str, ...], str]]:
    """Key of the subject and the name without one of the words."""
    return lambda file: (subject(file), strip_word(file.stem, words))


def own_name(file: ImageFiles) -> str:
    """Name without that of its folder, such as ``t1`` of ``case1/case1_t1``."""
    folder = PurePath(file.folder).name
    rest = file.stem.removeprefix(folder) if folder else file.stem
    return rest.lstrip("-_. ") if rest[:1] in "-_. " else file.stem


def bids_entities(file: ImageFiles) -> Hashable:
    """Subject, session, run ... of a BIDS name, such as sub-01_ses-1_T1w; None for other names.

    Labels in the space of a template do not belong to an image in its own.
    """
    if not BIDS_NAME.fullmatch(file.stem):
        return None
    entities = [part.partition("-")[::2] for part in file.stem.split("_")[:-1]]
    own = [("space", space) for space in OWN_SPACES]
    return frozenset(e for e in entities if e[0] not in DERIVED and e not in own)


def strip_word(name: str, words: Sequence[str]) -> str:
    """Name without one of the words before or after it, such as ``a`` of ``a_mask``."""
    word = f"(?:{'|'.join(words)})"
    before = rf"{word}(?:[-_. ]|(?=\d)|(?=T[rs]$))(?P<after>.+)"  # imagesTr, imagesTs: nnU-Net
    after = rf"(?P<before>.+?)[-_. ]{word}"
    match = re.fullmatch(rf"{before}|{after}|{word}", name, re.IGNORECASE)
    return name if match is None else match["after"] or match["before"] or ""


def is_named(name: str, words: Sequence[str]) -> bool:
    """Whether one of the words stands before or after the name, or is all of it."""
    return strip_word(name, words) != name


def numbers_agree(first: str, second: str) -> bool:
    """Whether two names may belong together: one has the numbers of the other, but for t1 or v2."""
    own, other = (set(map(int, re.findall(r"\d\d+", name))) for name in (first, second))
    return (own <= other or other <= own) and not are_a_series(first, second)


def are_a_series(first: str, second: str) -> bool:
    """Whether two names differ only in their numbers."""
    own, other = (re.sub(r"\d+", "0", name) for name in (first, second))
    return own == other and first != second


def split_labels(files: Sequence[ImageFiles]) -> tuple[list[ImageFiles], list[ImageFiles]]:
    """Images and labels of one folder, told apart by words in their names or folders.

    Of BIDS derivatives only labels are taken.
    """
    labels = [f for f in files if is_label(f)]
    others = (f for f in files if not is_label(f))
    return [f for f in others if "derivatives" not in PurePath(f.folder).parts], labels


def is_label(file: ImageFiles) -> bool:
    """Whether the name, or else the deepest folder with a word, is that of labels."""
    if bids_entities(file) is not None and file.stem.rsplit("_", 1)[1] in BIDS_LABELS:
        return True
    for name in (file.stem, *reversed(PurePath(file.folder).parts)):
        if is_named(name, LABEL_WORDS):
            return True
        if is_named(name, IMAGE_WORDS):
            return False
    return False


def by_key(files: Iterable[ImageFiles], key: Key) -> dict[Hashable, list[ImageFiles]]:
    """Files of each key; those whose key is None are left out."""
    grouped: dict[Hashable, list[ImageFiles]] = {}
    for file in files:
        if (found := key(file)) is not None:
            grouped.setdefault(found, []).append(file)
    return grouped
