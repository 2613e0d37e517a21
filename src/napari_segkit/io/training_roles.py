"""What each image of a training is for, and which belong together, by folders, names and lists."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Literal

from .filenames import shorten
from .image_files import ImageFiles
from .name_words import subject

Role = Literal["train", "validate", "leave out"]

WORDS: dict[Role, tuple[str, ...]] = {
    "train": ("", "train", "training"),
    "validate": ("validate", "val", "valid", "validation", "dev"),
    "leave out": ("leave out", "test", "testing", "exclude", "excluded", "ignore", "skip"),
}
FOLDERS: dict[Role, str] = {
    "train": r"(images|labels)Tr|(.*[-_. ])?(train|training)([-_. ].*)?",
    "validate": r"(images|labels)Va?l?|(.*[-_. ])?(val|valid|validation)([-_. ].*)?",
    "leave out": r"(images|labels)Ts|(.*[-_. ])?(test|testing)([-_. ].*)?",
}
TOLD: tuple[tuple[Role, str], ...] = (
    ("validate", "validation data, and are not trained on but score the model"),
    ("leave out", "test data, and are left out"),
)
SUBJECT = re.compile(r"(?<![a-zA-Z0-9])(sub-[a-zA-Z0-9]+)")


def listed_role(table: Path, line: int, word: str) -> Role:
    """The role that a cell of a list gives."""
    for role, words in WORDS.items():
        if word.lower().replace("_", " ") in words:
            return role
    raise ValueError(
        f"Line {line} of {table} has the role {word!r}: write train, validate or test (left out)."
    )


def roles_of(images: Sequence[ImageFiles]) -> list[Role]:
    """Roles by folders such as train, val and test, which is said; all train if none else would."""
    roles = [_folder_role(image) for image in images]
    if "train" not in roles:
        return ["train"] * len(roles)
    for role, meaning in TOLD:
        names = [image.name for image, own in zip(images, roles, strict=True) if own == role]
        if names:
            warnings.warn(
                f"{len(names)} of {len(images)} pairs lie in folders of {meaning}: "
                f"{shorten(names)}. A CSV list with a column role says otherwise.",
                UserWarning,
                stacklevel=3,
            )
    return roles


def groups_of(images: Sequence[ImageFiles]) -> list[str]:
    """What images share: as a list says, or a subject in their names, or else their folder."""
    if any(image.group for image in images):
        return [image.group for image in images]
    groups = [_subject(image) for image in images]
    if not any(groups):
        groups = [_folder(image) for image in images]
    return groups if len(set(groups)) > 1 else [""] * len(images)


def _folder_role(image: ImageFiles) -> Role:
    named = map(_role_named, reversed(PurePath(image.folder).parts))
    return next(filter(None, named), "train")


def _subject(image: ImageFiles) -> str:
    match = SUBJECT.search(f"{image.folder}/{image.path.name}")
    return match[1] if match else ""


def _folder(image: ImageFiles) -> str:
    """The folders that are neither those of images nor of a role."""
    return "/".join(part for part in subject(image) if _role_named(part) is None)


def _role_named(folder: str) -> Role | None:
    matches = (r for r, pattern in FOLDERS.items() if re.fullmatch(pattern, folder, re.IGNORECASE))
    return next(matches, None)
