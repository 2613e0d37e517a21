"""The classes of label values in the record that files store with their values."""

import re
from collections.abc import Iterable, Mapping

from napari_segkit.images.classes import LabelClass, default_color

KEY = "label_classes"


def record_with_classes(
    record: Mapping[str, object], classes: Iterable[LabelClass]
) -> dict[str, object]:
    """The record of a file, with the classes of its values in place of earlier ones."""
    others = {key: value for key, value in record.items() if key != KEY}
    rows = [[c.value, c.name, c.color] for c in classes]
    return {**others, KEY: rows} if rows else others


def classes_in(record: object) -> tuple[LabelClass, ...]:
    """The classes in a record, which another program may have written in any form."""
    if not isinstance(record, Mapping):
        return ()
    rows = record.get(KEY)
    if rows is None and "objects" not in record:  # with objects, the values are their ids
        rows = record.get("classes")  # of the model, all that files of earlier versions have
    try:
        return tuple(_label_class(*row) for row in rows or ())
    except (TypeError, ValueError):
        return ()


def _label_class(value: object, name: object, color: object = None) -> LabelClass:
    number = int(str(value))
    valid = re.fullmatch("#[0-9a-f]{6}", str(color))
    return LabelClass(number, str(name), str(color) if valid else default_color(number))
