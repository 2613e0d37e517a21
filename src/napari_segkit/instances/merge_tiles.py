"""Merging of candidates from overlapping tiles into one candidate per object."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.tiling import Grid, Tile

from .candidates import SoftMasks
from .link_slices import one_to_one
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
    links = [
        (first[a] + i, first[b] + j)
        for a in range(len(tiles))
        for b in _neighbours(grid, a)
        if a < b
        for i, j in _match_candidates(tiles[a], tiles[b], grid.shape)
    ]
    members = [(t, i) for t, tile in enumerate(tiles) for i in range(len(tile.candidates))]
    groups = _groups(len(members), links)
    merged = [_merge_group(tiles, [members[i] for i in group], grid) for group in groups]
    return SoftMasks.concatenate([candidate for candidate in merged if candidate is not None])


def _neighbours(grid: Grid, tile: int) -> list[int]:
    """The tiles that overlap a tile, by their positions in the grid."""
    rows, cols = len(grid.starts(0)), len(grid.starts(1))
    row, col = divmod(tile, cols)
    around = [
        y * cols + x
        for y in range(max(0, row - 1), min(rows, row + 2))
        for x in range(max(0, col - 1), min(cols, col + 2))
    ]
    return [other for other in around if other != tile]


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
) -> list[tuple[int, int]]:
    """Pairs of candidates that are one object, one to one."""
    similar = sorted(_similar_candidates(a, b, shape), reverse=True)
    return one_to_one((p, q) for _, p, q in similar)


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
            pair = [a.candidates.take([p]), b.candidates.take([q])]
            iou = _mask_iou(pair, shared, shape)
            if iou > SAME_IOU:
                yield iou, p, q


def _mask_iou(
    pair: Sequence[SoftMasks], shared: NDArray[np.floating], shape: Sequence[int]
) -> float:
    """IoU of two masks inside the box `shared`."""
    masks = _paste_all(pair, _intersection(_outer_box(pair), shared), shape) >= BINARY
    union = int(masks.any(axis=0).sum())
    return int(masks.all(axis=0).sum()) / union if union else 0.0


def _outer_box(parts: Sequence[SoftMasks]) -> NDArray[np.floating]:
    """The box of whole pixels around single candidates."""
    boxes = np.concatenate([p.boxes for p in parts])
    return np.concatenate([np.floor(boxes[:, :2].min(axis=0)), np.ceil(boxes[:, 2:].max(axis=0))])


def _paste_all(
    parts: Sequence[SoftMasks], window: NDArray[np.floating], shape: Sequence[int]
) -> NDArray[np.float32]:
    """The masks of single candidates inside a window, ``(parts, rows, columns)``."""
    x0, y0, x1, y1 = window.astype(int).tolist()
    canvas = np.zeros((len(parts), y1 - y0, x1 - x0), np.float32)
    for layer, part in zip(canvas, parts, strict=True):
        mask, (rows, cols) = paste(part.masks[0], part.boxes[0], shape)
        top, bottom = max(rows.start, y0), min(rows.stop, y1)
        left, right = max(cols.start, x0), min(cols.stop, x1)
        if top < bottom and left < right:
            inside = mask[top - rows.start : bottom - rows.start]
            inside = inside[:, left - cols.start : right - cols.start]
            layer[top - y0 : bottom - y0, left - x0 : right - x0] = inside
    return canvas


def _merge_group(
    tiles: Sequence[_TileObjects], group: Sequence[tuple[int, int]], grid: Grid
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
    others = {n for t in own for n in _neighbours(grid, t)} - own
    if any(tiles[t].contains(b)[0] for t in others for b in boxes):
        return None
    return parts[0] if len(parts) == 1 else _unite(parts, grid.shape)


def _unite(parts: Sequence[SoftMasks], shape: Sequence[int]) -> SoftMasks:
    """Unite the parts of an object that no tile contains entirely."""
    boxes = np.concatenate([p.boxes for p in parts])
    box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    height, width = shape
    window = _intersection(_outer_box(parts), np.array([0, 0, width, height]))
    united = _paste_all(parts, window, shape).max(axis=0)
    best = max(parts, key=lambda p: float(p.scores[0]))
    soft = extract_mask(united, box.tolist(), window[1::-1].astype(int).tolist())
    return SoftMasks(box[None].astype(np.float32), soft[None], best.positions, best.scores)


def _intersection(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection of boxes; of negative width or height if there is none."""
    return np.concatenate(
        [np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], axis=-1
    )


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1)
