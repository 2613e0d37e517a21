"""The file ``project.json``: what it holds, and how it is read; each value is checked."""

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from napari_segkit import __version__
from napari_segkit.config import (
    ModelSpec,
    ObjectConfig,
    PredictConfig,
    TileConfig,
    TrainConfig,
)
from napari_segkit.config._schema import Checked, config_fields, from_dict, to_dict
from napari_segkit.error_messages import printable
from napari_segkit.images.classes import LabelClass
from napari_segkit.io.checked_json import (
    MALFORMED,
    MAX_HEADER,
    Header,
    as_class,
    as_list,
    as_numbers,
    as_text,
    as_typed,
    as_whole,
    first_line,
    parse_json,
)
from napari_segkit.io.filenames import shorten
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.io.training_roles import Role

from .paths import inside

FORMAT = 1
LONGEST_PATH = 4096
CONFIGS = {
    "spec": ModelSpec,
    "config": TrainConfig,
    "tile": TileConfig,
    "prediction": PredictConfig,
    "objects": ObjectConfig,
}
C = TypeVar("C", bound=Checked)


@dataclass(frozen=True)
class StoredImage:
    """The files of an image, by their paths from the project."""

    paths: tuple[str, ...]
    fingerprints: tuple[str, ...]
    channels: tuple[str, ...] = ()
    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    contents: tuple[str, ...] = ()  # fingerprints of the pixels that were saved into the project


@dataclass(frozen=True)
class StoredMask:
    """A file of label values in the project."""

    path: str
    content: str  # digest of the values; "": not known
    fingerprint: str = ""  # of the file


@dataclass(frozen=True)
class StoredRow:
    """One image of the training set."""

    image: StoredImage
    labels: StoredMask | None
    role: Role
    group: str = ""
    name: str = ""
    object_classes: StoredMask | None = None
    regions: StoredMask | None = None

    @property
    def masks(self) -> tuple[StoredMask, ...]:
        """All label files."""
        every = (self.labels, self.object_classes, self.regions)
        return tuple(mask for mask in every if mask is not None)


@dataclass(frozen=True)
class StoredProject:
    """All of a project but the pixels."""

    rows: tuple[StoredRow, ...] = ()
    classes: tuple[LabelClass, ...] = ()
    spec: ModelSpec = field(default_factory=ModelSpec)
    config: TrainConfig = field(default_factory=TrainConfig)
    tile: TileConfig = field(default_factory=TileConfig)
    prediction: PredictConfig = field(default_factory=PredictConfig)
    objects: ObjectConfig = field(default_factory=ObjectConfig)
    results: tuple[str, ...] = ()
    has_model: bool = False
    saved: str = ""  # when, in UTC


def write_project(file: Path, project: StoredProject, folder: Path) -> None:
    """Write the file of the project in `folder`; an existing one is replaced when it is complete.

    ValueError for what could not be read again.
    """
    text = json.dumps(_to_json(project), indent=1)
    try:
        _from_json(parse_json(text), folder, [])
    except MALFORMED as error:
        raise ValueError(
            f"The project cannot be saved ({first_line(error)}): give shorter names, or fewer "
            "images."
        ) from None
    with atomic_write(file) as written:
        written.write(text.encode())


def read_project(file: Path, folder: Path) -> StoredProject:
    """Read the file of a project in `folder`; ValueError if it is none, damaged or too new."""
    try:
        if file.stat().st_size > MAX_HEADER:
            raise ValueError("it is too large")
        written = parse_json(file.read_bytes())
        number = as_whole(written["format"], "format", 1)
    except OSError as error:
        raise _unreadable(file, str(error.strerror)) from None
    except MALFORMED as error:
        raise _unreadable(file, first_line(error)) from None
    if number > FORMAT:
        raise ValueError(
            f"{file} was saved by a newer napari-segkit (format {number}; this version reads up to "
            f"{FORMAT}): update napari-segkit to open it."
        )
    unknown: list[str] = []
    try:
        project = _from_json(written, folder, unknown)
    except MALFORMED as error:
        raise _unreadable(file, first_line(error)) from None
    if unknown:
        warnings.warn(
            f"{file} holds {shorten(sorted(set(unknown)))}, which this version does not know and "
            "will not save again: update napari-segkit to use it.",
            UserWarning,
            stacklevel=4,
        )
    return project


def time_of_save(file: Path) -> str:
    """When a project was saved, in UTC; "" if its file cannot be read."""
    with suppress(OSError, *MALFORMED):
        return as_text(parse_json(file.read_bytes())["saved"], "saved")
    return ""


def _unreadable(file: Path, reason: str) -> ValueError:
    return ValueError(
        f"{file} cannot be read as a project of napari-segkit ({reason}): restore it from a copy, "
        "or save the project anew from the images and its labels."
    )


def _to_json(project: StoredProject) -> dict[str, object]:
    """JSON-able values, without what is empty."""
    return {
        "format": FORMAT,
        "version": __version__,
        "saved": project.saved,
        "training_set": [_row_to_json(row) for row in project.rows],
        "classes": [{**asdict(c), "value": int(c.value)} for c in project.classes],
        **{name: to_dict(getattr(project, name)) for name in CONFIGS},
        "has_model": project.has_model,
        "results": list(project.results),
    }


def _row_to_json(row: StoredRow) -> dict[str, object]:
    values = {key: value for key, value in asdict(row).items() if value not in (None, "")}
    values["image"] = {k: v for k, v in values["image"].items() if v not in (None, ())}
    return values


def _from_json(written: Header, folder: Path, unknown: list[str]) -> StoredProject:
    known = {"format", "version", "saved", "training_set", "classes", "has_model", "results"}
    unknown += _others(written, {*known, *CONFIGS})
    configs: dict[str, Any] = {
        name: _config(kind, written.get(name, {}), unknown) for name, kind in CONFIGS.items()
    }
    return StoredProject(
        rows=tuple(
            _row(row, folder, unknown) for row in as_list(written["training_set"], "training set")
        ),
        classes=tuple(map(as_class, as_list(written.get("classes", []), "classes"))),
        results=_paths(written.get("results", [])),
        has_model=as_typed(written.get("has_model", False), bool, "has_model"),
        saved=as_text(written.get("saved", ""), "saved"),
        **configs,
    )


def _others(written: Mapping[str, object], known: set[str]) -> list[str]:
    return [repr(printable(str(name))) for name in written if name not in known]


def _config(kind: type[C], written: object, unknown: list[str]) -> C:
    """A configuration, without the fields that this version does not know."""
    values: dict[str, object] = as_typed(written, dict, kind.__name__)
    fields = config_fields(kind)
    unknown += [f"{kind.__name__}.{printable(str(n))}" for n in values if n not in fields]
    return from_dict(kind, {n: _value(fields[n].kind, v, unknown) for n, v in values.items()
                            if n in fields})  # fmt: skip


def _value(kind: type, value: object, unknown: list[str]) -> object:
    if isinstance(value, dict) and issubclass(kind, Checked):
        return to_dict(_config(kind, value, unknown))
    if isinstance(value, str) and printable(value) != value:
        raise ValueError("invalid text")
    return value


def _row(written: object, folder: Path, unknown: list[str]) -> StoredRow:
    row: dict[str, Any] = as_typed(written, dict, "row")
    columns = ("labels", "object_classes", "regions")
    unknown += _others(row, {"name", "role", "group", "image", *columns})
    role = row.get("role", "train")
    if role not in get_args(Role):
        raise ValueError("invalid role")
    masks = {name: _mask(row.get(name), folder) for name in columns}
    return StoredRow(
        image=_image(row["image"], folder),
        role=role,
        group=as_text(row.get("group", ""), "group"),
        name=as_text(row.get("name", ""), "name"),
        **masks,
    )


def _image(written: object, folder: Path) -> StoredImage:
    image: dict[str, Any] = as_typed(written, dict, "image")
    paths = _paths(image["paths"])
    fingerprints = _texts(image.get("fingerprints", []), "fingerprint")
    contents = _texts(image.get("contents", []), "content")
    channels = _texts(image.get("channels", []), "channel")
    axes, spacing = image.get("axes"), image.get("spacing")
    if not paths or {len(fingerprints), len(paths), len(channels or paths)} != {len(paths)}:
        raise ValueError("invalid image")
    if contents:
        for path in paths:
            inside(folder, path)
    return StoredImage(
        paths,
        fingerprints,
        channels,
        None if axes is None else as_text(axes, "axes"),
        None if spacing is None else as_numbers(spacing, "spacing", 0.0),
        contents,
    )


def _mask(written: object, folder: Path) -> StoredMask | None:
    if written is None:
        return None
    mask: dict[str, object] = as_typed(written, dict, "labels")
    path = _path(mask["path"])
    inside(folder, path)
    content, fingerprint = (
        as_text(mask.get(name, ""), name) for name in ("content", "fingerprint")
    )
    return StoredMask(path, content, fingerprint)


def _texts(value: object, name: str) -> tuple[str, ...]:
    return tuple(as_text(text, name) for text in as_list(value, name))


def _paths(value: object) -> tuple[str, ...]:
    return tuple(map(_path, as_list(value, "paths")))


def _path(value: object) -> str:
    """A path as it was written, which may hold any character but NUL."""
    path = as_typed(value, str, "path")
    if not path or "\0" in path or len(path) > LONGEST_PATH:
        raise ValueError("invalid path")
    return path
