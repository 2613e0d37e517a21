"""Over- and under-segmentation of objects: variation of information, adapted Rand error, splits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .confusion import Counts, Floats, ratio
from .contingency import VOID, ContingencyTable, Ids

NAMES = (
    "vi_split",
    "vi_merge",
    "adapted_rand_error",
    "rand_precision",
    "rand_recall",
    "splits",
    "merges",
)


@dataclass(frozen=True, eq=False)
class PartitionCounts:
    """What ratios of over- and under-segmentation are made of; it adds up over images."""

    pixels: int  # of true objects
    bits: Floats  # (2,): lost to splits and to merges, summed over these pixels
    pairs: Floats  # (3,): pairs of them in one segment of both, of the prediction, of the truth
    pieces: Counts  # (2,): splits and merges

    def __add__(self, other: "PartitionCounts") -> "PartitionCounts":
        return PartitionCounts(
            self.pixels + other.pixels,
            self.bits + other.bits,
            self.pairs + other.pairs,
            self.pieces + other.pieces,
        )

    def ratios(self) -> dict[str, float]:
        """Ratios and counts by name; nan without true objects."""
        both, predicted, true = self.pairs
        pairs = ratio([2 * both, both, both], [predicted + true, predicted, true])
        bits = ratio(self.bits, [self.pixels] * 2)
        values = [*bits, 1 - pairs[0], *pairs[1:], *self.pieces]
        return dict(zip(NAMES, map(float, values), strict=True))

    def text(self) -> str:
        """Describe it for a person."""
        split, merge, error, *_ = self.ratios().values()
        return (
            f"variation of information {split:.4f} by splits and {merge:.4f} by merges, adapted "
            f"Rand error {error:.4f}, splits: {self.pieces[0]}, merges: {self.pieces[1]}"
        )


NO_PARTITION = PartitionCounts(0, np.zeros(2), np.zeros(3), np.zeros(2, np.int64))


def count_partition(shared: ContingencyTable) -> PartitionCounts:
    """Compare the segments within the true objects; the predicted background is one of them.

    Splits and merges are pieces beyond the first: predicted objects of which more than half lies
    in one true object, and the other way round.
    """
    inside = shared.truth > 0
    pixels = shared.pixels[inside].astype(float)
    truth, prediction = shared.truth[inside], shared.prediction[inside]
    true, predicted = _sums(truth, pixels), _sums(prediction, pixels)
    bits = [pixels @ np.log2(whole / pixels) for whole in (true, predicted)]
    pairs = [pixels @ (same - 1) for same in (pixels, predicted, true)]
    pieces = [further.sum() for _, further in (splits(shared), merges(shared))]
    return PartitionCounts(
        int(pixels.sum()), np.array(bits), np.array(pairs), np.array(pieces, np.int64)
    )


def splits(shared: ContingencyTable) -> tuple[Ids, Counts]:
    """Ids of the true objects that are split, and how many pieces beyond the first each has.

    A predicted object is a piece of the true object that has more than half of its pixels.
    """
    seen = shared.truth != VOID
    return _further_pieces(shared.truth[seen], shared.prediction[seen], shared.pixels[seen])


def merges(shared: ContingencyTable) -> tuple[Ids, Counts]:
    """Ids of the predicted objects that merge true ones, and how many beyond the first each has.

    A true object is merged into the predicted object that has more than half of its pixels.
    """
    return _further_pieces(shared.prediction, shared.truth, shared.pixels)


def _further_pieces(wholes: Ids, pieces: Ids, pixels: Counts) -> tuple[Ids, Counts]:
    within = (wholes > 0) & (pieces > 0) & (2 * pixels > _sums(pieces, pixels))
    ids, count = np.unique(wholes[within], return_counts=True)
    return ids[count > 1], count[count > 1] - 1


def _sums(ids: Ids, pixels: NDArray[Any]) -> Floats:
    """Pixels of the id of each entry, over all entries."""
    _, place = np.unique(ids, return_inverse=True)
    return np.bincount(place, pixels)[place].astype(float)
