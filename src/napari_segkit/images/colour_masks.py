"""Masks whose colours are classes, as Pascal VOC, CamVid and labelme draw them."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .axes_image import AxesImage, full_resolution
from .class_labels import ClassLabels
from .classes import LabelClass, class_names
from .labels import LabelsError
from .notes import say_note
from .types import AnyArray, ImageSource, LazyArray, is_layer

MAX_COLOURS = 256
MAX_LISTED = 32  # in a note
MAX_THIN = 8  # so many colours may be nowhere wider than a pixel, such as those of scribbles
BRIGHT = 64  # labels painted on single channels of an image have lower values
NEAR = 3.0  # distance of a blended colour from the line between the two it comes from


@dataclass(frozen=True)
class ColourTable:
    """The class value of each colour, packed as 0xRRGGBB."""

    values: dict[int, int]

    @classmethod
    def of(cls, colours: Set[int]) -> "ColourTable":
        """Black is 0, the others 1, 2, 3 ... by colour; those of VOC have its own numbers."""
        voc = voc_numbers()
        if colours <= voc.keys():
            return cls(dict(sorted(((c, voc[c]) for c in colours), key=lambda pair: pair[1])))
        numbered = enumerate(sorted(colours | {0}))
        return cls({colour: value for value, colour in numbered if colour in colours})

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes, named after their colours."""
        return tuple(LabelClass(v, _hex(c), _hex(c)) for c, v in self.values.items())

    def __bool__(self) -> bool:
        return bool(self.values)

    def note(self, name: str) -> str:
        """Say which value each colour has become; `name` is the mask's."""
        pairs = ", ".join(f"{c.color} {c.value}" for c in self.classes[:MAX_LISTED])
        if len(self.values) > MAX_LISTED:
            pairs += f" and {len(self.values) - MAX_LISTED} more, in the order of their codes"
        return f"{name}: {len(self.values)} colours became classes: {pairs}."

    def apply(self, mask: LazyArray, name: str) -> AnyArray:
        """The class value of each pixel; LabelsError for a colour that is not in the table."""
        lookup = np.full(1 << 24, -1, np.int32)
        lookup[list(self.values)] = list(self.values.values())
        codes = _packed(mask)
        values = lookup[codes]
        if (values < 0).any():
            raise LabelsError(
                f"{name} holds the colour {_hex(int(codes[values < 0][0]))}, which has no class in "
                "the masks read with it: save all masks of one kind, either class values or "
                "colours."
            )
        return values.astype(np.min_scalar_type(max(self.values.values())))


def has_channels(mask: LazyArray) -> bool:
    """Whether an array has the shape and the type of a colour mask."""
    return mask.ndim > 2 and mask.shape[-1] in (3, 4) and mask.dtype in (np.uint8, np.uint16)


def is_coloured(mask: LazyArray) -> bool:
    """Whether pixels have colours: not grey, and not labels painted on single channels."""
    if not has_channels(mask):
        return False
    rgb = np.asarray(mask)[..., :3]
    return bool(rgb.size and rgb.max() >= BRIGHT and (rgb != rgb[..., :1]).any())


def colours_of(masks: Iterable[tuple[str, LazyArray]]) -> tuple[frozenset[int], str]:
    """Colours of masks that belong together and the first one's name; none if no one is coloured.

    LabelsError if colours cannot be classes, or if other masks hold class values.
    """
    colours: set[int] = set()
    coloured, plain, problem = "", "", ""
    for name, mask in masks:
        if not has_channels(mask):
            plain = plain or (name if np.asarray(mask).any() else "")
            continue
        pixels = np.asarray(mask)
        coloured = coloured or (name if is_coloured(pixels) else "")
        problem = problem or _problem(pixels, name)
        colours |= set() if problem else _distinct(_packed(pixels))
    if not coloured:
        return frozenset(), ""
    if problem or plain:
        raise LabelsError(
            problem
            or f"{coloured} is a colour picture and {plain} holds one value per pixel, so their "
            "classes cannot be matched: save all masks of one kind, either class values or colours."
        )
    return frozenset(colours), coloured


def colour_table(
    groups: Sequence[Iterable[tuple[str, LazyArray]]], named: Mapping[str, int] | None = None
) -> tuple[ColourTable, str]:
    """The classes of the colours of all groups, as `colours_of` has them, and a note on them.

    Where one group holds class values instead, `named` gives the value of the class that is named
    after each colour. LabelsError without it: the numbers of colours differ from run to run, except
    those of VOC.
    """
    found = [colours_of(group) for group in groups]
    table = ColourTable.of(frozenset().union(*(colours for colours, _ in found)))
    if not table:
        return table, ""
    coloured = next(name for _, name in found if name)
    if not all(name for _, name in found) and not table.values.keys() <= voc_numbers().keys():
        table = _by_name(table, named or {}, coloured)
    return table, table.note(coloured)


def _by_name(table: ColourTable, named: Mapping[str, int], coloured: str) -> ColourTable:
    """The same colours with the values of the classes that are named after them."""
    missing = [_hex(colour) for colour in table.values if _hex(colour) not in named]
    if missing:
        raise LabelsError(
            f"{coloured} holds colours and is compared with class values, of which none is named "
            f"{', '.join(missing[:5])}: compare colours with colours, values with values, or give "
            "what a model trained on these colours has predicted."
        )
    return ColourTable({colour: named[_hex(colour)] for colour in table.values})


def classes_by_colour(*groups: Sequence[ImageSource]) -> list[list[ImageSource]]:
    """Groups of labels, such as predictions and truths, with colours replaced by class values.

    A warning says what became what.
    """
    read, note = replace_colours(*groups)
    if note:
        say_note(note, stacklevel=3)
    return read


def replace_colours(*groups: Sequence[ImageSource]) -> tuple[list[list[ImageSource]], str]:
    """As `classes_by_colour`, with the note on what became what; "" if there were no colours."""
    sources = [source for group in groups for source in group]
    if not any(has_channels(full_resolution(source, _name(source))) for source in sources):
        return [list(group) for group in groups], ""
    named = {
        name: value
        for group in groups
        for source in group
        for value, name in class_names(getattr(source, "features", None)).items()
    }
    pixels = [((_name(s), full_resolution(s, _name(s))) for s in group) for group in groups]
    table, note = colour_table(pixels, named)
    if not table:
        return [list(group) for group in groups], ""
    return [[_by_table(source, table) for source in group] for group in groups], note


def replace_own_colours(
    labels: ImageSource, image: AxesImage | None = None
) -> tuple[ImageSource, str]:
    """As `replace_colours` for the labels of one image, which may be as narrow as colours are."""
    if image is not None and image.label_shape == tuple(full_resolution(labels).shape):
        return labels, ""
    ((source,),), note = replace_colours([labels])
    return source, note


def _by_table(source: ImageSource, table: ColourTable) -> ImageSource:
    array, name = full_resolution(source, _name(source)), _name(source)
    if not has_channels(array):
        return source
    metadata = dict(source.metadata) if is_layer(source) else {}
    return ClassLabels(table.apply(array, name), table.classes, name, metadata)


@cache
def voc_numbers() -> dict[int, int]:
    """Number of each colour of the palette of Pascal VOC, which labelme has as well."""

    def channel(number: int, first: int) -> int:
        return sum((number >> (first + 3 * bit) & 1) << (7 - bit) for bit in range(3))

    colours = [[channel(number, first) for first in range(3)] for number in range(256)]
    return {r << 16 | g << 8 | b: number for number, (r, g, b) in enumerate(colours)}


def _name(source: object) -> str:
    return str(getattr(source, "name", "") or "labels")


def _hex(colour: int) -> str:
    return f"#{colour:06x}"


def _packed(mask: LazyArray) -> NDArray[np.int32]:
    """The colour of each pixel as 0xRRGGBB; transparent pixels are black."""
    pixels = np.asarray(mask).astype(np.int32)
    if pixels.max(initial=0) > 255:
        pixels //= 257
    packed: NDArray[np.int32] = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    return packed if pixels.shape[-1] == 3 else np.where(pixels[..., 3] == 0, 0, packed)


def _distinct(codes: NDArray[np.int32]) -> set[int]:
    seen = np.zeros(1 << 24, bool)
    seen[codes] = True
    return set(np.flatnonzero(seen).tolist())


def _problem(mask: AnyArray, name: str) -> str:
    """Why the colours of a mask cannot be classes; "" if they can."""
    highest, lowest = int(mask.max(initial=0)), int(mask.min(initial=0))
    if lowest < 0 or highest > 65535 or (highest > 255 and (mask % 257).any()):
        return (
            f"{name} is a colour picture of values from {lowest} to {highest}, but colours of "
            "classes have 8 bits: save one class value per pixel, or 8-bit colours."
        )
    codes = _packed(mask)
    colours = _distinct(codes)
    start = f"{name} is a colour picture of {len(colours)} colours"
    if len(colours) > MAX_COLOURS:
        return f"{start}, too many for a mask of classes: save one class value per pixel."
    if colours <= voc_numbers().keys():
        return ""
    flat = _flat_colours(codes)
    thin = colours - flat
    if len(thin) > max(MAX_THIN, len(flat)) or any(_is_blend(c, flat) for c in thin):
        return (
            f"{start}, some of which are blends at the edges (smoothed, resized or saved with "
            "losses), so its colours cannot be told apart as classes: draw or resize it without "
            "smoothing, and save it as PNG."
        )
    return ""


def _flat_colours(codes: NDArray[np.int32]) -> set[int]:
    """Colours that fill two by two pixels somewhere."""
    right = codes[..., :, 1:] == codes[..., :, :-1]
    flat = right[..., 1:, :] & right[..., :-1, :] & (codes[..., 1:, 1:] == codes[..., :-1, 1:])
    return _distinct(codes[..., 1:, 1:][flat])


def _is_blend(colour: int, flat: Set[int]) -> bool:
    """Whether a colour lies on the line between two others."""
    point, ends = _rgb([colour])[0], _rgb(sorted(flat))
    for start in ends:
        along = ends - start
        length = (along**2).sum(axis=1)
        place = ((point - start) * along).sum(axis=1) / np.maximum(length, 1)
        distance = np.linalg.norm(start + place[:, None] * along - point, axis=1)
        if ((place > 0) & (place < 1) & (length > 0) & (distance < NEAR)).any():
            return True
    return False


def _rgb(colours: Sequence[int]) -> NDArray[np.float64]:
    packed = np.array(colours, np.int64).reshape(-1)
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(float)
