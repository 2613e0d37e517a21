"""Merging of candidates from overlapping tiles into one candidate per object."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.tiling import Grid, Tile

from .candidates import SoftMasks
from .roi_masks import extract_mask, paste

EDGE = 2.0  # pixels: closer to an inner edge of the tile, a box is cut off
SAME_IOU = 0.5  # in the overlap of two tiles, above which two candidates are one object
MIN_RELATIVE_SCORE = 0.5  # of the best candidate's score, to represent the object
BINARY = 0.5


@dataclass(frozen=True)
class _TileObjects:
    """The candidates of one tile, in pixels of the image."""

    window: NDArray[np.float64]  # x0, y0, x1, y1 of the tile
    inner: NDArray[np.bool_]  # which of these four edges are inside the image
    candidates: SoftMasks

    def distances(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distance of each side to the tile's edge; infinite at the ends of the image."""
        inside = (boxes - self.window) * [1, 1, -1, -1]
        return np.where(self.inner, inside, np.inf)

    def contains(self, boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which boxes are entirely inside the tile."""
        inside = ((boxes - self.window) * [1, 1, -1, -1] >= -EDGE).all(axis=1)
        return np.asarray(inside & (self.distances(boxes) > EDGE).all(axis=1))

    def depths(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distance of the boxes' centres to the nearest inner edge of the tile."""
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        return self.distances(np.concatenate([centre, centre], axis=1)).min(axis=1)


def merge_tiles(grid: Grid, candidates: Sequence[tuple[Tile, SoftMasks]]) -> SoftMasks:
    """Merge the candidates of all tiles, given in the order of the grid in pixels of the tile.

    Candidates of two tiles are one object if their masks agree in the overlap, one to one, the
    best pairs first. The object is taken from the tile in which it lies deepest; if no tile
    contains it entirely, its parts are united. A candidate cut off by an edge that another tile
    contains entirely, but did not find, is dropped. Returns boxes in pixels of the image.
    """
    tiles = [_to_image_pixels(grid, *each) for each in candidates]
    first = np.cumsum([0, *(len(t.candidates) for t in tiles)])
    neighbours = _neighbours(grid)
    links = [
        (first[a] + i, first[b] + j)
        for a in range(len(tiles))
        for b in neighbours(a)
        if a < b
        for i, j in _match_candidates(tiles[a], tiles[b], grid.shape)
    ]
    tile_of = np.repeat(np.arange(len(tiles)), np.diff(first))
    members = [(int(t), int(i - first[t])) for i, t in enumerate(tile_of)]
    merged = [
        candidate
        for group in _groups(len(members), links)
        if (candidate := _merge_group(tiles, [members[i] for i in group], neighbours, grid.shape))
        is not None
    ]
    return SoftMasks.concatenate(merged)


def _neighbours(grid: Grid) -> Callable[[int], list[int]]:
    """The tiles that overlap a tile, by their positions in the grid."""
    rows, cols = len(grid.starts(0)), len(grid.starts(1))

    def neighbours(tile: int) -> list[int]:
        row, col = divmod(tile, cols)
        around = (
            (y, x)
            for y in range(max(0, row - 1), min(rows, row + 2))
            for x in range(max(0, col - 1), min(cols, col + 2))
        )
        return [y * cols + x for y, x in around if (y, x) != (row, col)]

    return neighbours


def _groups(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Connected groups of candidates, in the order of their first members."""
    if not links:
        return [[i] for i in range(count)]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links)), np.transpose(links)), shape=(count, count))
    groups: dict[int, list[int]] = {}
    for number, group in enumerate(connected_components(graph, directed=False)[1].tolist()):
        groups.setdefault(group, []).append(number)
    return list(groups.values())


def _to_image_pixels(grid: Grid, tile: Tile, candidates: SoftMasks) -> _TileObjects:
    rows, cols = tile.region
    y, x = (s + n for s, n in zip(tile.start, grid.size, strict=True))
    window = np.array([cols.start, rows.start, cols.stop, rows.stop], np.float64)
    inner = np.array([cols.start > 0, rows.start > 0, x < grid.shape[1], y < grid.shape[0]])
    offset = np.array([cols.start, rows.start] * 2, np.float32)
    height, width = grid.shape
    boxes = (candidates.boxes + offset).clip(0, [width, height, width, height])
    in_image = replace(candidates, boxes=boxes.astype(np.float32))
    visible = (boxes[:, 2:] - boxes[:, :2] > 0.5).all(axis=1)  # not only in the mirrored margin
    return _TileObjects(window, inner, in_image.take(visible))


def _match_candidates(
    a: _TileObjects, b: _TileObjects, shape: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of candidates that are one object, one to one."""
    left, right = set(range(len(a.candidates))), set(range(len(b.candidates)))
    for _, p, q in sorted(_similar_candidates(a, b, shape), reverse=True):
        if p in left and q in right:
            left.remove(p)
            right.remove(q)
            yield p, q


def _similar_candidates(
    a: _TileObjects, b: _TileObjects, shape: Sequence[int]
) -> Iterator[tuple[float, int, int]]:
    """IoU in the overlap of two tiles, and its two candidates, if above `SAME_IOU`."""
    shared = _intersection(a.window, b.window)
    if not len(a.candidates) or not len(b.candidates) or not (shared[2:] > shared[:2]).all():
        return
    near = [np.flatnonzero(_area(_intersection(t.candidates.boxes, shared)) > 0) for t in (a, b)]
    boxes = [
        _intersection(t.candidates.boxes[n], shared) for t, n in zip((a, b), near, strict=True)
    ]
    overlap = _area(_intersection(boxes[0][:, None], boxes[1][None]))
    union = _area(boxes[0])[:, None] + _area(boxes[1])[None] - overlap
    for i, j in np.argwhere(overlap > 0.3 * union):
        p, q = int(near[0][i]), int(near[1][j])
        if a.candidates.positions[p] == b.candidates.positions[q]:
            iou = _mask_iou(a.candidates, p, b.candidates, q, shared, shape)
            if iou > SAME_IOU:
                yield iou, p, q


def _mask_iou(
    a: SoftMasks, p: int, b: SoftMasks, q: int, shared: NDArray[np.floating], shape: Sequence[int]
) -> float:
    """IoU of two masks inside the box `shared`."""
    both = np.stack([a.boxes[p], b.boxes[q]])
    around = np.concatenate([np.floor(both[:, :2].min(axis=0)), np.ceil(both[:, 2:].max(axis=0))])
    x0, y0, x1, y1 = _intersection(around, shared).astype(int)
    canvas = np.zeros((2, y1 - y0, x1 - x0), bool)
    for layer, (candidates, number) in zip(canvas, ((a, p), (b, q)), strict=True):
        mask, (rows, cols) = paste(candidates.masks[number], candidates.boxes[number], shape)
        top, bottom = max(rows.start, y0), min(rows.stop, y1)
        left, right = max(cols.start, x0), min(cols.stop, x1)
        if top < bottom and left < right:
            part = mask[
                top - rows.start : bottom - rows.start, left - cols.start : right - cols.start
            ]
            layer[top - y0 : bottom - y0, left - x0 : right - x0] = part >= BINARY
    union = int((canvas[0] | canvas[1]).sum())
    return int((canvas[0] & canvas[1]).sum()) / union if union else 0.0


def _merge_group(
    tiles: Sequence[_TileObjects],
    group: Sequence[tuple[int, int]],
    neighbours: Callable[[int], list[int]],
    shape: Sequence[int],
) -> SoftMasks | None:
    """One candidate for a group of (tile, candidate), or None if it is no object."""
    parts = [tiles[t].candidates.take([i]) for t, i in group]
    boxes = [p.boxes for p in parts]
    best = max(float(p.scores[0]) for p in parts)
    complete = [
        n
        for n, (t, _) in enumerate(group)
        if parts[n].scores[0] >= MIN_RELATIVE_SCORE * best and tiles[t].contains(boxes[n])[0]
    ]
    if complete:
        by_score = sorted(complete, key=lambda n: float(parts[n].scores[0]))
        best_of_tile = {group[n][0]: n for n in by_score}
        deepest = max(best_of_tile.values(), key=lambda n: tiles[group[n][0]].depths(boxes[n])[0])
        return parts[deepest]
    own = {t for t, _ in group}
    others = {n for t in own for n in neighbours(t)} - own
    if any(tiles[t].contains(b)[0] for t in others for b in boxes):
        return None
    return parts[0] if len(parts) == 1 else _unite(parts, shape)


def _unite(parts: Sequence[SoftMasks], shape: Sequence[int]) -> SoftMasks:
    """Unite the parts of an object that no tile contains entirely."""
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
    soft = extract_mask(canvas, box.tolist(), (y0, x0))
    return SoftMasks(box[None].astype(np.float32), soft[None], best.positions, best.scores)


def _intersection(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection of boxes; of negative width or height if there is none."""
    return np.concatenate(
        [np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], axis=-1
    )


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1)
