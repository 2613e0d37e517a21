"""Objects that several tiles found, as one: whole across the tiles' borders."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segkit.tiling import Grid, Tile

from .candidates import SoftMasks
from .roi_masks import cut_out, paste

EDGE = 2.0  # a box that comes so near to a tile's inner edge is cut off there
SAME = 0.5  # IoU, within what both tiles see, from which two candidates are one object
WEAK = 0.5  # of the best score: a candidate below that does not stand for the object
BINARY = 0.5


@dataclass(frozen=True)
class _Seen:
    """The candidates of one tile, in pixels of the image.

    Parameters
    ----------
    window : ndarray
        x0, y0, x1, y1 of the tile.
    inner : ndarray of bool
        Which of these four edges lie inside the image.
    candidates : SoftMasks
        What the tile found.
    """

    window: NDArray[np.float64]
    inner: NDArray[np.bool_]
    candidates: SoftMasks

    def distances(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far each side of boxes lies inside the tile; infinite at the image's own edges."""
        inside = (boxes - self.window) * [1, 1, -1, -1]
        return np.where(self.inner, inside, np.inf)

    def holds(self, boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which boxes the tile sees whole."""
        inside = ((boxes - self.window) * [1, 1, -1, -1] >= -EDGE).all(axis=1)
        return np.asarray(inside & (self.distances(boxes) > EDGE).all(axis=1))

    def depths(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """How deep in the tile the middles of boxes lie."""
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        return self.distances(np.concatenate([middle, middle], axis=1)).min(axis=1)


def merge_tiles(grid: Grid, found: Sequence[tuple[Tile, SoftMasks]]) -> SoftMasks:
    """The objects of an image, each once and whole.

    What two tiles found in the part that both see is one object where the masks agree there; each
    candidate stands for one of the other tile's at most, that with which it agrees best. The object
    is taken from the tile in which it lies deepest; where no tile sees it whole, the parts are
    joined.
    What a tile's edge cuts off, and another tile sees whole but does not find, is dropped.

    Parameters
    ----------
    grid : Grid
        The tiles.
    found : sequence of tuple
        All tiles of the grid, in its order, with their candidates; boxes in pixels of the tile.

    Returns
    -------
    SoftMasks
        Boxes in pixels of the image, by falling score.
    """
    seen = [_placed(grid, *each) for each in found]
    first = np.cumsum([0, *(len(s.candidates) for s in seen)])
    groups = _Groups(int(first[-1]))
    near = _neighbours(grid)
    for a in range(len(seen)):
        for b in near(a):
            if a < b:
                for i, j in _matches(seen[a], seen[b], grid.shape):
                    groups.join(int(first[a] + i), int(first[b] + j))
    tile_of = np.repeat(np.arange(len(seen)), np.diff(first))
    members = [(int(t), int(i - first[t])) for i, t in enumerate(tile_of)]
    kept = [
        one
        for group in groups.all()
        if (one := _settled(seen, [members[i] for i in group], near, grid.shape)) is not None
    ]
    return SoftMasks.joined(kept)


def _neighbours(grid: Grid) -> Callable[[int], list[int]]:
    """Which tiles share pixels with a tile, by their places in the grid: at most two an axis do."""
    rows, cols = len(grid.starts(0)), len(grid.starts(1))

    def near(tile: int) -> list[int]:
        row, col = divmod(tile, cols)
        around = (
            (y, x)
            for y in range(max(0, row - 1), min(rows, row + 2))
            for x in range(max(0, col - 1), min(cols, col + 2))
        )
        return [y * cols + x for y, x in around if (y, x) != (row, col)]

    return near


def _placed(grid: Grid, tile: Tile, candidates: SoftMasks) -> _Seen:
    rows, cols = tile.region
    y, x = (s + n for s, n in zip(tile.start, grid.size, strict=True))
    window = np.array([cols.start, rows.start, cols.stop, rows.stop], np.float64)
    inner = np.array([cols.start > 0, rows.start > 0, x < grid.shape[1], y < grid.shape[0]])
    offset = np.array([cols.start, rows.start] * 2, np.float32)
    height, width = grid.shape
    boxes = (candidates.boxes + offset).clip(0, [width, height, width, height])
    moved = SoftMasks(
        boxes.astype(np.float32), candidates.masks, candidates.positions, candidates.scores
    )
    real = (boxes[:, 2:] - boxes[:, :2] > 0.5).all(axis=1)  # not wholly in the mirrored margin
    return _Seen(window, inner, moved.take(real))


def _matches(a: _Seen, b: _Seen, shape: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of candidates that are the same where both tiles look: each is in one at most."""
    left, right = set(range(len(a.candidates))), set(range(len(b.candidates)))
    for _, p, q in sorted(_alike(a, b, shape), reverse=True):
        if p in left and q in right:
            left.remove(p)
            right.remove(q)
            yield p, q


def _alike(a: _Seen, b: _Seen, shape: Sequence[int]) -> Iterator[tuple[float, int, int]]:
    """IoU, where both tiles look, of pairs of candidates that may be the same."""
    shared = _meet(a.window, b.window)
    if not len(a.candidates) or not len(b.candidates) or not (shared[2:] > shared[:2]).all():
        return
    near = [np.flatnonzero(_area(_meet(s.candidates.boxes, shared)) > 0) for s in (a, b)]
    boxes = [_meet(s.candidates.boxes[n], shared) for s, n in zip((a, b), near, strict=True)]
    overlap = _area(_meet(boxes[0][:, None], boxes[1][None]))
    union = _area(boxes[0])[:, None] + _area(boxes[1])[None] - overlap
    for i, j in np.argwhere(overlap > 0.3 * union):
        p, q = int(near[0][i]), int(near[1][j])
        if a.candidates.positions[p] == b.candidates.positions[q]:
            iou = _agreement(a.candidates, p, b.candidates, q, shared, shape)
            if iou > SAME:
                yield iou, p, q


def _agreement(
    a: SoftMasks, p: int, b: SoftMasks, q: int, shared: NDArray[np.floating], shape: Sequence[int]
) -> float:
    """IoU of two masks within a part of the image."""
    both = np.stack([a.boxes[p], b.boxes[q]])
    around = np.concatenate([np.floor(both[:, :2].min(axis=0)), np.ceil(both[:, 2:].max(axis=0))])
    x0, y0, x1, y1 = _meet(around, shared).astype(int)
    canvas = np.zeros((2, y1 - y0, x1 - x0), bool)
    for layer, (candidates, which) in zip(canvas, ((a, p), (b, q)), strict=True):
        mask, (rows, cols) = paste(candidates.masks[which], candidates.boxes[which], shape)
        top, bottom = max(rows.start, y0), min(rows.stop, y1)
        left, right = max(cols.start, x0), min(cols.stop, x1)
        if top < bottom and left < right:
            part = mask[
                top - rows.start : bottom - rows.start, left - cols.start : right - cols.start
            ]
            layer[top - y0 : bottom - y0, left - x0 : right - x0] = part >= BINARY
    union = int((canvas[0] | canvas[1]).sum())
    return int((canvas[0] & canvas[1]).sum()) / union if union else 0.0


def _settled(
    seen: Sequence[_Seen],
    group: Sequence[tuple[int, int]],
    near: Callable[[int], list[int]],
    shape: Sequence[int],
) -> SoftMasks | None:
    """One candidate for all that are the same object; None where it is none."""
    parts = [seen[t].candidates.take([i]) for t, i in group]
    boxes = [p.boxes for p in parts]
    best = max(float(p.scores[0]) for p in parts)
    strong = [p.scores[0] >= WEAK * best for p in parts]
    whole = [bool(seen[t].holds(b)[0]) for (t, _), b in zip(group, boxes, strict=True)]
    chosen = [n for n, (s, w) in enumerate(zip(strong, whole, strict=True)) if s and w]
    if chosen:
        surest = {group[n][0]: n for n in sorted(chosen, key=lambda n: float(parts[n].scores[0]))}
        return parts[max(surest.values(), key=lambda n: seen[group[n][0]].depths(boxes[n])[0])]
    own = {t for t, _ in group}
    others = {n for t in own for n in near(t)} - own
    if any(seen[t].holds(b)[0] for t in others for b in boxes):
        return None
    return parts[0] if len(parts) == 1 else _union(parts, shape)


def _union(parts: Sequence[SoftMasks], shape: Sequence[int]) -> SoftMasks:
    """Parts of one object that no tile sees whole, joined."""
    boxes = np.concatenate([p.boxes for p in parts])
    box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    x0, y0, x1, y1 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
    canvas = np.zeros((min(y1, shape[0]) - y0, min(x1, shape[1]) - x0), np.float32)
    for part in parts:
        mask, (rows, cols) = paste(part.masks[0], part.boxes[0], shape)
        place = (
            slice(rows.start - y0, rows.stop - y0),
            slice(cols.start - x0, cols.stop - x0),
        )
        canvas[place] = np.maximum(canvas[place], mask)
    best = max(parts, key=lambda p: float(p.scores[0]))
    soft = cut_out(canvas, box.tolist(), (y0, x0))
    return SoftMasks(box[None].astype(np.float32), soft[None], best.positions, best.scores)


def _meet(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """The box that two boxes share; of negative width where they do not meet."""
    return np.concatenate(
        [np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], axis=-1
    )


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1)


class _Groups:
    """Numbers in disjoint groups that can be joined."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        a, b = sorted((self._root(one), self._root(other)))
        self._parent[b] = a

    def all(self) -> list[list[int]]:
        """The groups, by their first numbers."""
        groups: dict[int, list[int]] = {}
        for number in range(len(self._parent)):
            groups.setdefault(self._root(number), []).append(number)
        return list(groups.values())

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            number = self._parent[number]
        return number
