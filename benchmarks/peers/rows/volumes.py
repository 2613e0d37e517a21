"""Volumes after a training beside nnU-Net v2: says why there is no figure."""

from collections.abc import Iterator

from benchmarks.peers.case import Case, Group, Sources

REASON = (
    "nnU-Net v2 is not run, as an epoch of it has 250 steps, which minutes on a CPU do not hold"
)


def cases(sources: Sources) -> Iterator[Case]:
    yield Case("mri_mni152", lambda: (), (), 1, skipped=REASON)


GROUP = Group("Volumes after a training", "SegKit and nnU-Net v2 from scratch.", cases)
